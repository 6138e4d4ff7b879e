"""Simultaneous, distribution-free confidence bands for the best of n runs (Lourie et al. 2024, library opda)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from opda.nonparametric import EmpiricalDistribution

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Band:
    """The median of the best of n runs, in the metric's unit."""

    n: int
    median: float
    low: float | None
    """None where the runs do not bound it."""
    high: float | None


def median_bands(scores: Sequence[float], runs: Sequence[int], *, maximize: bool) -> list[Band]:
    """Bands that hold for all n at once with probability CONFIDENCE, whatever the distribution of scores.

    They follow from the band of Dvoretzky, Kiefer and Wolfowitz (1956; Massart 1990) of the distribution. Only for
    independent runs: cells of a grid share seeds.

    Args:
        scores: of N independent whole runs, N >= 1.
        runs: every n to tell, 1 or more.
        maximize: whether a higher score is better.

    Raises:
        ValueError: no scores, one that is not finite, or an n below 1.
    """
    if not scores or not all(map(math.isfinite, scores)):
        raise ValueError("scores must be finite, and at least one")
    if min(runs, default=1) < 1:
        raise ValueError(f"n is {min(runs)}: give at least 1")
    sign = 1.0 if maximize else -1.0
    # Unlike opda's tighter bands, it holds for scores that tie, and needs no random numbers.
    cdfs = EmpiricalDistribution.confidence_bands(sign * np.array(scores, dtype=np.float64), CONFIDENCE, method="dkw")
    # The upper band of the distribution is the lower one of its quantiles.
    high, median, low = (sign * np.atleast_1d(cdf.quantile_tuning_curve(list(runs))) for cdf in cdfs)
    bounds = (low, high) if maximize else (high, low)
    return [
        Band(n, float(m), _known(one), _known(other)) for n, m, one, other in zip(runs, median, *bounds, strict=True)
    ]


def _known(bound: float) -> float | None:
    return float(bound) if math.isfinite(bound) else None
