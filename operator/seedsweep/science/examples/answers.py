"""Scores of many models on examples that are drawn again: what follows from their answers to each example.

A model is a row of answers; weights say how often each example is in a draw.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
METRICS = ("accuracy", "f1", "accuracyAndF1", "mcc", "mse")
"""Those that `scores` computes, named as in a sweep's file."""
_ENTRIES_AT_ONCE = 20_000_000


@dataclass(frozen=True, slots=True)
class Answers:
    """What t models answered to the same n examples."""

    metric: str
    labels: Floats
    """Shape (n,): class ids, or true values."""
    said: Floats
    """Shape (t, n): class ids, or predicted values."""
    positive: int | None = None
    """The class that F1 is about."""

    def __post_init__(self) -> None:
        """Raises ValueError for a metric that is not among METRICS, or shapes that do not fit."""
        if self.metric not in METRICS:
            raise ValueError(f"metric is {self.metric!r}: give one of {', '.join(METRICS)}")
        if self.said.ndim != 2 or self.said.shape[1:] != self.labels.shape or not self.said.size:
            raise ValueError(f"answers of shape {self.said.shape} do not fit {self.labels.shape} labels")

    @property
    def models(self) -> int:
        """t."""
        return len(self.said)

    @property
    def examples(self) -> int:
        """n."""
        return len(self.labels)

    def of(self, models: NDArray[np.intp]) -> "Answers":
        """Some of the models."""
        return Answers(self.metric, self.labels, self.said[models], self.positive)


def scores(answers: Answers, weights: Floats | None = None) -> Floats:
    """The metric of every model over every draw, shape (draws, t); one draw, of every example once, without weights.

    `weights`: shape (draws, n), how often an example is in a draw. F1 is 0 without a positive, and Matthews correlation
    (Gorodkin 2004) is 0 where labels or answers are all of one class, as the trainer has it.
    """
    if weights is None:
        weights = np.ones((1, answers.examples))
    at_once = max(1, _ENTRIES_AT_ONCE // answers.examples)
    parts = [
        _scores(answers.of(np.arange(begin, min(begin + at_once, answers.models))), weights)
        for begin in range(0, answers.models, at_once)
    ]
    found: Floats = np.hstack(parts)
    return found


def _scores(answers: Answers, weights: Floats) -> Floats:
    size = weights.sum(axis=1, keepdims=True)
    match answers.metric:
        case "accuracy":
            return _accuracy(answers, weights, size)
        case "f1":
            return _f1(answers, weights)
        case "accuracyAndF1":
            return (_accuracy(answers, weights, size) + _f1(answers, weights)) / 2
        case "mcc":
            return _mcc(answers, weights, size)
    squared: Floats = weights @ ((answers.said - answers.labels) ** 2).T / size
    return squared


def _accuracy(answers: Answers, weights: Floats, size: Floats) -> Floats:
    share: Floats = weights @ (answers.said == answers.labels).T.astype(np.float64) / size
    return share


def _f1(answers: Answers, weights: Floats) -> Floats:
    true, said = answers.labels == answers.positive, answers.said == answers.positive
    both = weights @ (said & true).T.astype(np.float64)
    positives = weights @ said.T.astype(np.float64) + weights @ true[:, None].astype(np.float64)
    return _ratio(2 * both, positives)


def _mcc(answers: Answers, weights: Floats, size: Floats) -> Floats:
    right = weights @ (answers.said == answers.labels).T.astype(np.float64)
    covariance, true_squares, said_squares = right * size, np.zeros_like(size), np.zeros_like(right)
    for one in np.unique(np.concatenate([answers.labels, answers.said.ravel()])):
        true = weights @ (answers.labels == one)[:, None].astype(np.float64)
        said = weights @ (answers.said == one).T.astype(np.float64)
        covariance -= true * said
        true_squares += true**2
        said_squares += said**2
    return _ratio(covariance, np.sqrt((size**2 - true_squares) * (size**2 - said_squares)))


def _ratio(part: Floats, whole: Floats) -> Floats:
    """0 where the whole is."""
    found: Floats = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return found
