"""Which plan to use for a budget, and what it gains: chosen on one half of the seeds, valued on the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from seedsweep.science.stopping.plan_value import Runs, expected_results
from seedsweep.science.stopping.plans import Plan, cuts, no_stopping, rule_of_thumb

SPLITS = 60
MOST_A_SIDE = 400
"""Runs that one side of a split takes at most; of more, others in each split."""
_SEED = 0
_CONSTANT = -1
Floats = NDArray[np.float64]
Sides = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over splits, and what 95 % of them lie between."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Floats) -> "Estimate":
        """From one value a split."""
        low, high = np.percentile(values, [2.5, 97.5])
        return cls(float(values.mean()), float(low), float(high))


@dataclass(frozen=True, slots=True)
class Valued:
    """A plan with a cut and what it is worth on the sides of the splits that had no part in choosing it."""

    plan: Plan
    result: Estimate
    gain: Estimate
    """Over as many full runs as the budget pays for, split by split."""
    reduction: Estimate | None
    """gain / (best value of the metric - result of full runs); None where the metric has no best value, or full runs
    reach it."""

    @property
    def pays(self) -> bool:
        """Whether the interval of the gain excludes 0."""
        return self.gain.low > 0


@dataclass(frozen=True, slots=True)
class Planned:
    """What to do with one budget. Scores and gains are turned so that higher is better."""

    budget: int
    full: Estimate
    """Expected result of as many full runs as the budget pays for."""
    tuned: Valued | None
    """The cut that is worth most on all runs, with the worth of such a choice: made on one half, valued on the other.
    None where the budget of one run allows no cut."""
    rule: Valued | None
    """The cut in the middle that keeps B / 2, which no data chose."""

    @property
    def cut(self) -> Valued | None:
        """Of the two cuts the one whose gain is surer, whether it pays or not."""
        both = [cut for cut in (self.tuned, self.rule) if cut is not None]
        return max(both, key=lambda cut: cut.gain.low, default=None)

    @property
    def plan(self) -> Plan:
        """The plan to use: a cut only where it pays."""
        return self.cut.plan if self.cut is not None and self.cut.pays else no_stopping(self.budget)


class TooFewError(ValueError):
    """The runs cannot tell what a plan is worth that starts so many."""


def split_by_seed(histories: Sequence[NDArray[np.intp]], rng: np.random.Generator) -> list[Sides]:
    """By history two sets of runs; no seed of the first sets is in any of the second.

    Where no two pairs share a seed, each side gets half of the pairs. Else each gets those of its half of the
    weight-init seeds with its half of the data-order seeds, a quarter of a grid; the other runs are left out. A kind of
    seed that never varies in a history counts as a setting of it, and may be on both sides.

    Args:
        histories: (n, 2) seeds of each.
        rng: draws the halves.
    """
    varying = [np.where((seeds != seeds[0]).any(axis=0), seeds, _CONSTANT) for seeds in histories]
    pairs, place = np.unique(np.vstack(varying), axis=0, return_inverse=True)
    kinds = [np.unique(axis[axis != _CONSTANT]) for axis in pairs.T]
    if all(len(values) == (axis != _CONSTANT).sum() for values, axis in zip(kinds, pairs.T, strict=True)):
        half = _half(len(pairs), rng)
        first, second = half, ~half
    else:
        first, second = np.ones((2, len(pairs)), dtype=bool)
        for values, axis in zip(kinds, pairs.T, strict=True):
            half = np.r_[_half(len(values), rng), True][np.searchsorted(values, axis)]
            constant = axis == _CONSTANT
            first, second = first & (half | constant), second & (~half | constant)
    ends = np.cumsum([len(seeds) for seeds in histories])[:-1]
    return [
        (_at_most(np.flatnonzero(first[own]), rng), _at_most(np.flatnonzero(second[own]), rng))
        for own in np.split(place.ravel(), ends)
    ]


def _half(many: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    return rng.permutation(many) < many // 2


def _at_most(runs: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    return rng.permutation(runs)[:MOST_A_SIDE]


def splits_of(histories: Sequence[Runs], many: int = SPLITS) -> list[list[Sides]]:
    """So many splits, each by history."""
    rng = np.random.default_rng(_SEED)
    return [split_by_seed([runs.seeds for runs in histories], rng) for _ in range(many)]


def most_started(histories: Sequence[Runs], splits: Sequence[Sequence[Sides]]) -> int:
    """The largest t, and B, that the runs can value: a quarter of those of a history, and no more than a side has."""
    sides = [len(side) for split in splits for pair in split for side in pair]
    return min(*(len(runs) // 4 for runs in histories), *sides)


def plan_budgets(
    histories: Sequence[Runs],
    budgets: Sequence[int],
    shares: Sequence[Fraction],
    best_possible: float | None,
    splits: Sequence[Sequence[Sides]],
) -> list[Planned]:
    """For each budget the plan to use, and what it is worth on seeds that had no part in choosing it.

    In every split, the cut with the highest mean over the histories on the one side is valued on the other side, and
    the rule of thumb and full runs beside it. Draws never mix histories.

    Args:
        histories: whole runs, each history of one kind of settings.
        budgets: B, in full runs.
        shares: of a full run that each evaluation e = 1..E comes after.
        best_possible: of the metric, turned as the scores are.
        splits: of `splits_of`.

    Raises:
        TooFewError: the rule of thumb starts more episodes for a budget than the runs can value.
    """
    most = most_started(histories, splits)
    rules = [rule_of_thumb(budget, shares) for budget in budgets]
    if any(rule.started > most for rule in rules):
        raise TooFewError(f"plans of {max(rule.started for rule in rules)} runs are asked for, more than {most}")
    # One full run allows no cut: it stands for one here, and is left out below.
    options = [list(cuts(budget, shares, most)) or [no_stopping(budget)] for budget in budgets]
    fixed = [*(no_stopping(budget) for budget in budgets), *rules]
    full, ruled, tuned = np.array([_values(histories, split, options, fixed) for split in splits]).transpose(1, 0, 2)

    def valued(plan: Plan, results: Floats, b: int) -> Valued | None:
        if plan.evaluation is None:
            return None
        gains = results[:, b] - full[:, b]
        reduction = _reduction(gains, full[:, b], best_possible)
        return Valued(plan, Estimate.of(results[:, b]), Estimate.of(gains), reduction)

    return [
        Planned(budget, Estimate.of(full[:, b]), valued(best, tuned, b), valued(rules[b], ruled, b))
        for b, (budget, best) in enumerate(zip(budgets, _best_on_all(histories, options), strict=True))
    ]


def _values(
    histories: Sequence[Runs], split: Sequence[Sides], options: Sequence[Sequence[Plan]], fixed: Sequence[Plan]
) -> Floats:
    """(3, budgets): results on the second side, of both kinds of fixed plans and of those that the first side chose."""
    first = [runs.take(sides[0]) for runs, sides in zip(histories, split, strict=True)]
    second = [runs.take(sides[1]) for runs, sides in zip(histories, split, strict=True)]
    return _means(second, [*fixed, *_best(first, options)]).reshape(3, -1)


def _best_on_all(histories: Sequence[Runs], options: Sequence[Sequence[Plan]]) -> list[Plan]:
    rng = np.random.default_rng(_SEED)
    return _best([runs.take(rng.permutation(len(runs))[: 2 * MOST_A_SIDE]) for runs in histories], options)


def _best(sides: Sequence[Runs], options: Sequence[Sequence[Plan]]) -> list[Plan]:
    """By budget the plan that is worth most there; of equal ones the first."""
    plans = list(dict.fromkeys(plan for own in options for plan in own))
    worth = dict(zip(plans, _means(sides, plans).tolist(), strict=True))
    return [max(own, key=worth.__getitem__) for own in options]


def _means(sides: Sequence[Runs], plans: Sequence[Plan]) -> Floats:
    """By plan its expected result, the mean over histories."""
    found: Floats = np.mean([expected_results(side, plans) for side in sides], axis=0)
    return found


def _reduction(gains: Floats, full: Floats, best_possible: float | None) -> Estimate | None:
    if best_possible is None or (full >= best_possible).any():
        return None
    return Estimate.of(gains / (best_possible - full))
