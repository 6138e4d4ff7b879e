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
_TAIL = (1 - CONFIDENCE) / 2


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
    """Estimate of the sum, over all losers, by how much each would have beaten the result. What the cut cost is the
    largest of these, and so no more than the sum, in the metric's unit."""
    interval: tuple[float, float | None] | None
    """Of the sum, after Fay and Feuer (1997); None where no audited loser beat the result. It has no upper limit where
    the metric has no best value."""


def estimate_regret(
    finals: Sequence[float], result: float, chance: float, *, maximize: bool, best_possible: float | None = None
) -> AuditEstimate:
    """What the audited losers' final scores say about all losers.

    Args:
        finals: the best score of the whole run of every audited loser.
        result: the score of the sweep's result.
        chance: the probability with which a loser's final score is known: q, or less where not all drawn are known.
        maximize: whether a higher score is better.
        best_possible: the metric's best value, where it has one.

    The estimate is a weighted sum of rare events, of which normal intervals hold far less than they should: its
    interval is the gamma one of Fay and Feuer (1997), with quantiles of chi-squared by Wilson and Hilferty (1931). Its
    upper limit allows for a loser as good as can be that was not drawn; its lower limit is no less than what was seen.

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
    interval = None
    if winners.count:
        weights = [value / chance for value in excess if value > 0]
        largest = max(*weights, sign * (best_possible - result) / chance) if best_possible is not None else None
        interval = max(_lower_limit(weights), math.fsum(excess)), _upper_limit(weights, largest)
    return AuditEstimate(winners, fmean(finals), max(finals) if maximize else min(finals), regret, interval)


def _lower_limit(weights: Sequence[float]) -> float:
    """Of a sum of weights, each of which is there by chance."""
    total, squares = math.fsum(weights), math.fsum(w**2 for w in weights)
    return squares / (2 * total) * _chi_squared(_TAIL, 2 * total**2 / squares)


def _upper_limit(weights: Sequence[float], largest: float | None) -> float | None:
    """None where nothing is known of the largest weight that could have been there."""
    if largest is None:
        return None
    total, squares = math.fsum(weights) + largest, math.fsum(w**2 for w in weights) + largest**2
    return squares / (2 * total) * _chi_squared(1 - _TAIL, 2 * total**2 / squares)


def _chi_squared(probability: float, freedom: float) -> float:
    """Its quantile: within 1 % of the exact one above the median, below the exact one for few degrees of freedom."""
    spread = 2 / (9 * freedom)
    return freedom * max(0.0, 1 - spread + NormalDist().inv_cdf(probability) * math.sqrt(spread)) ** 3
