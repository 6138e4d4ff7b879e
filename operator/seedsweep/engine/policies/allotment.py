"""Who gets a place: the policies, in the order in which they are asked. All that starts or stops is decided here."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from seedsweep.api.episode import MAX_ATTEMPTS, StopReason
from seedsweep.engine.decisions import Failure, StartEpisode
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.retry import node_to_avoid
from seedsweep.engine.observation import SeenAttempt
from seedsweep.engine.policies.leaders import bet_ends_at, failed_past_its_rung, may_lead
from seedsweep.engine.policies.places import Places, is_about_to_end
from seedsweep.engine.policies.stops import Stop, find_stops_at_the_end
from seedsweep.engine.questions.result import DEADLINE_EXCEEDED
from seedsweep.engine.questions.standings import Need, Race, Standing, is_past_its_rung


class MakeRoom(NamedTuple):
    """Pause this attempt: its place is needed."""

    attempt: SeenAttempt


class Start(NamedTuple):
    """Give this episode a place."""

    standing: Standing


Move = Stop | MakeRoom | Start
Policy = Callable[[Places], Iterator[Move]]


def stop_who_must(places: Places) -> Iterator[Move]:
    """Stops who lost or finished, hangs, publishes what cannot count, or is lost with its node: no place matters."""
    yield from places.stops.now


def pause_who_has_no_gpu(places: Places) -> Iterator[Move]:
    """Stops pods that were never bound, last to start first, where there are more attempts than places."""
    if places.excess > 0:
        index = places.draft.layout.index
        unbound = [a for a in places.staying if a.bound is None]
        yield from _as_needed(places, sorted(unbound, key=lambda a: -index[a.episode]))


def pause_who_waits_for_a_cut(places: Places) -> Iterator[Move]:
    """Stops the audited, then those past their rung with a checkpoint there, lowest first, where places are too few."""
    if places.excess > 0:
        yield from _as_needed(places, _idle_at_work(places))


def pause_who_has_a_checkpoint(places: Places) -> Iterator[Move]:
    """Stops the rest, last to start first, where places are too few; what came after a checkpoint is lost."""
    if places.excess <= 0:
        return
    standings, index = places.race.standings, places.draft.layout.index
    rest = [a for a in places.staying if a.bound is not None and a.episode in standings and not _yields(places.race, a)]
    if places.draft.seen.resumable:
        # Not only right after one: where writing takes longer than an interval, the newest always lags behind.
        rest = [a for a in rest if places.draft.checkpoint(a) > 0]
    yield from _as_needed(places, sorted(rest, key=lambda a: (standings[a.episode].level, -index[a.episode])))


def make_room_for_who_waits(places: Places) -> Iterator[Move]:
    """Stops who has nothing to decide, least wanted first, where others wait for a place or for a GPU."""
    if places.excess <= 0 and places.missing > 0:
        yield from _as_needed(places, _idle_without_leaders(places))


def pause_who_is_unlikely_to_be_kept(places: Places) -> Iterator[Move]:
    """Stops who came to its rung and is likelier to lose there, where GPUs are few and the cut is far."""
    draft, suspended = places.draft, places.draft.seen.suspend
    if places.excess > 0 or suspended or places.gpus is None or not draft.seen.resumable:
        return
    # What is no bet for an idle place is none for this one.
    far = _brackets_far_from_a_cut(draft, places.race)
    for attempt in _idle_without_leaders(places):
        if draft.layout.bracket_of[attempt.episode] in far and _is_unlikely(draft, places.race, attempt):
            yield MakeRoom(attempt)


def start_who_waits(places: Places) -> Iterator[Move]:
    """Starts leaders that train on ahead of the cut, survivors, then those on their way to a rung, by index."""
    for standing in places.ready:
        if places.free <= 0:
            return
        yield Start(standing)


def start_leaders(places: Places) -> Iterator[Move]:
    """Starts paused leaders likelier than not to be kept, best first, in places that nobody needs before the cut."""
    if places.free <= 0:
        return
    draft = places.draft
    leaders = [s for s in _idle(places) if may_lead(draft, s) and not failed_past_its_rung(draft, s)]
    leaders.sort(key=lambda s: (s.rank, draft.layout.bracket_of[s.episode]))
    yield from _in_spare_places(places, leaders)


def start_audited(places: Places) -> Iterator[Move]:
    """Starts audited losers in what is left."""
    if places.free > 0:
        yield from _in_spare_places(places, [s for s in _idle(places) if s.need is Need.AUDIT])


POLICIES: tuple[Policy, ...] = (
    stop_who_must,
    # There are more attempts than places: the spec was changed, or the sweep is suspended.
    pause_who_has_no_gpu,
    pause_who_waits_for_a_cut,
    pause_who_has_a_checkpoint,
    # Else: whoever has nothing to decide makes room.
    make_room_for_who_waits,
    pause_who_is_unlikely_to_be_kept,
    # Free places are filled.
    start_who_waits,
    start_leaders,
    start_audited,
)
"""Each sees what those before it have decided."""


def stop_all(draft: Draft, failure: Failure) -> None:
    """Of a sweep that failed nobody keeps a place."""
    reason = StopReason.DEADLINE if failure[0] == DEADLINE_EXCEEDED else StopReason.FINISHED
    stops = find_stops_at_the_end(draft, reason)
    for attempt, why, words in stops.now:
        draft.stop(attempt, why, words)
    draft.wake_at(stops.look_again)


def allot(places: Places) -> None:
    """Ask the policies in their order, and decide what they say."""
    for policy in POLICIES:
        for move in policy(places):
            _decide(places, move)


def _decide(places: Places, move: Move) -> None:
    draft = places.draft
    match move:
        case Stop(attempt, reason, why):
            draft.stop(attempt, reason, why)
        case MakeRoom(attempt):
            places.freed += draft.stop(attempt, StopReason.SUSPENDED if draft.seen.suspend else StopReason.PAUSED)
        case Start(standing):
            places.filled += 1
            _decide_start(places, standing)


def _decide_start(places: Places, standing: Standing) -> None:
    draft, episode = places.draft, standing.episode
    attempts = draft.status(episode).attempts
    if len(attempts) >= MAX_ATTEMPTS:
        return
    bracket = draft.layout.bracket_of[episode]
    rungs = draft.layout.rung_evaluations(draft.evaluations)[bracket] if draft.evaluations is not None else ()
    draft.decide(StartEpisode(episode, len(attempts), _stop_after(places, standing), rungs, node_to_avoid(attempts)))


def _stop_after(places: Places, standing: Standing) -> int | None:
    """The rung at which it ends and frees its GPU, unless there is a place for everyone."""
    if standing.need is Need.CUT:
        return bet_ends_at(places.draft, standing)
    return standing.goal if standing.need is Need.RUNG and places.count < places.undecided else None


def _as_needed(places: Places, attempts: Iterable[SeenAttempt]) -> Iterator[Move]:
    """As many of them as places must become free."""
    for attempt in attempts:
        if places.missing <= 0:
            return
        yield MakeRoom(attempt)


def _in_spare_places(places: Places, standings: Iterable[Standing]) -> Iterator[Move]:
    for standing in standings:
        if places.spare <= 0:
            return
        yield Start(standing)


def _idle(places: Places) -> list[Standing]:
    """Those without an attempt that no other policy starts."""
    draft = places.draft
    absent = {*draft.live, *places.resting, *draft.postponed, *(standing.episode for standing in places.ahead)}
    return [s for e, s in places.race.standings.items() if s.need in (Need.CUT, Need.AUDIT) and e not in absent]


def _idle_at_work(places: Places) -> list[SeenAttempt]:
    """Who has nothing to decide, least wanted first: the audited, then those past their rung, lowest first."""
    draft, race = places.draft, places.race
    able = [a for a in places.staying if _yields(race, a) and not is_about_to_end(draft, a)]
    able = [a for a in able if _is_saved(draft, race, a)]
    standings = race.standings
    return sorted(able, key=lambda a: (standings[a.episode].need is not Need.AUDIT, -standings[a.episode].rank))


def _idle_without_leaders(places: Places) -> list[SeenAttempt]:
    kept_on = {standing.episode for standing in places.ahead}
    return [attempt for attempt in _idle_at_work(places) if attempt.episode not in kept_on]


def _yields(race: Race, attempt: SeenAttempt) -> bool:
    standing = race.standings.get(attempt.episode)
    return standing is not None and (standing.need is Need.AUDIT or is_past_its_rung(race, attempt))


def _is_saved(draft: Draft, race: Race, attempt: SeenAttempt) -> bool:
    """Nothing that was decided on would be trained twice; without storage there is nothing to wait for."""
    if not draft.seen.resumable:
        return True
    checkpoint, standing = draft.checkpoint(attempt), race.standings[attempt.episode]
    if standing.need is Need.AUDIT:
        return checkpoint > 0
    return standing.goal is not None and checkpoint >= standing.goal


def _brackets_far_from_a_cut(draft: Draft, race: Race) -> set[int]:
    """Some episode has more than half of its way to the rung to go, so that to wait for it costs more than a start."""
    undecided = (s for s in race.standings.values() if s.need is Need.RUNG)
    far = (s.episode for s in undecided if 2 * draft.evaluations_done(s.episode) < (s.goal or 0))
    return {draft.layout.bracket_of[episode] for episode in far}


def _is_unlikely(draft: Draft, race: Race, attempt: SeenAttempt) -> bool:
    """It came to its rung and is likelier to lose there; not what began there on a bet, or it would come and go."""
    standing = race.standings[attempt.episode]
    if standing.need is not Need.CUT or standing.goal is None or standing.promising:
        return False
    return draft.begun_at(attempt) < standing.goal
