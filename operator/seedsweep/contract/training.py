"""Training loss and time between evaluations: training.csv, which an attempt leaves to reports (for_reports.py).

A line for each evaluation that the attempt made. Optional for a trainer of one's own.
"""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass

from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.contract.protocol import MAX_STEPS

FILE = "training.csv"
COLUMNS = ("evaluation", "step", "training_loss", "training_seconds", "evaluation_seconds")
MAX_BYTES = 200 * (1 + MAX_EVALUATIONS)
_MAX_SECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Interval:
    """An evaluation and the steps since the one before it."""

    evaluation: int
    """From 1."""
    step: int
    """Optimizer step that it follows."""
    loss: float | None
    """Mean training loss of these steps, whichever attempt made them. None: not known."""
    training_seconds: float
    """That this attempt took for those of these steps that it made, with waiting for checkpoints."""
    evaluation_seconds: float


def training_bytes(intervals: Iterable[Interval]) -> bytes:
    """As they stand in the file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for found in intervals:
        loss = "" if found.loss is None else f"{found.loss:.6g}"
        seconds = f"{found.training_seconds:.3f}", f"{found.evaluation_seconds:.3f}"
        writer.writerow((found.evaluation, found.step, loss, *seconds))
    return text.getvalue().encode()


def parse_training(data: bytes) -> list[Interval]:
    """Read what `training_bytes` wrote; empty for anything else."""
    try:
        header, *rows = csv.reader(io.StringIO(data[:MAX_BYTES].decode()), strict=True)
        found = [_interval(row) for row in rows]
    except (ValueError, csv.Error):
        return []
    return found if tuple(header) == COLUMNS and all(map(_is_sound, found)) else []


def _interval(row: list[str]) -> Interval:
    evaluation, step, loss, training, evaluating = row
    known = float(loss) if loss else None
    return Interval(int(evaluation), int(step), known, float(training), float(evaluating))


def _is_sound(found: Interval) -> bool:
    return (
        (found.loss is None or math.isfinite(found.loss))
        and 1 <= found.evaluation <= MAX_EVALUATIONS
        and 0 < found.step <= MAX_STEPS
        and 0 <= found.training_seconds <= _MAX_SECONDS
        and 0 <= found.evaluation_seconds <= _MAX_SECONDS
    )
