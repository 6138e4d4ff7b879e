"""How well a mean is known whose values share seeds: those with a seed in common are not independent."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Seeds = NDArray[np.int64]
"""(values, 2): weight-init and data-order seed."""
_ROUNDING = 1e-12
"""Of the largest value."""


@dataclass(frozen=True, slots=True)
class Variance:
    """An estimated variance."""

    value: float
    freedom: float
    """Degrees of freedom."""


def mean_variance(values: Floats, seeds: Seeds) -> Variance:
    """The variance of the mean of values, one an episode.

    Two-way cluster-robust (Cameron, Gelbach and Miller 2011): that of weight-init seeds' sums, plus that of data-order
    seeds', less that of single values, which both hold; but no less than either of the two (MacKinnon, Nielsen and Webb
    2021). Where no two values share a seed it is the sample variance over n. Degrees of freedom are those of the kind
    with fewer seeds. A kind with a single seed is left out: nothing shows what another seed would do.

    Raises:
        ValueError: fewer than two seeds of either kind.
    """
    n = len(values)
    rest = values - values.mean()
    # What rounding leaves of equal values is no spread.
    rest[np.abs(rest) <= _ROUNDING * np.abs(values).max()] = 0.0
    kinds = [np.unique(kind, return_inverse=True)[1] for kind in seeds.T]
    sums = [np.bincount(groups, rest) for groups in kinds if groups.max() > 0]
    if not sums:
        raise ValueError("needs two seeds of a kind")
    parts = [float(s @ s) * len(s) / (len(s) - 1) / n**2 for s in sums]
    single = float(rest @ rest) / (n - 1) / n
    value = max(*parts, sum(parts) - single) if len(parts) == 2 else parts[0]
    return Variance(value, min(map(len, sums)) - 1)


def sum_of(one: Variance, other: Variance) -> Variance:
    """Of independent parts; degrees of freedom are those of Welch (1947) and Satterthwaite."""
    value = one.value + other.value
    if value == 0:
        return Variance(0.0, min(one.freedom, other.freedom))
    return Variance(value, value**2 / (one.value**2 / one.freedom + other.value**2 / other.freedom))
