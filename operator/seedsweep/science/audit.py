"""What a cut cost, from losers that were drawn before the start and trained on.

Every episode is drawn by a coin of its own with probability q, so that what is seen of the losers, divided by q, is
unbiased for all of them (Horvitz and Thompson 1952).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

from seedsweep.science.summary import Share, share

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class AuditEstimate:
    """What the audited losers tell."""

    winners: Share
    """Audited losers that would have beaten the result, of all audited losers, with the exact interval."""
    mean: float
    """Of the best scores of their whole runs."""
    best: float
    """The best of these: it underestimates what the best loser would have had."""
    regret: float
    """Unbiased estimate of the sum, over all losers, by how much each would have beaten the result. What the cut cost
    is the largest of these, and so no more than the sum, in the metric's unit."""
    interval: tuple[float, float] | None
    """Of the regret, after Fay and Feuer (1997); None where no audited loser beat the result."""


def estimate_regret(finals: Sequence[float], result: float, chance: float, *, maximize: bool) -> AuditEstimate:
    """What the audited losers' final scores say about all losers.

    Args:
        finals: the best score of the whole run of every audited loser.
        result: the score of the sweep's result.
        chance: q, the probability with which each episode was drawn.
        maximize: whether a higher score is better.

    The estimate is a weighted sum of rare events, of which normal intervals hold far less than they should: its
    interval is the gamma one of Fay and Feuer (1997), with quantiles of chi-squared by Wilson and Hilferty (1931).

    Raises:
        ValueError: no audited loser, or a chance that is not in (0, 1).
    """
    if not finals:
        raise ValueError("no audited loser: nothing can be estimated")
    if not 0 < chance < 1:
        raise ValueError(f"chance is {chance}: give the probability with which episodes were drawn, between 0 and 1")
    sign = 1 if maximize else -1
    excess = [max(0.0, sign * (final - result)) for final in finals]
    regret = math.fsum(excess) / chance
    winners = share(sum(value > 0 for value in excess), len(finals), CONFIDENCE)
    interval = _gamma_interval([value / chance for value in excess if value > 0]) if winners.count else None
    return AuditEstimate(winners, fmean(finals), max(finals) if maximize else min(finals), regret, interval)


def _gamma_interval(weights: Sequence[float]) -> tuple[float, float]:
    """Of a sum of weights, each of which is there by chance."""
    total, squares, largest = math.fsum(weights), math.fsum(w**2 for w in weights), max(weights)
    tail = (1 - CONFIDENCE) / 2
    low = squares / (2 * total) * _chi_squared(tail, 2 * total**2 / squares)
    more, wider = total + largest, squares + largest**2
    return low, wider / (2 * more) * _chi_squared(1 - tail, 2 * more**2 / wider)


def _chi_squared(probability: float, freedom: float) -> float:
    """Its quantile: within 1 % of the exact one above the median, below the exact one for few degrees of freedom."""
    spread = 2 / (9 * freedom)
    return freedom * max(0.0, 1 - spread + NormalDist().inv_cdf(probability) * math.sqrt(spread)) ** 3
