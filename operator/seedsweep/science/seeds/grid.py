"""Which seed matters, from a grid of whole runs: weight-init seeds are rows, data-order seeds are columns.

Missing cells are NaN. A shuffle moves scores within columns (or rows), so that it keeps whatever the other seed does.
Shuffles are drawn from a fixed seed: the same grid gives the same numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Grid = NDArray[np.float64]
SHUFFLES = 1_999
"""The smallest p-value is 1 in so many and one."""
_CELLS_AT_ONCE = 2_000_000
_ROUNDING = 1e-12
"""Of the largest score."""
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Contrast:
    """The best seed against the worst, as Dodge et al. (2020) compare them."""

    best: int
    """Row with the best mean."""
    worst: int
    f: float
    """One-way F of the two rows."""
    p: float
    """Of that F, as printed in the paper: too small, for the two rows were picked because they differ."""
    p_selected: float
    """Share of shuffles in which the best and the worst row, picked anew, give as large an F."""


@dataclass(frozen=True, slots=True)
class Component:
    """A standard deviation of a random effect, in the metric's unit."""

    deviation: float
    interval: tuple[float, float] | None
    """Of confidence CONFIDENCE under normality; None where cells are missing."""


@dataclass(frozen=True, slots=True)
class Components:
    """Score = mean + weight-init effect + data-order effect + residual, all random.

    With one run a cell the residual holds the interaction too.
    """

    rows: Component
    columns: Component
    residual: Component


def contrast(grid: Grid, *, maximize: bool) -> Contrast:
    """Compare the best and the worst row.

    Raises:
        ValueError: fewer than two rows with two scores each.
    """
    _check(grid)
    best, worst, f = (found[0].item() for found in _contrasts(grid[None], maximize))
    sizes = [int(np.isfinite(grid[row]).sum()) for row in (best, worst)]
    above = sum(int((_contrasts(s, maximize)[2] >= f * (1 - 1e-9)).sum()) for s in _shuffles(grid))
    p = float(stats.f.sf(f, 1, sum(sizes) - 2)) if np.isfinite(f) else 0.0
    return Contrast(best, worst, f, p, (above + 1) / (SHUFFLES + 1))


def extremes(grid: Grid, *, maximize: bool) -> tuple[int, int]:
    """The best and the worst row, as `contrast` takes them; raises ValueError as it does."""
    _check(grid)
    best, worst, _ = _contrasts(grid[None], maximize)
    return int(best[0]), int(worst[0])


def shuffled_within_columns(grid: Grid) -> float:
    """p-value of the sum of squares of rows, columns' means taken out: do rows differ at all?

    Each shuffle gives the scores of every column to its rows anew, which is exact whatever the scores' distribution
    (Pitman 1937; p = (r + 1) / (n + 1)). Raises ValueError as `contrast` does.
    """
    _check(grid)
    # A column without a score has no mean.
    grid = grid[:, np.isfinite(grid).any(axis=0)]
    centred = grid - np.nanmean(grid, axis=0)
    # What rounding leaves of equal scores is no difference.
    centred[np.abs(centred) <= _ROUNDING * np.nanmax(np.abs(grid))] = 0.0
    found = _row_squares(centred[None])[0]
    above = sum(int((_row_squares(s) >= found * (1 - 1e-9)).sum()) for s in _shuffles(centred))
    return (above + 1) / (SHUFFLES + 1)


def shuffled_whole(grid: Grid) -> float:
    """p-value of the range of rows' means with the whole matrix shuffled, as Dodge et al. (2020) tested.

    It takes the other seed's effect for noise. Raises ValueError as `contrast` does.
    """
    _check(grid)
    found = _range(grid[None])[0]
    flat = grid[np.isfinite(grid)][:, None]
    above = 0
    for shuffled in _shuffles(flat):
        whole = np.full((len(shuffled), *grid.shape), np.nan)
        whole[:, np.isfinite(grid)] = shuffled[:, :, 0]
        above += int((_range(whole) >= found - 1e-12 * abs(found)).sum())
    return (above + 1) / (SHUFFLES + 1)


def variance_components(grid: Grid) -> Components:
    """Random-effects variance components by sums of squares adjusted for the other seed (Henderson's method 3).

    A negative estimate is reported as 0. Intervals of the effects are those of Ting et al. (1990) for a difference of
    two mean squares, that of the residual is chi-squared's; both need every cell.

    Raises:
        ValueError: fewer than two rows or columns, or too few cells to leave degrees of freedom.
    """
    rows, columns = np.nonzero(np.isfinite(grid))
    if min(len(np.unique(rows)), len(np.unique(columns))) < 2:
        raise ValueError("needs at least two weight-init and two data-order seeds")
    # With so many cells, one a pair of seeds, the residual and both effects have degrees of freedom.
    if len(np.unique(rows)) + len(np.unique(columns)) > len(rows):
        raise ValueError("leaves no degrees of freedom: needs more cells than rows and columns less one")
    # Centred: differences of large squares would lose digits.
    y = grid[rows, columns] - np.nanmean(grid)
    z = [np.eye(grid.shape[axis])[index] for axis, index in enumerate((rows, columns))]
    one = np.ones((len(y), 1))
    full = _basis(np.hstack([one, *z]))
    residual_freedom = len(y) - full.shape[1]
    # Rounding must not make a sum of squares negative.
    residual = max(0.0, _squares(y) - _squares(full.T @ y)) / residual_freedom
    complete = bool(np.isfinite(grid).all())
    found = []
    for axis in (0, 1):
        without = _basis(np.hstack([one, z[1 - axis]]))
        freedom = full.shape[1] - without.shape[1]
        weight = (_squares(full.T @ z[axis]) - _squares(without.T @ z[axis])) / freedom
        square = max(0.0, _squares(full.T @ y) - _squares(without.T @ y)) / freedom
        variance = (square - residual) / weight
        interval = None
        if complete:
            bounds = _ting(square, freedom, residual, residual_freedom)
            low, high = (float(np.sqrt(max(0.0, bound / weight))) for bound in bounds)
            interval = (low, high)
        found.append(Component(float(np.sqrt(max(0.0, variance))), interval))
    tail = (1 - CONFIDENCE) / 2
    limits = None
    if complete:
        low, high = (residual_freedom * residual / stats.chi2.ppf(q, residual_freedom) for q in (1 - tail, tail))
        limits = (float(np.sqrt(low)), float(np.sqrt(high)))
    of_rows, of_columns = found
    return Components(of_rows, of_columns, Component(float(np.sqrt(residual)), limits))


def _ting(first: float, n: int, second: float, m: int) -> tuple[float, float]:
    """Bounds of the difference of two expected mean squares with n and m degrees of freedom (Ting et al. 1990)."""
    tail = (1 - CONFIDENCE) / 2
    above, below = float(stats.f.isf(tail, n, m)), float(stats.f.ppf(tail, n, m))
    g1, g2 = (1 - d / float(stats.chi2.isf(tail, d)) for d in (n, m))
    h1, h2 = (d / float(stats.chi2.ppf(tail, d)) - 1 for d in (n, m))
    g12 = ((above - 1) ** 2 - g1**2 * above**2 - h2**2) / above
    h12 = ((1 - below) ** 2 - h1**2 * below**2 - g2**2) / below
    low = g1**2 * first**2 + h2**2 * second**2 + g12 * first * second
    high = h1**2 * first**2 + g2**2 * second**2 + h12 * first * second
    return first - second - np.sqrt(max(0.0, low)), first - second + np.sqrt(max(0.0, high))


def _basis(x: Grid) -> Grid:
    """An orthonormal basis of what the columns of x span; they may depend on each other."""
    left, sizes, _ = np.linalg.svd(x, full_matrices=False)
    basis: Grid = left[:, sizes > 1e-9 * sizes[0]]
    return basis


def _squares(values: Grid) -> float:
    return float((values**2).sum())


def _check(grid: Grid) -> None:
    if int((np.isfinite(grid).sum(axis=1) >= 2).sum()) < 2 or len(grid) < 2:
        raise ValueError("needs at least two seeds with two scores each")


def _shuffles(grid: Grid) -> Iterator[Grid]:
    """All shuffles within columns, (many, rows, columns) at a time; missing cells stay missing."""
    rng = np.random.default_rng(0)
    at_once = max(1, _CELLS_AT_ONCE // grid.size)
    for begin in range(0, SHUFFLES, at_once):
        many = min(at_once, SHUFFLES - begin)
        shuffled = np.full((many, *grid.shape), np.nan)
        for column in range(grid.shape[1]):
            present = np.flatnonzero(np.isfinite(grid[:, column]))
            order = rng.random((many, len(present))).argsort(axis=1)
            shuffled[:, present, column] = grid[present, column][order]
        yield shuffled


def _means(grids: Grid) -> Grid:
    """Of rows; NaN for a row without a score."""
    count = np.isfinite(grids).sum(axis=2)
    with np.errstate(invalid="ignore"):
        means: Grid = np.nansum(grids, axis=2) / np.where(count > 0, count, np.nan)
    return means


def _contrasts(grids: Grid, maximize: bool) -> tuple[NDArray[np.intp], NDArray[np.intp], Grid]:
    """The best and the worst row of each, and their one-way F: infinite where only their means differ, 0 where nothing.

    Rows with fewer than two scores have no variance and are passed over. Of rows whose means tie, but for rounding, the
    one that spreads least is taken.
    """
    at, sizes, means = np.arange(len(grids)), np.isfinite(grids).sum(axis=2), _means(grids)
    # By how much means of equal scores may differ.
    bound = float(_ROUNDING * np.nanmax(np.abs(grids)))
    squares = np.nansum((grids - means[:, :, None]) ** 2, axis=2)
    squares = np.where(squares <= bound**2 * sizes, 0.0, squares)
    able = np.where(sizes >= 2, means, np.nan)
    high, low = (
        np.where(np.abs(able - extreme(able, axis=1, keepdims=True)) <= bound, squares, np.inf).argmin(axis=1)
        for extreme in (np.nanmax, np.nanmin)
    )
    apart = means[at, high] - means[at, low]
    both = sizes[at, high] + sizes[at, low]
    between = np.where(apart <= bound, 0.0, apart) ** 2 * sizes[at, high] * sizes[at, low] / both
    with np.errstate(divide="ignore", invalid="ignore"):
        f = between / ((squares[at, high] + squares[at, low]) / (both - 2))
    f = np.where(between == 0, 0.0, f)
    return (high, low, f) if maximize else (low, high, f)


def _row_squares(grids: Grid) -> Grid:
    """Sum of squares of rows' means, by how many scores they are of; columns are centred already."""
    squares: Grid = np.nansum(np.isfinite(grids).sum(axis=2) * _means(grids) ** 2, axis=1)
    return squares


def _range(grids: Grid) -> Grid:
    means = _means(grids)
    found: Grid = np.nanmax(means, axis=1) - np.nanmin(means, axis=1)
    return found
