"""How often a run of one arm beats a run of the other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from seedsweep.science.arms.clusters import Seeds, mean_variance, sum_of

Floats = NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Superiority:
    """P(B > A) + P(B = A) / 2, for one run of either arm."""

    chance: float
    interval: tuple[float, float] | None
    """Of confidence CONFIDENCE; None where an arm has a single run."""


def superiority(a: Floats, a_seeds: Seeds, b: Floats, b_seeds: Seeds) -> Superiority:
    """The share of pairs, a run of either arm, in which B's is higher; ties count half (Mann and Whitney 1947).

    The interval has the form of Wilson (1927), with t for z, and for n the number of coin tosses that would vary as
    much as the share does. Its variance is that of DeLong et al. (1988), with both seeds as clusters, as Obuchowski
    (1997) has it. The number of tosses is at most twice the harmonic mean of the arms' sizes, and, where the share does
    not vary at all, the number of seeds of the kind with fewest: else the interval were too narrow close to 0 and 1.
    """
    ordered, size = np.sort(a), len(a)
    beaten = (np.searchsorted(ordered, b, "left") + np.searchsorted(ordered, b, "right")) / 2 / size
    chance = float(beaten.mean())
    if min(size, len(b)) < 2:
        return Superiority(chance, None)
    ordered = np.sort(b)
    lost = 1 - (np.searchsorted(ordered, a, "left") + np.searchsorted(ordered, a, "right")) / 2 / len(b)
    spread = sum_of(mean_variance(beaten, b_seeds), mean_variance(lost, a_seeds))
    tosses = spread.freedom + 1
    if spread.value > 0:
        tosses = min(chance * (1 - chance) / spread.value, 4 * size * len(b) / (size + len(b)))
    t = float(stats.t.isf((1 - CONFIDENCE) / 2, spread.freedom))
    centre = (chance + t**2 / (2 * tosses)) / (1 + t**2 / tosses)
    reach = t / (1 + t**2 / tosses) * float(np.sqrt(chance * (1 - chance) / tosses + t**2 / (4 * tosses**2)))
    return Superiority(chance, (max(0.0, centre - reach), min(1.0, centre + reach)))
