"""When a sweep began, how long it was suspended or over, and when its activeDeadlineSeconds are over."""

from datetime import datetime, timedelta

from seedsweep.engine.decisions import Failure
from seedsweep.engine.draft import Draft, recorded_or_now
from seedsweep.engine.questions.result import DEADLINE_EXCEEDED
from seedsweep.engine.questions.standings import Race


def start_time(draft: Draft) -> str | None:
    """When the first attempt was seen; None before."""
    recorded = draft.seen.status.start_time
    return recorded_or_now(recorded, draft.now) if recorded is not None or draft.seen.attempts else None


def idle_for(draft: Draft) -> float:
    """Seconds since the running suspension began, or since the sweep was over that got more seeds; 0 without either."""
    before = draft.seen.status
    suspended = before.condition("Suspended")
    since = before.completion_time if before.over else None
    if suspended is not None and suspended.status == "True":
        # It began before the sweep was over, and goes on until it is taken back.
        since = suspended.last_transition_time
    return (draft.now - draft.past(since)).total_seconds() if since is not None else 0.0


def find_deadline(draft: Draft, race: Race) -> datetime | None:
    """When the sweep has to be over; None without a limit, and once no episode has anything left to train for.

    Of those whose news waits nothing is left to train for, as far as is known.
    """
    limit = draft.layout.spec.active_deadline_seconds
    # Not only once it is on record: where nothing ever begins, no later turn would set the alarm.
    started = start_time(draft)
    if limit is None or started is None or race.standings.keys() <= draft.postponed:
        return None
    suspended = draft.seen.status.suspended_seconds + idle_for(draft)
    return draft.past(started) + timedelta(seconds=limit + suspended)


def deadline_failure(draft: Draft, deadline: datetime | None) -> Failure | None:
    """Why the sweep fails, once the deadline has passed."""
    if deadline is None or draft.now < deadline:
        return None
    limit = draft.layout.spec.active_deadline_seconds
    return DEADLINE_EXCEEDED, f"activeDeadlineSeconds: {limit} have passed; the best so far is kept"
