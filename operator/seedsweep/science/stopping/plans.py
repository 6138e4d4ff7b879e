"""Plans that a budget of full runs allows: start t episodes, compare them at evaluation e, train p to the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from seedsweep.api.checks import rung_evaluation

MOST_CUTS = 30
"""Evaluations that a cut is tried at; of more, evenly spaced ones."""
MOST_KEPT = 30
"""Numbers of kept episodes that are tried for one budget and evaluation; of more, evenly spaced ones."""


@dataclass(frozen=True, slots=True)
class Plan:
    """t episodes to evaluation e, p of them to the end."""

    started: int
    evaluation: int | None
    """None: nothing is cut, and all are kept."""
    keep: int


def no_stopping(budget: int) -> Plan:
    """As many full runs as the budget pays for."""
    return Plan(budget, None, budget)


def affordable(budget: int, keep: int, share: Fraction) -> int:
    """The largest t with t step(e) + p (S - step(e)) <= B S.

    Args:
        budget: B, in full runs.
        keep: p, at most B.
        share: step(e) / S, the part of a full run that comes before the cut.
    """
    return keep + (budget - keep) * share.denominator // share.numerator


def rule_of_thumb(budget: int, shares: Sequence[Fraction], at: Fraction = Fraction(1, 2)) -> Plan:
    """The cut nearest to a share of a run that keeps p = B / 2, rounded half up; no cut of a budget of one run.

    Args:
        budget: B, in full runs.
        shares: of a full run that each evaluation e = 1..E comes after; at least two.
        at: f.
    """
    if budget == 1:
        return no_stopping(budget)
    evaluation = min(cut_evaluations(len(shares)), key=lambda e: abs(shares[e - 1] - at))
    keep = (budget + 1) // 2
    return Plan(affordable(budget, keep, shares[evaluation - 1]), evaluation, keep)


def at_percent(evaluation: int, evaluations: int) -> int:
    """The lowest whole percent that puts a rung at this evaluation or at the next that one can be put at."""
    return -(-100 * evaluation // evaluations)


def cut_evaluations(evaluations: int) -> list[int]:
    """Evaluations at which a cut is tried: those that a whole percent leads to, the last left out."""
    reachable = sorted({rung_evaluation(percent, evaluations) for percent in range(1, 100)} - {0})
    return _evenly(reachable, MOST_CUTS)


def cuts(budget: int, shares: Sequence[Fraction], most: int) -> Iterator[Plan]:
    """Every cut that the budget allows and that starts more episodes than it pays for in full.

    Of equal e and p the one that starts most. With no more than B episodes a cut only keeps fewer of them.

    Args:
        budget: B, in full runs.
        shares: of a full run that each evaluation e = 1..E comes after.
        most: t at most.
    """
    for evaluation in cut_evaluations(len(shares)):
        for keep in _evenly(range(1, budget), MOST_KEPT):
            started = min(most, affordable(budget, keep, shares[evaluation - 1]))
            if started > budget:
                yield Plan(started, evaluation, keep)


def _evenly(values: Sequence[int], most: int) -> list[int]:
    """All of them, or so many evenly spaced ones with both ends."""
    if len(values) <= most:
        return list(values)
    return [values[i * (len(values) - 1) // (most - 1)] for i in range(most)]
