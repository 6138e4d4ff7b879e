"""What no trainer may say of its progress: the Reporter refuses it where it is said, the scraper where it is read.

One set of rules for both, so that what is refused later is refused at once by those who report through the Reporter.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seedsweep.api.finetuning import Metric, MetricRange
from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.contract.foreign import shown
from seedsweep.contract.message import as_published
from seedsweep.contract.protocol import MAX_LABEL


class Counts(Protocol):
    """How far an attempt says that it is; None or 0: not known yet."""

    @property
    def evaluations_planned(self) -> int | None:
        """E."""

    @property
    def steps_planned(self) -> int | None:
        """S."""

    @property
    def steps_done(self) -> int:
        """Optimizer steps."""

    @property
    def steps_at_start(self) -> int:
        """Those of the checkpoint that it resumed from."""

    @property
    def checkpoint(self) -> int:
        """Newest evaluation with a durable checkpoint."""

    @property
    def scores(self) -> Sequence[float | None]:
        """Of evaluation 1, 2, ..."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The values that a score can take."""

    lowest: float = -math.inf
    highest: float = math.inf

    @classmethod
    def of(cls, metric: Metric | None) -> "Limits":
        """As the metric's range says."""
        given = (metric.range if metric is not None else None) or MetricRange()
        # Rounded as scores are: 0.1 is a score of 0.1 in float32, which is a little more.
        return cls(
            lowest=-math.inf if given.min is None else _rounded(float(given.min)),
            highest=math.inf if given.max is None else _rounded(float(given.max)),
        )

    def excess(self, scores: Iterable[float | None]) -> str | None:
        """Which of the scores of evaluation 1, 2, ... cannot be, and what to do about it; None where all can."""
        for i, score in enumerate(scores, start=1):
            if score is not None and not math.isnan(score) and not self.lowest <= score <= self.highest:
                return (
                    f"the score of evaluation {i} is {score}, outside the metric's range {self.lowest:g} to "
                    f"{self.highest:g}: correct the trainer, or the range of the sweep's metric"
                )
        return None


def contradiction(said: Counts) -> str | None:
    """Why these counts cannot be, and what to do about it; None where they can."""
    evaluations, steps = said.evaluations_planned, said.steps_planned
    if max(len(said.scores), said.checkpoint) > (evaluations or MAX_EVALUATIONS):
        if not evaluations:
            return f"there are more evaluations than the {MAX_EVALUATIONS} of an episode: evaluate less often"
        return (
            f"there is an evaluation beyond the {evaluations} that are planned: "
            "plan for all evaluations of a whole episode"
        )
    if steps and max(said.steps_done, said.steps_at_start) > steps:
        return f"there are more steps than the {steps} that are planned: round up where batches do not fill an epoch"
    return None


def whole(value: object, what: str, least: int, most: int) -> int:
    """A whole number of any kind (int, numpy, torch, 3.0) as an int; raises ValueError for any other value."""
    found = number(value, what)
    if not found.is_integer():
        raise ValueError(f"{what} is {shown(found)}, not a whole number: round it, as with math.ceil")
    if not least <= found <= most:
        raise ValueError(f"{what} is {found:g}, not a whole number from {least} to {most}")
    return int(found)


def number(value: object, what: str) -> float:
    """A number of any kind (int, float, numpy, torch, Decimal) as a float; raises ValueError for any other value."""
    try:
        # An array or a tensor of one number is taken for it.
        found: Any = value.item() if hasattr(value, "item") else value
        # float() would also read a text.
        if hasattr(type(found), "__float__") or hasattr(type(found), "__index__"):
            return float(found)
    except OverflowError:
        raise ValueError(f"{what} does not fit a float32, whose largest number is 3.4e38") from None
    except (TypeError, ValueError, RuntimeError):
        # What arrays of several numbers and tensors without values raise.
        raise ValueError(f"{what} is {shown(value)}, not one number") from None
    raise ValueError(f"{what} is {shown(value)}, not a number")


def published(value: object, what: str) -> float:
    """A score or loss of any kind as every channel has it, NaN where it is not finite; raises ValueError."""
    found = number(value, what)
    try:
        return as_published(found)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def label(text: object, what: str) -> str:
    """A text that fits into every channel; raises ValueError for any other value."""
    if not isinstance(text, str) or len(text) > MAX_LABEL or not (text.isascii() and text.isprintable()):
        raise ValueError(f"{what} is {shown(text)}, not a text of at most {MAX_LABEL} ASCII characters: give a digest")
    return text


def _rounded(limit: float) -> float:
    try:
        return as_published(limit)
    except ValueError:
        # No score lies beyond it.
        return math.copysign(math.inf, limit)
