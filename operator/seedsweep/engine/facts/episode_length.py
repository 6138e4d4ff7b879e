"""How many evaluations and steps an episode has: found, agreed upon, and whose published values can never count."""

from seedsweep.api.episode import StopReason
from seedsweep.engine.decisions import Failure
from seedsweep.engine.draft import Draft
from seedsweep.engine.observation import Reading, SeenAttempt


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
    disagreement = _learn(draft) if draft.evaluations is None or draft.steps is None else ""
    if disagreement:
        return "EpisodesDisagree", disagreement
    if draft.evaluations is not None:
        problems = draft.layout.problems(draft.evaluations)
        if problems:
            return "InvalidRungs", "; ".join(str(problem) for problem in problems)
    return None


def _learn(draft: Draft) -> str:
    """Take E and S from whoever tells first; returns who says otherwise."""
    for attempt in draft.attempts.values():
        reading = attempt.reading
        if reading is None:
            continue
        draft.evaluations = draft.evaluations or reading.evaluations_planned
        draft.steps = draft.steps or reading.steps_planned
        contradiction = _contradiction(draft, reading)
        if contradiction:
            return f"{attempt.episode.name} {contradiction}"
    return ""


def _never_counts(draft: Draft, attempt: SeenAttempt) -> str:
    """Why, so far as the record tells; empty where it may count."""
    if attempt.unusable:
        return attempt.unusable
    entry = draft.record_of(attempt)
    if entry is not None and entry.stop is StopReason.METRICS_UNAVAILABLE:
        return entry.message or "its metrics could not be used"
    return _contradiction(draft, attempt.reading) if attempt.reading is not None else ""


def _contradiction(draft: Draft, reading: Reading) -> str:
    evaluations, steps = reading.evaluations_planned, reading.steps_planned
    if None not in (evaluations, draft.evaluations) and evaluations != draft.evaluations:
        declared = draft.layout.spec.trainer.planned_evaluations is not None
        return _plans(evaluations, "evaluations", draft.evaluations, "spec.trainer says" if declared else "others do")
    if None not in (steps, draft.steps) and steps != draft.steps:
        return _plans(steps, "steps", draft.steps, "others do")
    return ""


def _plans(told: int | None, what: str, known: int | None, said_by: str) -> str:
    return f"plans {told} {what}, not {known} as {said_by}: its scores cannot be compared"
