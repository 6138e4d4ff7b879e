"""The statistics that every report starts with: location, spread and the share of failed runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest


@dataclass(frozen=True, slots=True)
class Summary:
    """n scores in seven numbers."""

    n: int
    mean: float
    deviation: float | None
    """Sample standard deviation (divisor n - 1); None for a single score."""
    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `n`, with the exact interval of Clopper and Pearson (1934)."""

    count: int
    n: int
    low: float
    high: float
    confidence: float


def summarize(scores: Sequence[float]) -> Summary:
    """Summarise one score an episode, shape (n,), in the metric's unit.

    Quartiles interpolate linearly between order statistics (type 7 of Hyndman and Fan 1996, numpy's default).

    Raises:
        ValueError: no scores, or one of them is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"scores must hold at least one number; found shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite: give a diverged episode its best finite score, or the baseline")
    low, lower, median, upper, high = np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0])
    return Summary(
        n=int(values.size),
        mean=float(values.mean()),
        deviation=float(values.std(ddof=1)) if values.size > 1 else None,
        minimum=float(low),
        lower_quartile=float(lower),
        median=float(median),
        upper_quartile=float(upper),
        maximum=float(high),
    )


def share(count: int, n: int, confidence: float = 0.95) -> Share:
    """The share count/n; raises ValueError unless 0 <= count <= n and n >= 1."""
    interval = binomtest(count, n).proportion_ci(confidence_level=confidence, method="exact")
    return Share(count, n, float(interval.low), float(interval.high), confidence)


def failed_runs(scores: Sequence[float], baseline: float, *, maximize: bool) -> Share:
    """The share of runs no better than always predicting the same: at or below (minimize: above) `baseline`."""
    values = np.asarray(scores, dtype=np.float64)
    failed = values <= baseline if maximize else values >= baseline
    return share(int(failed.sum()), int(values.size))
