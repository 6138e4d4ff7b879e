"""Whether an episode may have another attempt, when that may start, and on which node it had better not."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from seedsweep.api.episode import MAX_ATTEMPTS, Attempt, EndReason, Interruption
from seedsweep.engine.backoff import backoff

MAX_INTERRUPTIONS_WITHOUT_PROGRESS = 10
MAX_ENDS_WITHOUT_SCORE = 2
"""A lost message may be to blame for the first; from then on it is the trainer."""
FIRST_WAIT = timedelta(seconds=10)
MAX_WAIT = timedelta(minutes=5)

FAILURES = frozenset({EndReason.OUT_OF_MEMORY, EndReason.FAILED, EndReason.STUCK, EndReason.METRICS_UNAVAILABLE})
"""What spends backoffLimitPerEpisode; all else is nobody's fault, or final at once."""
_OF_ITS_NODE = frozenset(
    {
        Interruption.TAINTED,
        Interruption.NODE_PRESSURE,
        Interruption.NODE_SHUTDOWN,
        Interruption.NODE_LOST,
        Interruption.NOT_ADMITTED,
        Interruption.TERMINATED,
    }
)
"""Interruptions that the same node may well repeat. A preemption or a drain says nothing against it."""


def failures(attempts: Sequence[Attempt]) -> int:
    """How much of the failure budget is spent."""
    return sum(1 for attempt in attempts if attempt.reason in FAILURES)


def given_up(attempts: Sequence[Attempt], backoff_limit: int) -> str | None:
    """Why no further attempt may start, or None while one may."""
    ended = [attempt for attempt in attempts if attempt.reason is not None]
    if not ended:
        return None
    last = ended[-1]
    if last.reason == EndReason.BAD_CONFIGURATION:
        return f"BadConfiguration: {last.message or 'the trainer refused its configuration'}"
    if last.reason in FAILURES and failures(ended) > backoff_limit:
        spent = f"failure {failures(ended)}, backoffLimitPerEpisode {backoff_limit}"
        return f"{last.reason.value} ({spent}): {_why(last)}".rstrip(": ")
    unmeasured = [attempt for attempt in ended if attempt.reason == EndReason.METRICS_UNAVAILABLE]
    if len(unmeasured) >= MAX_ENDS_WITHOUT_SCORE:
        return f"MetricsUnavailable ({len(unmeasured)} times): {_why(unmeasured[-1])}"
    if len(attempts) >= MAX_ATTEMPTS:
        return f"TooManyAttempts: it has used all {MAX_ATTEMPTS} attempts that its record can hold"
    if interruptions_without_progress(ended) >= MAX_INTERRUPTIONS_WITHOUT_PROGRESS:
        why = ": ".join(filter(None, (last.interruption, last.message)))
        times = f"Interrupted {MAX_INTERRUPTIONS_WITHOUT_PROGRESS} times in a row without durable progress"
        return f"{times}; the last time {why}" if why else times
    return None


def _why(failed: Attempt) -> str:
    if failed.message or failed.exit_code is None:
        return failed.message
    if failed.reason == EndReason.METRICS_UNAVAILABLE:
        return "it ended without an error and without a score"
    return f"exit code {failed.exit_code}"


def interruptions_without_progress(ended: Sequence[Attempt]) -> int:
    """Interruptions since an attempt last left a newer checkpoint or ended otherwise."""
    streak = 0
    newest = 0
    for attempt in ended:
        durable = attempt.checkpoint > newest
        newest = max(newest, attempt.checkpoint)
        streak = streak + 1 if attempt.reason == EndReason.INTERRUPTED and not durable else 0
    return streak


def retry_at(attempts: Sequence[Attempt], now: datetime) -> datetime | None:
    """When the next attempt may start: 10 s after a failure, doubled with each up to 5 minutes; None: at once.

    The same from the second time in a row on that nodes turn it away: that takes no time, and would use up in seconds
    the interruptions that an episode may bear. Any other interruption has had a place until then. An end that is still
    to come was recorded before the clock was set back; how long ago that was, nobody knows.
    """
    if not attempts or attempts[-1].completion_time is None:
        return None
    times = failures(attempts) if attempts[-1].reason in FAILURES else _turned_away(attempts) - 1
    ended = datetime.fromisoformat(attempts[-1].completion_time)
    if times < 1 or ended > now:
        return None
    return ended + backoff(times, FIRST_WAIT, MAX_WAIT)


def _turned_away(attempts: Sequence[Attempt]) -> int:
    """How often in a row, up to now."""
    others = (i for i, a in enumerate(reversed(attempts)) if a.interruption != Interruption.NOT_ADMITTED)
    return next(others, len(attempts))


def node_to_avoid(attempts: Sequence[Attempt]) -> str | None:
    """Where the next attempt had better not run."""
    if not attempts or not (attempts[-1].reason in FAILURES or attempts[-1].interruption in _OF_ITS_NODE):
        return None
    return attempts[-1].node
