"""The statistics that every report starts with: location, spread and the share of failed runs.

The standard library is enough for them, so that the operator, whose image holds no numpy, can tell them too.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_BISECTIONS = 60
"""As many as a double has digits to find."""


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
    """Summarise one score an episode, in the metric's unit.

    Quartiles interpolate linearly between order statistics (type 7 of Hyndman and Fan 1996, numpy's default).

    Raises:
        ValueError: no scores, or one of them is not finite.
    """
    if not scores:
        raise ValueError("scores must hold at least one number; found none")
    if not all(map(math.isfinite, scores)):
        raise ValueError("scores must be finite: give a diverged episode its best finite score, or the baseline")
    many = len(scores) > 1
    lower, median, upper = statistics.quantiles(scores, n=4, method="inclusive") if many else [scores[0]] * 3
    return Summary(
        n=len(scores),
        mean=statistics.fmean(scores),
        deviation=statistics.stdev(scores) if many else None,
        minimum=min(scores),
        lower_quartile=lower,
        median=median,
        upper_quartile=upper,
        maximum=max(scores),
    )


def share(count: int, n: int, confidence: float = 0.95) -> Share:
    """The share count/n; raises ValueError unless 0 <= count <= n and n >= 1."""
    if not (n >= 1 and 0 <= count <= n):
        raise ValueError(f"{count} of {n} is no share")
    tail = (1 - confidence) / 2
    return Share(count, n, _lower_bound(count, n, tail), 1 - _lower_bound(n - count, n, tail), confidence)


def failed_runs(scores: Sequence[float], baseline: float, *, maximize: bool) -> Share:
    """The share of runs no better than always predicting the same: at or below (minimize: above) `baseline`."""
    failed = sum(score <= baseline if maximize else score >= baseline for score in scores)
    return share(failed, len(scores))


def _lower_bound(count: int, n: int, tail: float) -> float:
    """The chance at which `count` or more of n come up with probability `tail`."""
    if count == 0:
        return 0.0
    low, high = 0.0, count / n
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _upper_tail(count, n, middle) < tail:
            low = middle
        else:
            high = middle
    return low


def _upper_tail(count: int, n: int, chance: float) -> float:
    """The probability of `count` or more of n, for a chance below count/n: the terms only fall, and soon vanish."""
    ways = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
    term = math.exp(ways + count * math.log(chance) + (n - count) * math.log1p(-chance))
    total = 0.0
    for k in range(count, n + 1):
        total += term
        term *= (n - k) / (k + 1) * chance / (1 - chance)
        if term <= total * 1e-17:
            break
    return total
