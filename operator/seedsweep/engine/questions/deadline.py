"""When a sweep began, how long it was suspended, and when its activeDeadlineSeconds are over."""

from datetime import datetime, timedelta

from seedsweep.engine.decisions import Failure
from seedsweep.engine.draft import Draft, recorded_or_now
from seedsweep.engine.questions.result import DEADLINE_EXCEEDED
from seedsweep.engine.questions.standings import Race


def start_time(draft: Draft) -> str | None:
    """When the first attempt was seen; None before."""
    recorded = draft.seen.status.start_time
    return recorded_or_now(recorded, draft.now) if recorded is not None or draft.seen.attempts else None


def suspended_for(draft: Draft) -> float:
    """Seconds since the running suspension began; 0 without one."""
    suspended = draft.seen.status.condition("Suspended")
    if suspended is None or suspended.status != "True":
        return 0.0
    return (draft.now - draft.past(suspended.last_transition_time)).total_seconds()


def find_deadline(draft: Draft, race: Race) -> datetime | None:
    """When the sweep has to be over; None without a limit, and once no episode has anything left to train for."""
    limit = draft.layout.spec.active_deadline_seconds
    # Not only once it is on record: where nothing ever begins, no later turn would set the alarm.
    started = start_time(draft)
    if limit is None or started is None or not race.standings:
        return None
    suspended = draft.seen.status.suspended_seconds + suspended_for(draft)
    return draft.past(started) + timedelta(seconds=limit + suspended)


def deadline_failure(draft: Draft, deadline: datetime | None) -> Failure | None:
    """Why the sweep fails, once the deadline has passed."""
    if deadline is None or draft.now < deadline:
        return None
    limit = draft.layout.spec.active_deadline_seconds
    return DEADLINE_EXCEEDED, f"activeDeadlineSeconds: {limit} have passed; the best so far is kept"
