"""The numbers of docs/study.md, from arrays alone. Scores are as recorded; gains are in points, 100 times a score."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from seedsweep.science.expected import expected_best, plug_in_expected_best
from seedsweep.science.seeds.agreement import Agreement, agreement
from seedsweep.science.stopping import plan_value
from seedsweep.science.stopping.plans import Plan, affordable, no_stopping
from study_records import Floats, Runs, best_at

RESAMPLES = 2_000
DRAWS = 4_000
Indices = NDArray[np.intp]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A number, and a 95 % bootstrap interval over seeds."""

    value: float
    interval: Interval

    def words(self, digits: int = 1, sign: str = "+") -> str:
        """As a table shows it."""
        value, low, high = (f"{number:{sign}.{digits}f}" for number in (self.value, *self.interval))
        return f"{value} ({low} to {high})"


def resample(runs: Runs, rng: np.random.Generator) -> Indices:
    """Runs drawn with replacement; where they share seeds, both kinds of seeds are drawn, and the pairs of these."""
    if not runs.shared:
        return rng.integers(len(runs.scores), size=len(runs.scores))
    while True:
        weight = np.ones(len(runs.scores), dtype=int)
        for axis in runs.seeds.T:
            _, place = np.unique(axis, return_inverse=True)
            count = place.max() + 1
            weight *= np.bincount(rng.integers(count, size=count), minlength=count)[place]
        if weight.any():  # of an incomplete grid no pair may be left
            return np.repeat(np.arange(len(weight)), weight)


def estimate(runs: Runs, statistic: Callable[[Indices], float], times: int = RESAMPLES) -> Estimate:
    """A statistic of all runs, with its interval over seeds; NaN where it is undefined of them and of every draw."""
    rng = np.random.default_rng(0)
    found = [statistic(resample(runs, rng)) for _ in range(times)]
    low, high = np.nanpercentile(found, [2.5, 97.5]) if np.isfinite(found).any() else (np.nan, np.nan)
    return Estimate(statistic(np.arange(len(runs.scores))), (float(low), float(high)))


def gain_of_evaluating(runs: Runs, than: tuple[int, ...]) -> Estimate:
    """By how much the best of all evaluations is above the best of those (counted from 1), on average, in points."""
    gain = 100 * (runs.best - best_at(runs, [number - 1 for number in than]))
    return estimate(runs, lambda chosen: float(gain[chosen].mean()))


def expected(values: Floats, upto: int) -> Floats:
    """The expected best of n = 1 to `upto` of these scores, without replacement."""
    return np.array([expected_best(values.tolist(), n, design="full", maximize=True) for n in range(1, upto + 1)])


def last_scores(runs: Runs) -> Floats:
    """Score of each run at its last evaluation; a constant answer's where undefined."""
    return best_at(runs, [runs.scores.shape[1] - 1])


@dataclass(frozen=True)
class Chosen:
    """What the best of n runs by its last validation score has more than one run, in points."""

    validation: Estimate
    test: Estimate
    """On other data, of the same weights."""


def gain_of_choosing(runs: Runs, n: int, times: int = 400) -> Chosen:
    """The best of n, on average over draws from the record, less the mean run; intervals over seeds.

    Raises:
        ValueError: the record has no test scores.
    """
    if runs.tests is None:
        raise ValueError(f"{runs.name} has no test scores")
    both = 100 * np.column_stack([last_scores(runs), runs.tests])
    rng = np.random.default_rng(0)

    def gain(some: Floats, draws: int) -> Floats:
        drawn = rng.integers(len(some), size=(draws, n))
        winner = drawn[np.arange(draws), some[drawn, 0].argmax(axis=1)]
        found: Floats = some[winner].mean(axis=0) - some.mean(axis=0)
        return found

    value = gain(both, DRAWS)
    found = [gain(both[resample(runs, rng)], DRAWS // 20) for _ in range(times)]
    low, high = np.percentile(found, [2.5, 97.5], axis=0)
    validation, test = (Estimate(float(value[i]), (float(low[i]), float(high[i]))) for i in (0, 1))
    return Chosen(validation, test)


def correlation(one: Floats, other: Floats) -> float:
    """Spearman's; NaN where either does not vary."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def best_so_far(runs: Runs) -> Floats:
    """Best score up to each evaluation, (runs, evaluations)."""
    filled = np.where(np.isfinite(runs.scores), runs.scores, -np.inf)
    found: Floats = np.maximum.accumulate(filled, axis=1)
    return np.where(np.isfinite(found), found, runs.constant)


def correlations(runs: Runs) -> Floats:
    """Rank correlation of the best score after i and after j evaluations, as in the paper's figure."""
    far = best_so_far(runs)
    count = far.shape[1]
    return np.array([[correlation(far[:, i], far[:, j]) for j in range(count)] for i in range(count)])


def before_and_after(runs: Runs, evaluation: int) -> tuple[Floats, Floats]:
    """The best score up to an evaluation (counted from 1), and the best after it: no score is on both sides."""
    return best_so_far(runs)[:, evaluation - 1], best_at(runs, range(evaluation, runs.scores.shape[1]))


def agreement_between(one: dict[int, float], other: dict[int, float]) -> tuple[Agreement, Interval]:
    """Of two tasks on the seeds that they share, with an interval of the rank correlation over seeds."""
    worth = np.array([[values[seed] for seed in sorted(one.keys() & other.keys())] for values in (one, other)])
    drawn = np.random.default_rng(0).integers(worth.shape[1], size=(RESAMPLES // 4, worth.shape[1]))
    low, high = np.nanpercentile([correlation(*worth[:, chosen]) for chosen in drawn], [2.5, 97.5])
    return agreement(worth), (float(low), float(high))


def plan_of(budget: int, evaluation: int, keep: int, evaluations: int) -> Plan:
    """p kept at evaluation e, and the largest t that B full runs pay for."""
    return Plan(affordable(budget, keep, Fraction(evaluation, evaluations)), evaluation, keep)


def gain_of_stopping(runs: Runs, plan: Plan, budget: int, times: int = RESAMPLES // 4) -> Estimate:
    """What a cut is expected to find more than as many full runs as it costs, in points.

    Raises:
        ValueError: the plan starts more runs than there are.
    """
    count, evaluations = runs.scores.shape
    if plan.started > count:
        raise ValueError(f"{runs.name}: a plan starts {plan.started}, and there are {count} runs")
    ended = np.full(count, evaluations, dtype=np.intp)
    own = plan_value.Runs(runs.scores, runs.losses, ended, runs.best, runs.seeds)

    def gain(chosen: Indices) -> float:
        if plan.started > len(chosen):  # of an incomplete grid so few pairs may be drawn
            return float("nan")
        found = plan_value.expected_results(own.take(chosen), [plan, no_stopping(budget)])
        return 100 * float(found[0] - found[1])

    return estimate(runs, gain, times)


def expected_without_stopping(runs: Runs, budget: int) -> float:
    """The expected best of B full runs, in points."""
    return 100 * plug_in_expected_best(runs.best.tolist(), budget, design="full", maximize=True)


def error_reduction(gain: float, baseline: float) -> float:
    """By how many percent of the error that is left a gain lowers it; both in points of a metric whose best is 100."""
    return 100 * gain / (100 - baseline)
