"""How many runs tell a difference, and which difference so many runs tell: planning from an observed spread.

Both take scores to be normal and runs to share no seed: for a two-sided test at 5 % that finds the difference four
times of five.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import sqrt

from scipy import optimize, stats

LEVEL, POWER = 0.05, 0.8


def runs_to_tell(difference: float, deviations: Sequence[float], least: int, most: int) -> int | None:
    """The fewest runs of each arm, or pairs, that tell a difference; None where it takes more than `most`.

    Args:
        difference: of the arms' means, in the metric's unit; not 0.
        deviations: standard deviation of the runs of either arm, or that of the differences within pairs.
        least: with fewer no test tells anything.
        most: more are not looked for.

    Raises:
        ValueError: a difference of 0.
    """
    if difference == 0:
        raise ValueError("no number of runs tells a difference of 0 from none")
    variances = [deviation**2 for deviation in deviations]
    total = sum(variances)
    if total == 0:
        return least
    # Welch's degrees of freedom, in those of one arm.
    share = total**2 / sum(variance**2 for variance in variances)

    def enough(runs: int) -> bool:
        return _found(abs(difference) * sqrt(runs / total), share * (runs - 1)) >= POWER

    if not enough(most):
        return None
    return bisect_left(range(least, most), True, key=enough) + least


def difference_to_tell(error: float, freedom: float) -> float:
    """The smallest true difference that a test finds with POWER, by the standard error of the observed one."""
    scale = float(optimize.brentq(lambda shift: _found(shift, freedom) - POWER, 0, 200))
    return scale * error


def _found(shift: float, freedom: float) -> float:
    """The chance that t, shifted by so many standard errors, is beyond its two-sided threshold on the right side."""
    return float(stats.nct.sf(stats.t.isf(LEVEL / 2, freedom), freedom, shift))
