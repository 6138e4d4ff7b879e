"""Who holds the places: which attempts stop, which episodes start, and how few GPUs there really are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from seedsweep.api.episode import MAX_ATTEMPTS, StopReason
from seedsweep.engine import bets
from seedsweep.engine.decisions import Event, StartEpisode
from seedsweep.engine.draft import Draft
from seedsweep.engine.ends import LOST_AFTER, node_to_avoid
from seedsweep.engine.observation import SeenAttempt
from seedsweep.engine.race import Need, Race, Standing

_LOST = {"LostByCut": StopReason.CUT, "LostByDominance": StopReason.DOMINATED}


@dataclass(frozen=True, slots=True)
class Waits:
    """Why something that could be done is not done yet."""

    for_checkpoint: bool = False
    """An attempt ought to make room, and has no durable checkpoint."""
    for_retry: int = 0
    """Episodes whose next attempt waits out a back-off."""
    troubled: SeenAttempt | None = None
    """The first of those that cannot begin; without a place, only where none has one."""
    abandoned: SeenAttempt | None = None
    """The first of those whose node gives no sign of life, or that do not go though they were told to end."""


def stop_settled(draft: Draft, race: Race) -> None:
    """End what has nothing left to train for, what hangs, and what a crash kept us from ending."""
    for episode, attempt in draft.live.items():
        if attempt.stopping:
            _forget_if_lost(draft, attempt)
        elif episode in race.standings:
            entry = draft.record_of(attempt)
            if entry is not None and entry.stop is not None:
                draft.stop(attempt, entry.stop)
            elif attempt.unusable:
                draft.stop(attempt, StopReason.METRICS_UNAVAILABLE, attempt.unusable)
            else:
                _stop_if_stuck(draft, attempt)
        else:
            verdict = draft.status(episode).verdict
            stopped = draft.stop(
                attempt, _LOST.get(verdict.outcome if verdict is not None else "", StopReason.FINISHED)
            )
            if not stopped and draft.seen.suspend:
                # It lost, and its verdict cannot be recorded: no rule that looks at standings finds it.
                draft.stop(attempt, StopReason.SUSPENDED)


def stop_everything(draft: Draft, reason: StopReason) -> Waits:
    """The sweep is over; returns what that waits for."""
    for attempt in draft.live.values():
        if attempt.stopping:
            _forget_if_lost(draft, attempt)
        else:
            draft.stop(attempt, reason)
    return Waits(abandoned=_first_abandoned(draft, in_the_way=True))


def observed_places(draft: Draft, race: Race) -> int | None:
    """How many GPUs the cluster has shown to have, where it has fewer than asked for; None while unknown.

    Pods that stay unschedulable for `waitForCapacitySeconds` while others have passed their rung are the
    evidence. More bound pods than remembered are evidence of more.
    """
    remembered = draft.seen.status.observed_places
    bound = sum(1 for attempt in draft.live.values() if attempt.bound is not None)
    patience = timedelta(seconds=draft.layout.spec.wait_for_capacity_seconds)
    unplaced = [a for a in draft.live.values() if a.unschedulable_since is not None and a.bound is None]
    refused = []
    for attempt in unplaced:
        assert attempt.unschedulable_since is not None  # by the choice above
        draft.wake_at(attempt.unschedulable_since + patience)
        if draft.now - attempt.unschedulable_since >= patience:
            refused.append(attempt)
    if refused and any(_past_its_rung(race, a) for a in draft.live.values()):
        # A young pod's place may just be changing hands.
        shown = bound + len(unplaced) - len(refused)
        if remembered is None:
            message = f"{bound} GPUs were to be had of the {draft.seen.parallelism} asked for: episodes take turns"
            draft.events.append(Event("FewerPlaces", message, kind="Warning"))
            remembered = shown
        remembered = min(remembered, shown)
    if remembered is not None:
        remembered = max(remembered, bound)
    return None if remembered is None or remembered >= draft.seen.parallelism else remembered


def allot(draft: Draft, race: Race, places: int, observed: int | None) -> Waits:
    """Stop and start attempts so that `places` are used for what decides soonest; returns what waits for what.

    `observed`: GPUs that there are, where these are fewer than were asked for: more pods than that wait in vain.
    """
    staying = [a for a in draft.live.values() if not a.stopping and a.uid not in draft.stopped]
    ahead = bets.ahead_of_cut(draft, race, places if observed is None else observed)
    waiting, gated, kept_free = _waiting(draft, race)
    ready = [*(standing for standing in ahead if standing.episode not in draft.live), *waiting]
    free = places - len(draft.live)
    reason = StopReason.SUSPENDED if draft.seen.suspend else StopReason.PAUSED
    ending = sum(1 for attempt in staying if _about_to_end(draft, attempt))
    excess = len(staying) - ending - places
    short = 0
    if excess > 0:
        short = _shed(draft, excess, _never_bound(draft, staying), reason)
        short = _shed(draft, short, _yielding(draft, race, staying), reason)
        short = _shed(draft, short, _saved(draft, race, staying), reason)
    elif not draft.seen.suspend:
        leaving = len(draft.live) - len(staying) + ending
        wanted = len(ready) + _in_vain(draft, staying, observed) - free - leaving
        kept_on = {standing.episode for standing in ahead}
        victims = [a for a in _yielding(draft, race, staying) if a.episode not in kept_on]
        short = _shed(draft, wanted, victims, reason) if wanted > 0 else 0
        if observed is not None and draft.seen.resumable:
            # What is no bet for an idle place is none for this one.
            far = _brackets_far_from_a_cut(draft, race)
            unlikely = [
                a for a in victims if draft.layout.bracket_of[a.episode] in far and _is_unlikely(draft, race, a)
            ]
            _shed(draft, len(unlikely), unlikely, reason)
    if not draft.seen.suspend and free > 0:
        early = {standing.episode for standing in ahead}
        idle = [standing for standing in bets.for_idle_places(draft, race) if standing.episode not in early]
        _start(draft, race, [*ready[:free], *idle[: max(free - len(ready) - kept_free, 0)]], places)
    idle_or_full = not staying or (bool(ready) and free <= 0)
    unsaved = short > 0 and any(_past_its_rung(race, a) and a.uid not in draft.stopped for a in staying)
    return Waits(
        for_checkpoint=unsaved,
        for_retry=gated,
        troubled=_troubled(staying),
        abandoned=_first_abandoned(draft, in_the_way=idle_or_full and not draft.seen.suspend),
    )


def _in_vain(draft: Draft, staying: list[SeenAttempt], observed: int | None) -> int:
    """How many wait for a GPU that is not there, nor on its way from one attempt to the next."""
    if observed is None:
        return 0
    held = sum(1 for a in draft.live.values() if a.bound is not None)
    return max(0, sum(1 for a in staying if a.bound is None) - max(0, observed - held))


def _troubled(staying: list[SeenAttempt]) -> SeenAttempt | None:
    placed = [a for a in staying if a.bound is not None]
    return next((a for a in placed or staying if a.trouble), None)


def _waiting(draft: Draft, race: Race) -> tuple[list[Standing], int, int]:
    """Episodes that need a place now, survivors first, then by index; how many wait out a back-off.

    And for how many of these a place is kept: not where only that episode is refused, which may last.
    """
    ready, gated, kept_free = [], 0, 0
    for episode, standing in race.standings.items():
        if standing.need in (Need.FATE, Need.AUDIT) or episode in draft.live:
            continue
        moment = draft.may_start_at(episode)
        if moment is not None and moment > draft.now:
            draft.wake_at(moment)
            gated += 1
            kept_free += not draft.is_refused_alone(episode)
        else:
            ready.append(standing)
    index = draft.layout.index
    # Ascending index: a resumed sweep starts the same episodes in the same order.
    ready.sort(key=lambda standing: (-standing.level, index[standing.episode]))
    return ready, gated, kept_free


def _start(draft: Draft, race: Race, chosen: list[Standing], places: int) -> None:
    undecided = sum(1 for standing in race.standings.values() if standing.need is not Need.AUDIT)
    for standing in chosen:
        if standing.need is Need.FATE:
            goal = bets.stop_after(draft, standing)
        else:
            goal = standing.goal if standing.need is Need.RUNG and places < undecided else None
        _decide_start(draft, standing, goal)


def _decide_start(draft: Draft, standing: Standing, stop_after: int | None) -> None:
    attempts = draft.status(standing.episode).attempts
    if len(attempts) >= MAX_ATTEMPTS:
        return
    bracket = draft.layout.bracket_of[standing.episode]
    rungs = draft.layout.rung_evaluations(draft.evaluations)[bracket] if draft.evaluations is not None else ()
    draft.decide(StartEpisode(standing.episode, len(attempts), stop_after, rungs, node_to_avoid(attempts)))


def _shed(draft: Draft, count: int, victims: Iterable[SeenAttempt], reason: StopReason) -> int:
    """Stop up to `count` of them; returns how many are still too many."""
    for attempt in victims:
        if count <= 0:
            return 0
        count -= draft.stop(attempt, reason)
    return max(count, 0)


def _never_bound(draft: Draft, staying: list[SeenAttempt]) -> list[SeenAttempt]:
    unbound = [a for a in staying if a.bound is None]
    return sorted(unbound, key=lambda a: -draft.layout.index[a.episode])


def _yielding(draft: Draft, race: Race, staying: list[SeenAttempt]) -> list[SeenAttempt]:
    """Who has nothing to decide, least wanted first: the audited, then those past their rung, lowest first."""
    able = [a for a in staying if _yields(race, a) and not _about_to_end(draft, a) and _saved_beyond(draft, race, a)]
    standings = race.standings
    return sorted(able, key=lambda a: (standings[a.episode].need is not Need.AUDIT, -standings[a.episode].rank))


def _yields(race: Race, attempt: SeenAttempt) -> bool:
    standing = race.standings.get(attempt.episode)
    return standing is not None and (standing.need is Need.AUDIT or _past_its_rung(race, attempt))


def _past_its_rung(race: Race, attempt: SeenAttempt) -> bool:
    standing = race.standings.get(attempt.episode)
    return standing is not None and standing.need is Need.FATE and attempt.bound is not None


def _brackets_far_from_a_cut(draft: Draft, race: Race) -> set[int]:
    """Some episode has more than half of its way to the rung to go, so that to wait for it costs more than a start."""
    undecided = (s for s in race.standings.values() if s.need is Need.RUNG)
    far = (s.episode for s in undecided if 2 * draft.evaluations_done(s.episode) < (s.goal or 0))
    return {draft.layout.bracket_of[episode] for episode in far}


def _is_unlikely(draft: Draft, race: Race, attempt: SeenAttempt) -> bool:
    """It came to its rung and is likelier to lose there; not what began there on a bet, or it would come and go."""
    standing = race.standings[attempt.episode]
    if standing.need is not Need.FATE or standing.goal is None or standing.promising:
        return False
    return draft.begun_at(attempt) < standing.goal


def _saved_beyond(draft: Draft, race: Race, attempt: SeenAttempt) -> bool:
    """Nothing that was decided on would be trained twice; without storage there is nothing to wait for."""
    if not draft.seen.resumable:
        return True
    checkpoint, standing = draft.checkpoint(attempt), race.standings[attempt.episode]
    if standing.need is Need.AUDIT:
        return checkpoint > 0
    return standing.goal is not None and checkpoint >= standing.goal


def _saved(draft: Draft, race: Race, staying: list[SeenAttempt]) -> list[SeenAttempt]:
    """The rest, once they have a durable checkpoint and so lose at most one interval; last to start, first to go."""
    rest = [a for a in staying if a.bound is not None and a.episode in race.standings and not _yields(race, a)]
    if draft.seen.resumable:
        # Not only right after one: where writing takes longer than an interval, the newest always lags behind.
        rest = [a for a in rest if draft.checkpoint(a) > 0]
    index = draft.layout.index
    return sorted(rest, key=lambda a: (race.standings[a.episode].level, -index[a.episode]))


def _about_to_end(draft: Draft, attempt: SeenAttempt) -> bool:
    """It has reached its stop-after and ends by itself."""
    if attempt.stop_after is None or not attempt.heeds_stop_after:
        return False
    return draft.evaluations_done(attempt.episode) >= attempt.stop_after


def _stop_if_stuck(draft: Draft, attempt: SeenAttempt) -> None:
    if attempt.bound is None:
        return
    last = max(attempt.bound, attempt.progressed or attempt.bound)
    deadline = last + timedelta(seconds=draft.layout.spec.progress_deadline_seconds)
    if draft.now < deadline:
        draft.wake_at(deadline)
    else:
        # A trainer whose node is gone is not to blame for it, and nobody is there to end it.
        draft.stop(attempt, StopReason.STUCK if attempt.silent_since is None else StopReason.NODE_LOST)


def _forget_if_lost(draft: Draft, attempt: SeenAttempt) -> None:
    """Give up what should have been gone long ago: at once where it was taken from its node, else in patience.

    Whatever still runs there writes under its own UID, so that it harms no later attempt.
    """
    if attempt.due is None or attempt.bound is None:
        return
    patience = LOST_AFTER if attempt.given_up else timedelta(seconds=draft.layout.spec.progress_deadline_seconds)
    if draft.now >= attempt.due + patience:
        draft.stop(attempt, StopReason.NODE_LOST)
    else:
        draft.wake_at(attempt.due + LOST_AFTER)
        draft.wake_at(attempt.due + patience)


def _first_abandoned(draft: Draft, *, in_the_way: bool) -> SeenAttempt | None:
    return next((a for a in draft.live.values() if _is_abandoned(draft, a, in_the_way=in_the_way)), None)


def _is_abandoned(draft: Draft, attempt: SeenAttempt, *, in_the_way: bool) -> bool:
    """`in_the_way`: others wait for its place, and are told of finalizers as soon as its grace is over."""
    if attempt.silent_since is not None or attempt.due is None:
        return attempt.silent_since is not None
    overdue = attempt.due + (timedelta(0) if in_the_way and attempt.held_by else LOST_AFTER)
    draft.wake_at(overdue)
    return draft.now >= overdue
