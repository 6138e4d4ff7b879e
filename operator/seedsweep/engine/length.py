"""How many evaluations and steps an episode has: found, agreed upon, and whose published values can never count."""

from seedsweep.api.episode import StopReason
from seedsweep.engine.draft import Draft
from seedsweep.engine.observation import SeenAttempt
from seedsweep.engine.result import Failure


def agree_on_length(draft: Draft) -> Failure | None:
    """Find E and S. All episodes must agree on them, or their scores at a rung could not be compared.

    An attempt that contradicts the record is alone in that: it is discarded. Before there is a record, nobody can tell
    who is right, and the sweep fails.
    """
    before = draft.seen.status
    draft.evaluations = draft.layout.spec.trainer.planned_evaluations or before.evaluations
    draft.steps = before.steps
    for attempt in [*draft.attempts.values(), *draft.unabsorbed.values()]:
        why = _never_counts(draft, attempt)
        if why:
            draft.discard(attempt, why)
    for attempt in draft.attempts.values():
        reading = attempt.reading
        if reading is None:
            continue
        draft.evaluations = draft.evaluations or reading.evaluations_planned
        draft.steps = draft.steps or reading.steps_planned
        contradiction = _contradiction(draft, attempt)
        if contradiction:
            return "EpisodesDisagree", f"{attempt.episode.name} {contradiction}"
    if draft.evaluations is not None:
        problems = draft.layout.problems(draft.evaluations)
        if problems:
            return "InvalidRungs", "; ".join(str(problem) for problem in problems)
    return None


def _never_counts(draft: Draft, attempt: SeenAttempt) -> str:
    """Why, so far as the record tells; empty where it may count."""
    entry = draft.record_of(attempt)
    if entry is not None and entry.stop is StopReason.METRICS_UNAVAILABLE:
        return entry.message or "its metrics could not be used"
    return attempt.unusable or _contradiction(draft, attempt)


def _contradiction(draft: Draft, attempt: SeenAttempt) -> str:
    reading = attempt.reading
    if reading is None:
        return ""
    for name, known, told in (
        ("evaluations", draft.evaluations, reading.evaluations_planned),
        ("steps", draft.steps, reading.steps_planned),
    ):
        if known is not None and told is not None and told != known:
            return f"plans {told} {name}, not {known} as {_said_by(draft, name)}: its scores cannot be compared"
    return ""


def _said_by(draft: Draft, name: str) -> str:
    declared = name == "evaluations" and draft.layout.spec.trainer.planned_evaluations is not None
    return "spec.trainer says" if declared else "others do"
