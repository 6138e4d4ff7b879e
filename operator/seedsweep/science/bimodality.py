"""Do scores fall into two groups, as where some runs fail and the others do not?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 1_999
FEWEST = 8
"""Scores: with fewer, nothing can be told."""


@dataclass(frozen=True, slots=True)
class TwoGroups:
    """The split of n scores into a lower and an upper part that explains most of their variance."""

    lower: int
    """Scores in the lower part."""
    upper: int
    lower_mean: float
    upper_mean: float
    explained: float
    """Share of the variance between the parts."""
    p: float
    """Share of uniform samples of n that a split explains as much of."""


def find_two_groups(scores: Sequence[float]) -> TwoGroups | None:
    """Split scores in two at the best place (k-means for two clusters in one dimension, solved exactly).

    The p-value compares the explained share with that of uniform samples, the flattest of distributions with one mode:
    normal and exponential samples are explained by less. None for fewer than FEWEST scores, or where all are equal.

    Raises:
        ValueError: a score is not finite.
    """
    values = np.sort(np.array(scores, dtype=np.float64))
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    if len(values) < FEWEST or values[0] == values[-1]:
        return None
    explained, at = (found[0].item() for found in _best_splits(values[None]))
    uniform = np.sort(np.random.default_rng(0).random((DRAWS, len(values))), axis=1)
    above = int((_best_splits(uniform)[0] >= explained * (1 - 1e-9)).sum())
    lower, upper = values[:at], values[at:]
    p = (above + 1) / (DRAWS + 1)
    return TwoGroups(len(lower), len(upper), float(lower.mean()), float(upper.mean()), explained, p)


def _best_splits(ascending: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Of each row, the share of variance that its best split explains, and the size of the lower part.

    Each part has two scores at least: one outlier is no group.
    """
    n = ascending.shape[1]
    sizes = np.arange(2, n - 1)
    centred = ascending - ascending.mean(axis=1, keepdims=True)
    sums = centred.cumsum(axis=1)[:, 1 : n - 2]
    between = sums**2 * n / (sizes * (n - sizes))
    at = between.argmax(axis=1)
    return between[np.arange(len(at)), at] / (centred**2).sum(axis=1), sizes[at]
