"""Expected validation performance: what the best of n runs is worth on average, from the scores of N full runs.

Only a record in which nothing was stopped can tell: where a cut was made, final scores are those of a selected sample.
Both estimators take runs to be independent; cells of a grid share seeds, which whoever reports them has to say.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from seedsweep.api.status import Design


class WithheldError(ValueError):
    """The record cannot carry the statistic; the message says why."""


def expected_best(scores: Sequence[float], n: int, *, design: Design, maximize: bool) -> float:
    """The mean of the best of n over all ways to draw n of the N scores without replacement, in the metric's unit.

    Unbiased for independent runs (Tang et al. 2020): with scores ascending, the sum over i >= n of
    v_i C(i - 1, n - 1) / C(N, n).

    Raises:
        WithheldError: some runs were stopped early.
        ValueError: n is not from 1 to N, or a score is not finite.
    """
    worst_first = _ordered(scores, design, maximize)
    if not 1 <= n <= len(scores):
        raise ValueError(f"n is {n}: give 1 to {len(scores)}, the number of scores")
    return _mean(reversed(worst_first), _weights(len(scores), n), worst_first[-1])


def plug_in_expected_best(scores: Sequence[float], n: int, *, design: Design, maximize: bool) -> float:
    """The mean of the best of n draws with replacement, as in Dodge et al. (2019): biased towards less, for any n >= 1.

    With scores ascending, the sum over i of v_i ((i / N)^n - ((i - 1) / N)^n). Raises as `expected_best` does.
    """
    worst_first = _ordered(scores, design, maximize)
    if n < 1:
        raise ValueError(f"n is {n}: give at least 1")
    many = len(scores)
    weights = ((i / many) ** n - ((i - 1) / many) ** n for i in range(1, many + 1))
    return _mean(worst_first, weights, worst_first[-1])


def _ordered(scores: Sequence[float], design: Design, maximize: bool) -> list[float]:
    if design != "full":
        raise WithheldError(
            f"the design is {design!r}: final scores are those of survivors, who ran to the end because they were ahead"
        )
    if not all(map(math.isfinite, scores)):
        raise ValueError("scores must be finite: give a diverged episode its best finite score, or the baseline")
    return sorted(scores, reverse=not maximize)


def _mean(values: Iterable[float], weights: Iterable[float], best: float) -> float:
    """The weighted mean, as the best less what is missing to it: so equal scores give that score to the last digit."""
    return best - math.fsum((best - value) * weight for value, weight in zip(values, weights, strict=False))


def _weights(many: int, n: int) -> Iterator[float]:
    """C(i - 1, n - 1) / C(N, n) for i = N, N - 1, ..., n, each from the one before it: binomials would overflow."""
    weight = n / many
    for i in range(many, n - 1, -1):
        yield weight
        if i > 1:
            weight *= (i - n) / (i - 1)
