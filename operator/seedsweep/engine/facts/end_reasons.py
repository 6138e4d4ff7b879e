"""Why an attempt ended: what its world saw, against what it was told, what it published and what we stopped it for."""

from seedsweep.api.episode import Attempt, EndReason, Interruption, StopReason
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.verdicts import LOST
from seedsweep.engine.observation import Ending, SeenAttempt

CLEAN = frozenset({EndReason.DONE, EndReason.STOPPED_AT_RUNG})
_EXPLAINED = frozenset({EndReason.FAILED, EndReason.OUT_OF_MEMORY, EndReason.BAD_CONFIGURATION})


def end_reason(draft: Draft, entry: Attempt, attempt: SeenAttempt, ending: Ending, evaluations: int) -> EndReason:
    """In one word; `evaluations`: as many as its curve has."""
    if attempt.unusable and entry.stop not in LOST.values() and ending.reason not in _EXPLAINED:
        # What it published can never count.
        return EndReason.METRICS_UNAVAILABLE
    if ending.reason in CLEAN:
        # An exit code of 0 claims that the work is done; the curve says whether it is.
        if draft.evaluations is not None and evaluations >= draft.evaluations:
            return EndReason.DONE
        if entry.stop_after is not None and evaluations >= entry.stop_after:
            return EndReason.STOPPED_AT_RUNG
        return end_of_stopped(entry.stop) if entry.stop is not None else EndReason.METRICS_UNAVAILABLE
    if entry.stop is not None and ending.reason in (EndReason.INTERRUPTED, EndReason.FAILED):
        return end_of_stopped(entry.stop)
    return ending.reason


def end_of_stopped(stop: StopReason) -> EndReason:
    """The end of an attempt that we stopped: what it was stopped for may be the trainer's failure, all else is ours."""
    if stop == StopReason.STUCK:
        return EndReason.STUCK
    if stop == StopReason.METRICS_UNAVAILABLE:
        return EndReason.METRICS_UNAVAILABLE
    return EndReason.INTERRUPTED if stop == StopReason.NODE_LOST else EndReason.STOPPED


def interruption_of(entry: Attempt, reason: EndReason, seen: Interruption | None) -> Interruption | None:
    """What interrupted it; `seen`: in the words of its world."""
    if reason != EndReason.INTERRUPTED:
        return None
    return Interruption.NODE_LOST if entry.stop == StopReason.NODE_LOST else seen


def why_ended(draft: Draft, entry: Attempt, ending: Ending) -> str:
    """Of what we stopped, our own reason: what its world calls an interruption was us."""
    if entry.stop is None or (ending.interruption is None and entry.stop != StopReason.NODE_LOST):
        return ending.message
    if entry.stop == StopReason.NODE_LOST:
        node = f"its node {entry.node}" if entry.node else "its node"
        return f"{node} was lost: {ending.message or 'no sign of life'}"
    if entry.stop == StopReason.STUCK:
        return f"no new evaluation for {draft.layout.spec.progress_deadline_seconds} s (progressDeadlineSeconds)"
    return ""


def why_unread(draft: Draft, attempt: SeenAttempt, ending: Ending, reason: EndReason, evaluations: int) -> str:
    """Of an attempt that says nothing itself: why its scores, of `evaluations`, are none or not all."""
    if reason != EndReason.METRICS_UNAVAILABLE:
        return ending.unread if attempt.reading is None else ""
    if ending.unread or not evaluations:
        return ending.unread
    planned = f" of {draft.evaluations}" if draft.evaluations is not None else ""
    return (
        f"it ended without an error, and its scores end at evaluation {evaluations}{planned}: serve metrics until the "
        "last score has been read, or leave it in the termination message"
    )
