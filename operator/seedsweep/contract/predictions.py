"""What a model answered to each validation example: a file that an attempt leaves to reports (for_reports.py).

    predictions/evaluation-3.json

It is there for the best evaluation up to each rung, for that at each rung, and for the best of all that the attempt
saw: reports compare models example by example with it. Those of a rung are written before its score is told. Optional
for a trainer of one's own.
"""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.contract.foreign import parse_json, whole

FOLDER = "predictions"
MAX_BYTES = 64 << 20
_MOST_EXAMPLES = 10_000_000


class PredictionsError(ValueError):
    """A file is not what `Predictions.parse` reads; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """The answers at one evaluation, in the order of the validation examples."""

    evaluation: int
    """From 1."""
    metric: str
    """Name of the metric that ranks, as in a sweep's file."""
    positive: int | None
    """Class that F1 is about; None where the metric has none."""
    rows: list[int]
    """Row of each example in its source, from 0."""
    labels: list[float]
    """Class ids, or true values."""
    answers: list[float]
    """Class ids, or predicted values."""

    @property
    def path(self) -> str:
        """Where it lies in the attempt's folder."""
        return predictions_path(self.evaluation)

    def to_bytes(self) -> bytes:
        """Compact JSON: about 9 bytes an example of a class."""
        return json.dumps(asdict(self), separators=(",", ":"), allow_nan=False).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> "Predictions":
        """Read what `to_bytes` wrote; raises PredictionsError."""
        if len(data) > MAX_BYTES:
            raise PredictionsError(f"is larger than {MAX_BYTES >> 20} MiB")
        try:
            fields = parse_json(data)
        except ValueError:
            raise PredictionsError("is not JSON") from None
        if not isinstance(fields, dict):
            raise PredictionsError("holds no object")
        evaluation = whole(fields.get("evaluation"), 1, MAX_EVALUATIONS)
        metric, positive = fields.get("metric"), fields.get("positive")
        if evaluation is None or not isinstance(metric, str):
            raise PredictionsError("names no evaluation or no metric")
        if positive is not None and whole(positive, 0, _MOST_EXAMPLES) is None:
            raise PredictionsError("names a positive class that is none")
        columns = [_numbers(fields.get(name), name) for name in ("rows", "labels", "answers")]
        if len({len(column) for column in columns}) != 1:
            raise PredictionsError("has not as many rows as labels and answers")
        return cls(evaluation, metric, positive, *columns)


def predictions_path(evaluation: int) -> str:
    """Where the answers at an evaluation lie in an attempt's folder."""
    return f"{FOLDER}/evaluation-{evaluation}.json"


def _numbers(values: Any, name: str) -> list[Any]:
    if not isinstance(values, list) or not 0 < len(values) <= _MOST_EXAMPLES:
        raise PredictionsError(f"has no list of {name}")
    if not all(type(value) in (int, float) and abs(value) <= sys.float_info.max for value in values):
        raise PredictionsError(f"has {name} that are no numbers")
    return values
