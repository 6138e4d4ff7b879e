"""What the policies look at: who holds a place, who wants one, and how many must become free or may be filled."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from seedsweep.api.episode import EpisodeId
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.retry import retry_at
from seedsweep.engine.observation import SeenAttempt
from seedsweep.engine.policies.leaders import ahead_of_cut, failed_past_its_rung
from seedsweep.engine.policies.stops import Stops, find_abandoned, find_stops
from seedsweep.engine.questions.standings import Need, Race, Standing, is_past_its_rung

_IN_NEED = (Need.RUNG, Need.END)
"""For these a place is found; the others take what is left."""
CHECKPOINT_WITHIN = timedelta(minutes=1)
"""Of the evaluation that it is of; what takes longer is told. Four gigabytes take less on most storages."""

PASSES_WITHIN = timedelta(seconds=10)
"""A gate, before people are told of it: a queue that has a place for a pod lets it pass within a moment."""


@dataclass(slots=True)
class Places:
    """As they are before any policy was asked; `freed` and `filled` count what the policies decide."""

    draft: Draft
    race: Race
    count: int
    """Attempts that may live at once."""
    gpus: int | None
    """GPUs that there are, where these are fewer than were asked for: more pods than that wait in vain."""
    stops: Stops
    """Who must stop for its own sake."""
    staying: list[SeenAttempt]
    """The live who neither stop nor must."""
    ahead: list[Standing]
    """Leaders that train on ahead of the cut, whether they have an attempt or not."""
    resting: dict[EpisodeId, datetime]
    """Episodes without an attempt that could use a place but for a back-off, and when that is over."""
    ready: list[Standing]
    """Who waits for a place: those ahead of the cut, then survivors, then those on their way to a rung, by index."""
    excess: int
    """Attempts that stay, beyond those that may."""
    wanted: int
    """Places that must become free, for there are fewer or others wait for them."""
    reserved: int
    """Places for who rests and needs one soon; not where only that episode is refused, which may last."""
    undecided: int
    """Episodes that are not settled, but for the audited; with those that a budget is about to carry."""
    freed: int = 0
    filled: int = 0

    @classmethod
    def of(cls, draft: Draft, race: Race, gpus: int | None) -> "Places":
        """`gpus`: as for the field."""
        count, stops = _count(draft, gpus), find_stops(draft, race)
        going = {stop.attempt.uid for stop in stops.now if draft.may_stop(stop.attempt, stop.reason)}
        staying = [a for a in draft.live.values() if not a.stopping and a.uid not in going]
        ahead = ahead_of_cut(draft, race, count if gpus is None else gpus)
        resting = _resting(draft, race, ahead, idle=count > len(draft.live))
        ready = _ready(draft, race, ahead, resting)
        # Whoever ends by itself makes room as well.
        lasting = sum(1 for attempt in staying if not is_about_to_end(draft, attempt))
        excess = lasting - count
        short = excess if excess > 0 or draft.seen.suspend else excess + len(ready) + _in_vain(draft, staying, gpus)
        standings = race.standings
        return cls(
            draft=draft,
            race=race,
            count=count,
            gpus=gpus,
            stops=stops,
            staying=staying,
            ahead=ahead,
            resting=resting,
            ready=ready,
            excess=excess,
            wanted=max(short, 0),
            reserved=sum(1 for e in resting if standings[e].need in _IN_NEED and not draft.is_refused_alone(e)),
            undecided=race.coming + sum(1 for s in standings.values() if s.need is not Need.AUDIT),
        )

    @property
    def missing(self) -> int:
        """Places that are still to become free."""
        return max(self.wanted - self.freed, 0)

    @property
    def free(self) -> int:
        """Places that may still be filled."""
        return self.count - len(self.draft.live) - self.filled

    @property
    def spare(self) -> int:
        """Those of them that nobody needs soon."""
        return self.free - self.reserved

    @property
    def look_again(self) -> datetime | None:
        """When the next back-off is over, or an attempt may have to stop."""
        moments = [*self.resting.values(), *([self.stops.look_again] if self.stops.look_again is not None else [])]
        return min(moments, default=None)


class Waits(NamedTuple):
    """Why something that could be done is not done yet."""

    for_checkpoint: bool = False
    """An attempt ought to make room, and has no durable checkpoint since longer than that takes to write."""
    for_retry: int = 0
    """Episodes whose next attempt waits out a back-off."""
    troubled: SeenAttempt | None = None
    """The first of those that cannot begin; without a place, only where none has one."""
    abandoned: SeenAttempt | None = None
    """The first of those whose node gives no sign of life, or that do not go though they were told to end."""
    look_again: datetime | None = None
    """When another may be among these."""


def read_waits(places: Places) -> Waits:
    """What waits for what, once the policies have decided."""
    draft, race, staying = places.draft, places.race, places.staying
    overdue = [
        _checkpoint_overdue_at(draft, race, attempt, attempt.bound)
        for attempt in staying
        if attempt.bound is not None and is_past_its_rung(race, attempt) and attempt.uid not in draft.stopped
    ]
    overdue = overdue if places.missing > 0 else []
    placed = [a for a in staying if a.bound is not None]
    troubled = [a for a in placed or staying if a.trouble]
    at_gate = [a.created + PASSES_WITHIN for a in troubled if _has_just_come_to_a_gate(draft, a)]
    idle_or_full = not staying or (bool(places.ready) and len(draft.live) >= places.count)
    abandoned, look_again = find_abandoned(draft, in_the_way=idle_or_full and not draft.seen.suspend)
    return Waits(
        for_checkpoint=any(moment <= draft.now for moment in overdue),
        for_retry=sum(1 for episode in places.resting if race.standings[episode].need in _IN_NEED),
        troubled=next((a for a in troubled if not _has_just_come_to_a_gate(draft, a)), None),
        abandoned=abandoned,
        look_again=min((m for m in (look_again, *overdue, *at_gate) if m is not None and m > draft.now), default=None),
    )


def _has_just_come_to_a_gate(draft: Draft, attempt: SeenAttempt) -> bool:
    return attempt.gated and draft.now < attempt.created + PASSES_WITHIN


def _checkpoint_overdue_at(draft: Draft, race: Race, attempt: SeenAttempt, bound: datetime) -> datetime:
    """When to say that an attempt past its rung has no durable checkpoint yet: until then it is being written.

    When it came to its rung follows from its pace, where it has trained on since.
    """
    done, began = draft.evaluations_done(attempt.episode), draft.begun_at(attempt)
    last = max(bound, attempt.progressed or bound)
    pace = (last - bound) / (done - began) if done > began else timedelta(0)
    past = done - (race.standings[attempt.episode].goal or done)
    return last - past * pace + max(CHECKPOINT_WITHIN, pace)


def read_waits_at_the_end(draft: Draft) -> Waits:
    """What a sweep that failed waits for."""
    abandoned, look_again = find_abandoned(draft, in_the_way=True)
    return Waits(abandoned=abandoned, look_again=look_again)


def is_about_to_end(draft: Draft, attempt: SeenAttempt) -> bool:
    """It has reached its stop-after and ends by itself."""
    if attempt.stop_after is None or not attempt.heeds_stop_after:
        return False
    return draft.evaluations_done(attempt.episode) >= attempt.stop_after


def _count(draft: Draft, gpus: int | None) -> int:
    if draft.seen.suspend:
        return 0
    # One more than there are: a Pending pod tells the autoscaler or the queue that more would be used.
    return draft.seen.parallelism if gpus is None else min(draft.seen.parallelism, gpus + 1)


def _resting(draft: Draft, race: Race, ahead: list[Standing], *, idle: bool) -> dict[EpisodeId, datetime]:
    """`idle`: there are places for those who need none."""
    betting = {standing.episode for standing in ahead}
    resting = {}
    for episode, standing in race.standings.items():
        if episode not in draft.live and (idle or standing.need in _IN_NEED or episode in betting):
            moment = _may_start_at(draft, episode)
            if moment is not None and moment > draft.now:
                resting[episode] = moment
    return resting


def _may_start_at(draft: Draft, episode: EpisodeId) -> datetime | None:
    """When its back-off is over: the one after a failure, and the one after a refusal."""
    refusals = (draft.seen.refused.get(episode), draft.frozen.get(episode))
    moments = [refusal.until for refusal in refusals if refusal is not None]
    retry = retry_at(draft.status(episode).attempts, draft.now)
    return max([*moments, *([retry] if retry is not None else [])], default=None)


def _ready(draft: Draft, race: Race, ahead: list[Standing], resting: dict[EpisodeId, datetime]) -> list[Standing]:
    index, absent = draft.layout.index, {*draft.live, *resting, *draft.postponed}
    first = [s for s in ahead if s.episode not in absent]
    waiting = [s for e, s in race.standings.items() if s.need in _IN_NEED and e not in absent]
    # Ascending index: a resumed sweep starts the same episodes in the same order.
    waiting.sort(key=lambda s: (-s.level, index[s.episode]))
    return [*(s for s in first if not failed_past_its_rung(draft, s)), *waiting]


def _in_vain(draft: Draft, staying: list[SeenAttempt], gpus: int | None) -> int:
    """How many wait for a GPU that is not there, nor on its way from one attempt to the next."""
    if gpus is None:
        return 0
    held = sum(1 for a in draft.live.values() if a.bound is not None)
    return max(0, sum(1 for a in staying if a.bound is None) - max(0, gpus - held))
