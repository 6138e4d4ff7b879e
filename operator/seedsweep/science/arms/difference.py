"""The difference of two arms' mean scores over seeds: p-value and interval, by how their runs share seeds.

An arm is one score an episode and its two seeds. Every interval is made of the differences that the test beside it does
not reject, so that the two never contradict each other. Shuffles are drawn from a fixed seed, and the order of episodes
does not matter: the same scores give the same numbers, and arms that change places give the mirrored ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, islice
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from seedsweep.science.arms.clusters import Seeds, Variance, mean_variance, sum_of

Floats = NDArray[np.float64]
Method = Literal["shuffled", "flipped", "clustered"]
CONFIDENCE = 0.95
SHUFFLES = 9_999
"""Where there are more arrangements than `_EVERY`; else each is looked at."""
_EVERY = 20_000
_CELLS_AT_ONCE = 4_000_000
_ROUNDING = 1e-9
_TAIL = (1 - CONFIDENCE) / 2
_HALVINGS = 40
FEWEST: dict[Method, int] = {"shuffled": 4, "flipped": 6, "clustered": 2}
"""Runs of each arm, pairs, or seeds of each kind: with fewer, no test at 5 % tells anything."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of B less mean of A, in the metric's unit."""

    estimate: float
    method: Method
    p: float
    """Two-sided: of shuffles, twice the smaller of the two one-sided p-values."""
    interval: tuple[float, float] | None
    """Of confidence CONFIDENCE. None where so few runs reject no difference at all, or no run of an arm differs from
    another."""
    smallest_p: float | None
    """The smallest p that so many runs, or shuffles, can give; None for a t test, which has none."""
    spread: Variance
    """Of the estimate."""


def shuffled(a: Floats, b: Floats) -> Difference:
    """Of runs that share no seed: each shuffle gives all scores to the two arms anew; beside it Welch's t test.

    The statistic is Welch's t. The shuffles are exact where both arms have one distribution, such as two groups with
    few runs; Welch's t test holds better where a small arm spreads more than a large one. The larger of the two
    p-values counts, and the interval holds both intervals.

    Raises:
        ValueError: fewer than two scores in an arm, or one that is not finite.
    """
    _check(a, b)
    a, b = np.sort(a), np.sort(b)
    if (len(b), b.tolist()) < (len(a), a.tolist()):
        return _mirrored(shuffled(b, a))
    estimate = float(b.mean() - a.mean())
    shuffles = _Shuffles.of(a - a.mean(), b - b.mean())
    welch = clustered(a, _own_seeds(a), b, _own_seeds(b))
    least = min(1.0, 2 / (len(shuffles.sums) + shuffles.unseen))
    p = max(welch.p, min(1.0, 2 * min(shuffles.tails(estimate))))
    interval = welch.interval
    if interval is not None and least <= 1 - CONFIDENCE:
        far = 4 * float(np.ptp(np.r_[a, b]))
        low, high = estimate - shuffles.reach(far), estimate - shuffles.reach(-far)
        interval = (min(low, interval[0]), max(high, interval[1]))
    return Difference(estimate, "shuffled", p, interval if least <= 1 - CONFIDENCE else None, least, welch.spread)


def flipped(a: Floats, b: Floats) -> Difference:
    """Of runs in pairs, which share no seed but within a pair: each shuffle swaps the two scores of some pairs.

    The interval is between quantiles of the mean differences of subsets of the pairs, Hartigan's (1969) typical values.

    Raises:
        ValueError: as `shuffled`, or the arms differ in length.
    """
    _check(a, b)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} scores are no pairs")
    found = np.sort(b - a)
    if np.sort(-found).tolist() < found.tolist():
        return _mirrored(flipped(b, a))
    estimate = float(found.mean())
    means, every = _subset_means(found)
    least = min(1.0, 2 / every)
    scale = _ROUNDING * float(np.abs(found).max())
    tails = [(1 + int((side * means <= scale).sum())) / every for side in (1, -1)]
    interval = None
    if np.ptp(found) > 0 and least <= 1 - CONFIDENCE:
        # As many of them lie outside as the test rejects at this level.
        outside = int(_TAIL * every * (1 + _ROUNDING)) - 1
        ordered = np.sort(means)
        interval = (float(ordered[outside]), float(ordered[-1 - outside]))
    spread = mean_variance(found, _own_seeds(found))
    return Difference(estimate, "flipped", min(1.0, 2 * min(tails)), interval, least, spread)


def clustered(a: Floats, a_seeds: Seeds, b: Floats, b_seeds: Seeds) -> Difference:
    """Of arms whose runs share seeds within the arm, such as cells of a grid: a t test with both seeds as clusters.

    Raises:
        ValueError: as `shuffled`, or an arm has fewer than two seeds of either kind.
    """
    _check(a, b)
    parts = [mean_variance(scores, seeds) for scores, seeds in ((a, a_seeds), (b, b_seeds))]
    return _by_t(float(b.mean() - a.mean()), sum_of(*parts))


def clustered_pairs(a: Floats, b: Floats, seeds: Seeds) -> Difference:
    """As `clustered`, of cells that both arms have: their differences keep nothing of what a seed does to both arms.

    Raises:
        ValueError: as `clustered`, or the arms differ in length.
    """
    _check(a, b)
    return _by_t(float((b - a).mean()), mean_variance(b - a, seeds))


def _by_t(estimate: float, spread: Variance) -> Difference:
    error, freedom = spread.value**0.5, spread.freedom
    if error == 0:
        return Difference(estimate, "clustered", float(estimate == 0), None, None, spread)
    reach = float(stats.t.isf(_TAIL, freedom)) * error
    p = 2 * float(stats.t.sf(abs(estimate) / error, freedom))
    return Difference(estimate, "clustered", p, (estimate - reach, estimate + reach), None, spread)


@dataclass(frozen=True, slots=True)
class _Shuffles:
    """Of two arms without their means, what falls to B in each shuffle.

    Sums are of u, u^2, b and u b, where u is a score and b is whether it is B's own: so they serve any difference of
    the means, with which u + gap b takes the place of u.
    """

    sizes: tuple[int, int]
    sums: Floats
    """(shuffles, 4)."""
    own: Floats
    """The same of the scores as they are."""
    totals: Floats
    unseen: int
    """1 where the arrangement as it is has to be added to those drawn, 0 where all are there."""

    @classmethod
    def of(cls, a: Floats, b: Floats) -> "_Shuffles":
        u, own = np.r_[a, b], np.r_[np.zeros(len(a)), np.ones(len(b))]
        columns = np.column_stack([u, u**2, own, u * own])
        # In one order, whatever that of the episodes.
        columns = columns[np.lexsort((own, u))]
        total, size = len(u), len(b)
        exact = comb(total, size) <= _EVERY
        chosen = combinations(range(total), size) if exact else None
        sums = np.vstack([columns[index].sum(axis=1) for index in _batches(total, size, chosen)])
        return cls((len(a), size), sums, columns[columns[:, 2] == 1].sum(axis=0), columns.sum(axis=0), int(not exact))

    def tails(self, gap: float) -> tuple[float, float]:
        """One-sided p-values where the arms' means are so far apart: that B is more, and that it is less."""
        found, observed = self._welch(self.sums, gap), self._welch(self.own[None], gap)[0]
        slack = _ROUNDING * abs(observed) if np.isfinite(observed) else 0.0
        counts = int((found >= observed - slack).sum()), int((found <= observed + slack).sum())
        above, below = ((count + self.unseen) / (len(found) + self.unseen) for count in counts)
        return above, below

    def reach(self, far: float) -> float:
        """The gap nearest to `far`, where it is rejected, that is not rejected: by halving, from there inward."""
        side = 0 if far > 0 else 1
        near = far
        for _ in range(_HALVINGS):
            near = far / 2
            if self.tails(near)[side] > _TAIL:
                break
            far = near
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            near, far = (middle, far) if self.tails(middle)[side] > _TAIL else (near, middle)
        return far

    def _welch(self, sums: Floats, gap: float) -> Floats:
        """Welch's t of each; infinite where only the means differ, 0 where nothing does."""
        shifted = [
            (s[..., 0] + gap * s[..., 2], s[..., 1] + 2 * gap * s[..., 3] + gap**2 * s[..., 2])
            for s in (self.totals - sums, sums)
        ]
        scale = float(self.totals[1] + gap**2) + np.finfo(float).tiny
        means, errors = [], []
        for n, (first, second) in zip(self.sizes, shifted, strict=True):
            means.append(first / n)
            squares = second - first**2 / n
            errors.append(np.where(squares <= 1e-12 * scale, 0.0, squares) / (n * (n - 1)))
        apart = means[1] - means[0]
        apart = np.where(np.abs(apart) <= _ROUNDING * np.sqrt(scale), 0.0, apart)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(apart == 0, 0.0, apart / np.sqrt(errors[0] + errors[1]))


def _batches(total: int, size: int, every: Iterator[tuple[int, ...]] | None) -> Iterator[NDArray[np.intp]]:
    """Index arrays of subsets of so many out of a total: every one given, or SHUFFLES drawn."""
    at_once = max(1, _CELLS_AT_ONCE // total)
    if every is not None:
        while batch := list(islice(every, at_once)):
            yield np.array(batch, dtype=np.intp)
        return
    rng = np.random.default_rng(0)
    for begin in range(0, SHUFFLES, at_once):
        yield rng.random((min(at_once, SHUFFLES - begin), total)).argpartition(size - 1, axis=1)[:, :size]


def _subset_means(values: Floats) -> tuple[Floats, int]:
    """Means of the subsets with anything in them, all or as drawn; and how many there are, with the empty one."""
    n = len(values)
    if 2**n <= _EVERY:
        inside = (np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1
    else:
        rng = np.random.default_rng(0)
        inside = rng.integers(0, 2, size=(SHUFFLES, n), dtype=np.int8)
    sizes = inside.sum(axis=1)
    return (inside @ values)[sizes > 0] / sizes[sizes > 0], len(inside) + 1


def _own_seeds(values: Floats) -> Seeds:
    return np.repeat(np.arange(len(values))[:, None], 2, axis=1)


def _mirrored(found: Difference) -> Difference:
    interval = None if found.interval is None else (-found.interval[1], -found.interval[0])
    return replace(found, estimate=-found.estimate, interval=interval)


def _check(*arms: Floats) -> None:
    for scores in arms:
        if len(scores) < 2:
            raise ValueError(f"needs two scores in either arm; one has {len(scores)}")
        if not np.isfinite(scores).all():
            raise ValueError("scores must be finite")
