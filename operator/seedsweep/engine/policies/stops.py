"""Which attempts have to stop for their own sake, however many places there are."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from seedsweep.api.episode import StopReason
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.verdicts import stop_of
from seedsweep.engine.observation import SeenAttempt
from seedsweep.engine.questions.standings import Race

LOST_AFTER = timedelta(seconds=30)
"""Past its grace, before an attempt that was taken from its node is given up with the node. A node that lives has its
processes killed and gone within seconds; one that comes back a little late is better waited for than doubled."""
LIFTED_WITHIN = timedelta(seconds=10)
"""Past its grace, before people are told of its finalizers where others wait for its place: who put them there, such as
a queue, takes them back within a moment, and that many times in a sweep."""


class Stop(NamedTuple):
    """End this attempt for this reason."""

    attempt: SeenAttempt
    reason: StopReason
    why: str = ""
    """In words, where the reason needs some."""


class Stops(NamedTuple):
    """Who has to stop now, and when another may have to."""

    now: list[Stop]
    look_again: datetime | None


def find_stops(draft: Draft, race: Race) -> Stops:
    """Of a sweep that goes on."""
    return _gathered(_stop_or_moment(draft, race, attempt) for attempt in draft.live.values())


def find_stops_at_the_end(draft: Draft, reason: StopReason) -> Stops:
    """Of a sweep that is over: all, for this reason."""
    return _gathered(_lost_or_moment(draft, a) if a.stopping else Stop(a, reason) for a in draft.live.values())


def find_abandoned(draft: Draft, *, in_the_way: bool) -> tuple[SeenAttempt | None, datetime | None]:
    """The first whose node gives no sign of life, or that has not gone though it should have; when another may be.

    `in_the_way`: others wait for its place, and are told of finalizers sooner.
    """
    first, moments = None, []
    for attempt in draft.live.values():
        overdue = None
        if attempt.due is not None:
            overdue = attempt.due + (LIFTED_WITHIN if in_the_way and attempt.held_by else LOST_AFTER)
        if attempt.silent_since is not None or (overdue is not None and overdue <= draft.now):
            first = first or attempt
        elif overdue is not None:
            moments.append(overdue)
    return first, min(moments, default=None)


def _gathered(found: Iterable[Stop | datetime | None]) -> Stops:
    now, first = [], None
    for entry in found:
        if isinstance(entry, Stop):
            now.append(entry)
        elif entry is not None and (first is None or entry < first):
            first = entry
    return Stops(now, first)


def _stop_or_moment(draft: Draft, race: Race, attempt: SeenAttempt) -> Stop | datetime | None:
    """Why it has to stop, or when it may have to unless there is news of it before."""
    if attempt.stopping:
        return _lost_or_moment(draft, attempt)
    if attempt.episode not in race.standings:
        reason = stop_of(draft.status(attempt.episode).verdict) or StopReason.FINISHED
        if draft.seen.suspend and not draft.may_stop(attempt, reason):
            # It lost, and its verdict cannot be recorded: no rule that looks at standings finds it.
            reason = StopReason.SUSPENDED
        return Stop(attempt, reason)
    entry = draft.record_of(attempt)
    if entry is not None and entry.stop is not None:
        # A crash kept us from ending it.
        return Stop(attempt, entry.stop)
    if attempt.unusable:
        return Stop(attempt, StopReason.METRICS_UNAVAILABLE, attempt.unusable)
    return _stuck_or_moment(draft, attempt)


def _stuck_or_moment(draft: Draft, attempt: SeenAttempt) -> Stop | datetime | None:
    if attempt.bound is None:
        return None
    last = max(attempt.bound, attempt.progressed or attempt.bound)
    deadline = last + timedelta(seconds=draft.layout.spec.progress_deadline_seconds)
    if draft.now < deadline:
        return deadline
    # A trainer whose node is gone is not to blame for it, and nobody is there to end it.
    return Stop(attempt, StopReason.STUCK if attempt.silent_since is None else StopReason.NODE_LOST)


def _lost_or_moment(draft: Draft, attempt: SeenAttempt) -> Stop | datetime | None:
    """Give up what should have been gone long ago: at once where it was taken from its node, else in patience.

    Whatever still runs there writes under its own UID, so that it harms no later attempt.
    """
    if attempt.due is None or attempt.bound is None:
        return None
    patience = LOST_AFTER if attempt.given_up else timedelta(seconds=draft.layout.spec.progress_deadline_seconds)
    if draft.now >= attempt.due + patience:
        return Stop(attempt, StopReason.NODE_LOST)
    return attempt.due + patience
