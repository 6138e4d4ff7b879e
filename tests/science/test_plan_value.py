"""What a plan is worth: exactly what all ways to draw its runs give."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedsweep.science.expected import plug_in_expected_best
from seedsweep.science.stopping.plan_value import Runs, dense_ranks, expected_results, ranks_at
from seedsweep.science.stopping.plans import Plan, no_stopping


def runs_of(scores: Sequence[Sequence[float]] | np.ndarray, losses: np.ndarray | None = None) -> Runs:
    """Each with seeds of its own; a row that ends in NaN is one that diverged."""
    table = np.array(scores, dtype=np.float64)
    defined = np.isfinite(table)
    ended = table.shape[1] - defined[:, ::-1].argmax(axis=1)
    ended[~defined.any(axis=1)] = 0
    worth = np.where(defined, table, -np.inf).max(axis=1)
    # Who has no score at all is worth a constant answer.
    worth = np.where(np.isfinite(worth), worth, 0.0)
    return Runs(table, losses, ended, worth, np.repeat(np.arange(len(table))[:, None], 2, axis=1))


def by_brute_force(runs: Runs, plan: Plan) -> float:
    """The mean over all ordered draws; of equal ranks the first drawn goes first, which over all orders is chance."""
    assert plan.evaluation is not None
    ranks = ranks_at(runs, plan.evaluation)
    drawn = list(itertools.product(range(len(runs)), repeat=plan.started))
    kept = (sorted(draw, key=lambda i: -ranks[i])[: plan.keep] for draw in drawn)
    return float(np.mean([max(runs.worth[i] for i in own) for own in kept]))


PLANS = [Plan(2, 1, 1), Plan(3, 1, 1), Plan(3, 2, 2), Plan(4, 2, 1), Plan(4, 1, 3), Plan(5, 2, 2), Plan(5, 1, 1)]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("digits", [0, 1, 3])
def test_it_is_the_mean_over_all_draws(plan: Plan, digits: int) -> None:
    rng = np.random.default_rng([digits, plan.started])
    runs = runs_of(np.round(rng.uniform(0, 1, (5, 3)), digits), np.round(rng.uniform(0, 1, (5, 3)), 1))
    assert expected_results(runs, [plan])[0] == pytest.approx(by_brute_force(runs, plan), abs=1e-9)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_it_is_what_a_simulation_converges_to(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, keep = int(rng.integers(10, 40)), int(rng.integers(1, 4))
    runs = runs_of(np.round(rng.normal(0.7, 0.05, (n, 6)), 2))
    plan = Plan(int(rng.integers(keep + 1, 11)), int(rng.integers(1, 6)), keep)
    assert plan.evaluation is not None
    drawn = rng.integers(n, size=(20_000, plan.started))
    order = np.argsort(-ranks_at(runs, plan.evaluation)[drawn], axis=1, kind="stable")[:, :keep]
    found = runs.worth[np.take_along_axis(drawn, order, axis=1)].max(axis=1)
    assert expected_results(runs, [plan])[0] == pytest.approx(found.mean(), abs=5 * found.std() / 20_000**0.5 + 1e-9)


@pytest.mark.parametrize("budget", [1, 2, 7])
def test_without_a_cut_it_is_the_plug_in_expected_best(budget: int) -> None:
    runs = runs_of(np.random.default_rng(0).uniform(0, 1, (9, 4)))
    expected = plug_in_expected_best(runs.worth.tolist(), budget, design="full", maximize=True)
    assert expected_results(runs, [no_stopping(budget)])[0] == pytest.approx(expected, abs=1e-12)


def test_a_cut_that_keeps_all_is_none() -> None:
    runs = runs_of(np.random.default_rng(0).uniform(0, 1, (9, 4)))
    cut, full = expected_results(runs, [Plan(5, 2, 5), no_stopping(5)])
    assert cut == pytest.approx(full)


def test_full_runs_are_worth_more_the_more_there_are() -> None:
    runs = runs_of(np.random.default_rng(0).uniform(0, 1, (30, 4)))
    found = expected_results(runs, [no_stopping(budget) for budget in range(1, 31)])
    assert (np.diff(found) > 0).all()


def test_a_cut_is_worth_more_the_more_are_kept() -> None:
    runs = runs_of(np.random.default_rng(0).uniform(0, 1, (30, 6)))
    found = expected_results(runs, [Plan(20, 2, keep) for keep in range(1, 20)])
    assert (np.diff(found) > 0).all()


def test_where_the_rung_tells_all_the_best_of_all_that_were_started_is_kept() -> None:
    scores = np.linspace(0.5, 0.9, 20)[:, None] + np.linspace(0, 0.05, 8)
    cut, full = expected_results(runs_of(scores), [Plan(10, 1, 1), no_stopping(10)])
    assert cut == pytest.approx(full)


def test_where_the_rung_tells_nothing_the_kept_are_worth_as_many_drawn_at_random() -> None:
    scores = np.full((20, 2), 0.1)
    scores[:, 1] = np.random.default_rng(0).uniform(0.5, 0.9, 20)
    cut, full = expected_results(runs_of(scores), [Plan(12, 1, 3), no_stopping(3)])
    assert cut == pytest.approx(full)


def test_the_order_of_the_runs_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    runs = runs_of(np.round(rng.uniform(0, 1, (15, 5)), 1), rng.uniform(0, 1, (15, 5)))
    shuffled = runs.take(rng.permutation(15))
    plans = [Plan(8, e, p) for e in (1, 3) for p in (1, 4)]
    assert expected_results(runs, plans) == pytest.approx(expected_results(shuffled, plans), abs=1e-12)


def test_equal_scores_are_worth_that_score_whatever_the_plan() -> None:
    runs = runs_of(np.full((8, 3), 0.5))
    assert expected_results(runs, [Plan(6, 1, 2), no_stopping(3)]).tolist() == [0.5, 0.5]


def test_one_run_is_worth_itself() -> None:
    assert expected_results(runs_of([[0.3, 0.6]]), [no_stopping(1)]).tolist() == [0.6]


def test_undefined_scores_do_not_count_and_who_has_none_comes_last() -> None:
    runs = runs_of([[np.nan, 0.7], [0.2, np.nan], [0.1, 0.9]])
    assert ranks_at(runs, 1).tolist() == [1, 3, 2]


def test_who_has_diverged_comes_last_whatever_it_had_before() -> None:
    runs = runs_of([[0.9, np.nan, np.nan], [0.2, 0.3, 0.4], [0.1, 0.2, 0.3]])
    assert ranks_at(runs, 1).tolist() == [3, 2, 1]
    assert ranks_at(runs, 2).tolist() == [1, 3, 2]


def test_runs_that_all_diverged_are_worth_the_best_they_had() -> None:
    runs = runs_of([[0.5, np.nan], [0.6, np.nan], [np.nan, np.nan]])
    assert runs.worth.tolist() == [0.5, 0.6, 0.0]
    assert 0 < expected_results(runs, [Plan(3, 1, 1)])[0] < 0.6


def test_ties_are_broken_by_the_loss_where_the_score_is_from() -> None:
    runs = runs_of([[0.6, 0.5], [0.5, 0.6], [0.6, 0.6]], np.array([[0.5, 0.1], [0.9, 0.4], [0.6, np.nan]]))
    assert ranks_at(runs, 2).tolist() == [2, 3, 1]


def test_ranks_are_equal_only_where_signal_and_loss_are() -> None:
    found = dense_ranks(np.array([1.0, 2.0, 1.0, -np.inf]), np.array([0.5, np.nan, 0.5, 0.1]))
    assert found.tolist() == [2, 3, 2, 1]


def test_more_starts_than_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="more than the 3 runs"):
        expected_results(runs_of(np.ones((3, 2))), [Plan(4, 1, 1)])
