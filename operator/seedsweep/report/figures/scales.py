"""Where evaluations and scores stand in a figure of curves."""

import math
from collections.abc import Sequence

from seedsweep.api.status import SweepStatus
from seedsweep.engine.layout import step_of
from seedsweep.report.record import Record
from seedsweep.report.visible import Range, robust_range


def step_at(record: Record, evaluation: int) -> int | None:
    """The optimizer step that an evaluation follows; None where steps are not known."""
    status = record.sweep.status or SweepStatus()
    if status.evaluations is None or status.steps is None:
        return None
    return step_of(evaluation, status.evaluations, status.steps)


def positions(record: Record, evaluations: int) -> list[int]:
    """Where evaluations 1..n stand: at their optimizer steps, or at their numbers where steps are unknown."""
    numbers = range(1, evaluations + 1)
    steps = (step_at(record, i) for i in numbers)
    return [i if step is None else step for i, step in zip(numbers, steps, strict=True)]


def visible_range(record: Record) -> Range | None:
    """Scores that the figure of all curves shows; None without any score."""
    return robust_range(_scores(record), maximize=record.sweep.spec.trainer.maximize)


def shown_from(record: Record) -> float | None:
    """The score from which on the figure of all curves shows everything; None where it shows all there is."""
    visible, scores = visible_range(record), _scores(record)
    if visible is None or (min(scores), max(scores)) == visible:
        return None
    return visible[0] if record.sweep.spec.trainer.maximize else visible[1]


def with_gaps(scores: Sequence[float | None]) -> list[float]:
    """A curve with NaN where it is undefined, which leaves a gap."""
    return [math.nan if score is None else score for score in scores]


def _scores(record: Record) -> list[float]:
    return [s for e in record.episodes for s in e.status.scores if s is not None]
