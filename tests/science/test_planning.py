"""Which plan is advised: only one whose gain is sure, on seeds that had no part in choosing it."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedsweep.api.checks import rung_evaluation
from seedsweep.science.stopping.plan_value import Runs
from seedsweep.science.stopping.planning import (
    Planned,
    TooFewError,
    most_started,
    plan_budgets,
    split_by_seed,
    splits_of,
)
from seedsweep.science.stopping.plans import (
    Plan,
    affordable,
    at_percent,
    cut_evaluations,
    cuts,
    no_stopping,
    rule_of_thumb,
)


def shares_of(evaluations: int) -> list[Fraction]:
    return [Fraction(e, evaluations) for e in range(1, evaluations + 1)]


def runs_of(scores: np.ndarray, seeds: np.ndarray | None = None) -> Runs:
    n = len(scores)
    alone = np.repeat(np.arange(n)[:, None], 2, axis=1)
    ended = np.full(n, scores.shape[1])
    return Runs(scores, None, ended, scores.max(axis=1), alone if seeds is None else seeds)


def plan_of(runs: Runs, budget: int, best: float | None = None, splits: int = 40) -> Planned:
    [found] = plan_budgets([runs], [budget], shares_of(runs.scores.shape[1]), best, splits_of([runs], splits))
    return found


def rising(n: int, failing: float, seed: int = 0, evaluations: int = 10) -> Runs:
    """Runs that rise to about 0.7, and a share that stays at 0.5 all along."""
    rng = np.random.default_rng(seed)
    height = np.where(rng.random(n) < failing, 0.0, rng.normal(0.2, 0.02, n))
    rise = height[:, None] * (1 - np.exp(-np.arange(1, evaluations + 1) / 2))
    return runs_of(np.round(0.5 + rise + rng.normal(0, 0.01, (n, evaluations)), 3))


def grid(rows: int, columns: int) -> np.ndarray:
    return np.array([(w, d) for w in range(rows) for d in range(columns)])


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(40, 300))
def test_the_largest_start_spends_the_budget_and_no_more(budget: int, keep: int, step: int, steps: int) -> None:
    keep = min(keep, budget)
    started = affordable(budget, keep, Fraction(step, steps))

    def cost(t: int) -> int:
        return t * step + keep * (steps - step)

    assert cost(started) <= budget * steps < cost(started + 1)


@given(st.integers(2, 300))
def test_every_cut_can_be_written_in_whole_percent(evaluations: int) -> None:
    found = cut_evaluations(evaluations)
    assert found == sorted(set(found))
    assert all(1 <= e < evaluations for e in found)
    assert all(rung_evaluation(at_percent(e, evaluations), evaluations) == e for e in found)


def test_every_cut_is_affordable_and_starts_more_than_full_runs() -> None:
    found = list(cuts(6, shares_of(10), 15))
    assert found
    for plan in found:
        assert plan.evaluation is not None
        assert plan.started * plan.evaluation + plan.keep * (10 - plan.evaluation) <= 60
        assert 6 < plan.started <= 15
        assert 1 <= plan.keep < 6


@pytest.mark.parametrize(
    ("budget", "plan"),
    [(1, Plan(1, None, 1)), (2, Plan(3, 5, 1)), (3, Plan(4, 5, 2)), (4, Plan(6, 5, 2)), (8, Plan(12, 5, 4))],
)
def test_the_rule_of_thumb_keeps_half_of_the_budget_rounded_up(budget: int, plan: Plan) -> None:
    assert rule_of_thumb(budget, shares_of(10)) == plan


def test_one_full_run_allows_no_cut() -> None:
    assert list(cuts(1, shares_of(10), 100)) == []
    found = plan_of(rising(12, 0.5), 1)
    assert found.cut is None
    assert found.plan == no_stopping(1)


@given(st.integers(0, 10**6))
def test_pairs_are_split_into_halves(seed: int) -> None:
    seeds = np.array([(i, 100 + i) for i in range(11)])
    [(first, second)] = split_by_seed([seeds], np.random.default_rng(seed))
    assert sorted([*first, *second]) == list(range(11))
    assert {len(first), len(second)} == {5, 6}


@given(st.integers(0, 10**6), st.integers(2, 7), st.integers(2, 7))
def test_no_seed_of_a_grid_is_on_both_sides(seed: int, rows: int, columns: int) -> None:
    seeds = grid(rows, columns)
    [(first, second)] = split_by_seed([seeds], np.random.default_rng(seed))
    for axis in (0, 1):
        assert not set(seeds[first, axis]) & set(seeds[second, axis])
    assert len(first) == (rows // 2) * (columns // 2)
    assert len(second) == (rows - rows // 2) * (columns - columns // 2)


def test_a_seed_that_never_varies_is_a_setting() -> None:
    [(first, second)] = split_by_seed([grid(1, 10)], np.random.default_rng(0))
    assert (len(first), len(second)) == (5, 5)


def test_a_seed_of_several_histories_is_on_the_same_side_in_all() -> None:
    one, other = (np.repeat(np.arange(start, start + 30)[:, None], 2, axis=1) for start in (0, 10))
    for trial in range(20):
        (first, second), (others_first, others_second) = split_by_seed([one, other], np.random.default_rng(trial))
        assert not set(one[first, 0]) & set(other[others_second, 0])
        assert not set(one[second, 0]) & set(other[others_first, 0])


def test_a_quarter_of_the_runs_can_be_started() -> None:
    runs = rising(51, 0.5)
    assert most_started([runs], splits_of([runs])) == 12


def test_a_history_that_is_too_small_is_refused() -> None:
    with pytest.raises(TooFewError, match="plans of 6 runs are asked for, more than 5"):
        plan_of(rising(23, 0.5), 4)


@pytest.mark.parametrize("budget", [3, 4, 8])
def test_where_runs_fail_a_cut_is_advised(budget: int) -> None:
    found = plan_of(rising(80, 0.6), budget, best=1.0)
    assert found.plan.evaluation is not None
    assert found.cut is not None
    assert found.cut.reduction is not None
    assert 0 < found.cut.reduction.low <= found.cut.reduction.mean <= found.cut.reduction.high < 1


@pytest.mark.parametrize("seed", range(8))
def test_where_the_rung_tells_nothing_of_the_end_no_cut_is_advised(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0.5, 0.01, (40, 10))
    scores[:, -1] = rng.normal(0.7, 0.03, 40)
    found = plan_of(runs_of(scores), 4)
    assert found.plan == no_stopping(4)
    assert found.cut is not None
    assert found.cut.gain.mean < 0


def test_where_a_cut_gains_nothing_it_is_advised_about_as_rarely_as_the_level_says() -> None:
    # Scores at the rung and at the end whose correlation makes the best-placed of three as good as the best of two.
    rng = np.random.default_rng(0)
    correlation, many, advised = 2 / 3, 80, 0
    for _ in range(many):
        rung, noise = rng.normal(size=(2, 24))
        end = correlation * rung + (1 - correlation**2) ** 0.5 * noise
        advised += plan_of(runs_of(np.column_stack([rung, 20 + end])), 2).plan.evaluation is not None
    assert advised <= 0.1 * many


def test_equal_scores_advise_no_cut() -> None:
    found = plan_of(runs_of(np.full((24, 5), 0.5)), 3)
    assert found.plan == no_stopping(3)
    assert (found.full.low, found.full.high) == (0.5, 0.5)


def test_the_order_of_the_runs_does_not_matter() -> None:
    runs = rising(60, 0.5)
    one, other = plan_of(runs, 4), plan_of(runs.take(np.random.default_rng(1).permutation(60)), 4)
    assert one == other


def test_full_runs_are_worth_more_the_larger_the_budget() -> None:
    runs = rising(120, 0.5)
    found = plan_budgets([runs], range(1, 16), shares_of(10), 1.0, splits_of([runs], 20))
    assert (np.diff([planned.full.mean for planned in found]) > 0).all()


def test_the_worth_of_several_histories_is_their_mean() -> None:
    one, other = rising(40, 0.6, seed=1), rising(40, 0.0, seed=2)
    splits = splits_of([one, other], 20)
    both, first, second = (
        plan_budgets(own, [4], shares_of(10), None, [[split[i] for i in at] for split in splits])[0]
        for own, at in (([one, other], (0, 1)), ([one], (0,)), ([other], (1,)))
    )
    assert both.rule is not None
    assert first.rule is not None
    assert second.rule is not None
    assert both.rule.gain.mean == pytest.approx((first.rule.gain.mean + second.rule.gain.mean) / 2)


def test_there_is_no_reduction_where_full_runs_reach_the_best_value() -> None:
    found = plan_of(runs_of(np.full((24, 5), 1.0)), 3, best=1.0)
    assert found.rule is not None
    assert found.rule.reduction is None


def test_a_grid_of_the_papers_size_can_value_its_budgets() -> None:
    runs = rising(25 * 25, 0.4, evaluations=6)
    runs = runs_of(runs.scores, grid(25, 25))
    found = plan_budgets([runs], [1, 30], shares_of(6), 1.0, splits_of([runs], 2))
    assert [planned.budget for planned in found] == [1, 30]
