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
    """Of the regret, by the normal approximation; None where no audited loser beat the result."""


def estimate_regret(finals: Sequence[float], result: float, chance: float, *, maximize: bool) -> AuditEstimate:
    """What the audited losers' final scores say about all losers.

    Args:
        finals: the best score of the whole run of every audited loser.
        result: the score of the sweep's result.
        chance: q, the probability with which each episode was drawn.
        maximize: whether a higher score is better.

    The variance of the estimate is that of Poisson sampling, estimated by sum((1 - q) excess^2 / q^2).

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
        deviation = math.sqrt((1 - chance) * math.fsum(value**2 for value in excess)) / chance
        reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * deviation
        interval = (max(0.0, regret - reach), regret + reach)
    return AuditEstimate(winners, fmean(finals), max(finals) if maximize else min(finals), regret, interval)
