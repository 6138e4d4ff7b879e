"""Whether tasks agree on which initialisations are good: ranks of the same initialisations in several tasks."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
SHUFFLES = 9_999
_CELLS_AT_ONCE = 2_000_000
_ROUNDING = 1e-12
"""Of the largest score: means that differ by less are equal."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of m tasks on n initialisations."""

    w: float
    """Kendall's coefficient of concordance, corrected for ties: 0 none, 1 all tasks rank alike."""
    correlation: float
    """Mean of Spearman's rank correlation over all pairs of tasks."""
    p: float
    """Share of shuffles within tasks with a W as large."""


def ranks(worth: Floats) -> Floats:
    """Rank of each initialisation in each task, (tasks, initialisations): 1 is best, ties share the middle of theirs.

    Args:
        worth: (tasks, initialisations), higher is better; finite.
    """
    bound = _ROUNDING * np.abs(worth).max(axis=1, keepdims=True)
    ordered = np.sort(worth, axis=1)
    # What rounding leaves of equal means is no difference: each step that is larger opens a new group.
    steps = np.diff(ordered, axis=1, prepend=ordered[:, :1]) > bound
    groups = np.take_along_axis(steps.cumsum(axis=1), worth.argsort(axis=1).argsort(axis=1), axis=1)
    found: Floats = stats.rankdata(-groups, axis=1)
    return found


def agreement(worth: Floats) -> Agreement:
    """Kendall's W with ties (Kendall and Gibbons 1990, chapter 6), by shuffles within each task.

    A shuffle gives the scores of each task to the initialisations anew: it keeps how much they differ within the task,
    and breaks whatever the tasks have in common; p = (r + 1) / (n + 1).

    Raises:
        ValueError: fewer than two tasks or initialisations, a score that is not finite, or a task without differences.
    """
    tasks, many = worth.shape
    if tasks < 2 or many < 2:
        raise ValueError(f"{tasks} tasks and {many} initialisations agree on nothing: needs two of both")
    if not np.isfinite(worth).all():
        raise ValueError("scores must be finite")
    ranked = ranks(worth)
    if (np.ptp(ranked, axis=1) == 0).any():
        raise ValueError("a task has the same score for all initialisations")
    observed = _squares(ranked)
    rng = np.random.default_rng(0)
    above, at_once = 0, max(1, _CELLS_AT_ONCE // worth.size)
    for begin in range(0, SHUFFLES, at_once):
        size = min(at_once, SHUFFLES - begin)
        order = rng.random((size, tasks, many)).argsort(axis=2)
        shuffled = np.take_along_axis(np.broadcast_to(ranked, order.shape), order, axis=2)
        above += int((_squares(shuffled) >= observed * (1 - 1e-9)).sum())
    pairs = [np.corrcoef(one, other)[0, 1] for one, other in combinations(ranked, 2)]
    return Agreement(
        w=float(12 * observed / (tasks**2 * (many**3 - many) - tasks * _ties(ranked))),
        correlation=float(np.mean(pairs)),
        p=(above + 1) / (SHUFFLES + 1),
    )


def _squares(ranked: Floats) -> Floats:
    """Sum of squares of the initialisations' rank sums about their mean."""
    sums = ranked.sum(axis=-2)
    squares: Floats = ((sums - sums.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return squares


def _ties(ranked: Floats) -> int:
    """Sum over all groups of ties of t^3 - t."""
    sizes = [np.unique(row, return_counts=True)[1] for row in ranked]
    return sum(int((size**3 - size).sum()) for size in sizes)
