"""Which seed matters: against scipy, closed forms and brute force, and by properties."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import f_oneway

from seedsweep.science.seeds import grid as science
from seedsweep.science.seeds.grid import contrast, shuffled_whole, shuffled_within_columns, variance_components

Array = NDArray[np.float64]


def made_up(rows: int = 6, columns: int = 5, effect: float = 0.0, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return 0.7 + effect * rng.normal(size=(rows, 1)) + 0.05 * rng.normal(size=(rows, columns))


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=20, deadline=None)
def test_the_contrast_is_scipys_f_of_the_best_and_the_worst_row(seed: int, maximize: bool) -> None:
    scores = made_up(seed=seed)
    means = scores.mean(axis=1)
    best, worst = (means.argmax(), means.argmin()) if maximize else (means.argmin(), means.argmax())
    found, expected = contrast(scores, maximize=maximize), f_oneway(scores[best], scores[worst])
    assert (found.best, found.worst) == (best, worst)
    assert (found.f, found.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_a_contrast_that_was_picked_is_not_significant_where_nothing_differs() -> None:
    found = [contrast(made_up(10, 10, seed=seed), maximize=True) for seed in range(20)]
    assert sum(item.p < 0.05 for item in found) >= 10
    assert sum(item.p_selected < 0.05 for item in found) <= 4


def test_a_seed_that_always_wins_is_found() -> None:
    scores = made_up(6, 8)
    scores[2] += 0.5
    assert contrast(scores, maximize=True).best == 2
    assert contrast(scores, maximize=True).p_selected == pytest.approx(1 / 2000)
    assert shuffled_within_columns(scores) == pytest.approx(1 / 2000)
    assert shuffled_whole(scores) <= 0.01


def test_the_shuffles_within_columns_agree_with_all_of_them() -> None:
    scores = np.array([[1.0, 2.0, 4.0], [3.0, 1.0, 8.0], [2.0, 7.0, 9.0]])
    orders = list(permutations(range(3)))

    def squares(grid: Array) -> float:
        return float(((grid - grid.mean(axis=0)).mean(axis=1) ** 2).sum())

    every = [
        squares(np.column_stack([scores[list(order), c] for c, order in enumerate(chosen)]))
        for chosen in product(orders, repeat=3)
    ]
    exact = np.mean(np.array(every) >= squares(scores) - 1e-12)
    assert shuffled_within_columns(scores) == pytest.approx(exact, abs=0.03)


def test_the_other_seeds_effect_does_not_hide_a_difference_within_columns() -> None:
    scores = made_up(4, 6) * 0.01 + np.arange(6)
    scores[1] += 0.01
    assert shuffled_within_columns(scores) < 0.01
    assert shuffled_whole(scores) > 0.5


def test_no_difference_at_all_is_never_significant() -> None:
    scores = np.full((4, 5), 0.5)
    found = contrast(scores, maximize=True)
    assert (found.f, found.p, found.p_selected) == (0.0, 1.0, 1.0)
    assert shuffled_within_columns(scores) == shuffled_whole(scores) == 1.0
    assert variance_components(scores).rows.deviation == 0


@given(st.floats(-1e3, 1e3), st.integers(2, 5), st.integers(2, 5))
@settings(max_examples=50, deadline=None)
def test_scores_without_any_spread_have_components_of_nothing(score: float, rows: int, columns: int) -> None:
    found = variance_components(np.full((rows, columns), score))
    for part in (found.rows, found.columns, found.residual):
        assert part.deviation == pytest.approx(0, abs=1e-9)
        assert part.interval == pytest.approx((0, 0), abs=1e-9)


@given(st.floats(-1e3, 1e3), st.integers(2, 5), st.integers(3, 6))
@settings(max_examples=10, deadline=None)
def test_equal_scores_are_never_significant_whatever_rounding_leaves(score: float, rows: int, columns: int) -> None:
    scores = np.full((rows, columns), score)
    scores[0, 0] = np.nan
    found = contrast(scores, maximize=True)
    assert (found.f, found.p, found.p_selected) == (0.0, 1.0, 1.0)
    assert shuffled_within_columns(scores) == 1.0


def test_seeds_that_explain_everything_leave_no_residual() -> None:
    scores = np.arange(5.0)[:, None] + np.zeros((1, 4))
    found = variance_components(scores)
    assert found.residual.deviation == pytest.approx(0, abs=1e-6)
    assert found.rows.deviation == pytest.approx(np.std(np.arange(5), ddof=1))
    assert contrast(scores, maximize=True).f == np.inf


def test_a_missing_cell_is_left_out_and_not_counted_as_a_score() -> None:
    scores = made_up(5, 6)
    scores[2] += 0.3
    expected = shuffled_within_columns(scores)
    scores[4, 4] = np.nan
    assert shuffled_within_columns(scores) == pytest.approx(expected, abs=0.01)
    found = contrast(scores, maximize=True)
    other = scores[found.worst][np.isfinite(scores[found.worst])]
    assert found.f == pytest.approx(f_oneway(scores[2], other).statistic)


def test_a_seed_without_any_score_changes_nothing() -> None:
    scores = made_up(4, 5)
    wider = np.pad(scores, ((0, 1), (0, 1)), constant_values=np.nan)
    for function in (shuffled_within_columns, shuffled_whole):
        assert function(wider) == pytest.approx(function(scores))
    assert contrast(wider, maximize=True) == contrast(scores, maximize=True)


def test_rows_that_are_too_few_are_refused() -> None:
    for scores in (np.array([[0.5, 0.6]]), np.array([[0.5], [0.6]]), np.array([[0.5, np.nan], [0.6, 0.7]])):
        for function in (shuffled_within_columns, shuffled_whole):
            with pytest.raises(ValueError, match="at least two seeds with two scores"):
                function(scores)


def test_the_same_grid_gives_the_same_numbers() -> None:
    scores = made_up()
    assert contrast(scores, maximize=True) == contrast(scores, maximize=True)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_variance_components_of_a_whole_grid_follow_the_closed_form(seed: int, rows: int, columns: int) -> None:
    y = made_up(rows, columns, 0.05, seed)
    row, column = y.mean(axis=1, keepdims=True), y.mean(axis=0, keepdims=True)
    residual = ((y - row - column + y.mean()) ** 2).sum() / ((rows - 1) * (columns - 1))
    of_rows = columns * ((row - y.mean()) ** 2).sum() / (rows - 1)
    found = variance_components(y)
    assert found.residual.deviation == pytest.approx(np.sqrt(residual))
    assert found.rows.deviation == pytest.approx(np.sqrt(max(0, (of_rows - residual) / columns)), abs=1e-9)
    mirrored = variance_components(y.T)
    assert mirrored.columns.deviation == pytest.approx(found.rows.deviation, abs=1e-9)


def test_a_missing_cell_changes_components_little_and_takes_their_intervals() -> None:
    scores = made_up(12, 10, 0.05)
    whole = variance_components(scores)
    scores[3, 3] = np.nan
    found = variance_components(scores)
    assert found.rows.deviation == pytest.approx(whole.rows.deviation, rel=0.1)
    assert found.rows.interval is None


def test_intervals_of_components_cover_what_was_drawn() -> None:
    hits = 0
    for seed in range(200):
        interval = variance_components(made_up(8, 6, 0.04, seed)).rows.interval
        assert interval is not None
        hits += interval[0] <= 0.04 <= interval[1]
    assert hits >= 180


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_a_grid_with_one_seed_of_a_kind_has_no_components(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least two"):
        variance_components(np.random.default_rng(0).normal(size=shape))


def test_cells_too_few_for_a_residual_are_refused() -> None:
    with pytest.raises(ValueError, match="no degrees of freedom"):
        variance_components(np.array([[0.5, 0.6], [0.7, np.nan]]))


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_of_rows_whose_means_tie_the_one_that_spreads_least_is_compared(order: tuple[int, ...]) -> None:
    # The first two have equal means, but for rounding.
    scores = np.array([[0.1, 0.2, 0.3, 0.6], [0.3, 0.3, 0.3, 0.3], [0.05, 0.2, 0.1, 0.1], [0.1, 0.11, 0.12, 0.12]])
    scores[3] += scores[2].mean() - scores[3].mean()
    found = contrast(scores[list(order)], maximize=True)
    assert (order[found.best], order[found.worst]) == (1, 3)
    mirrored = contrast(-scores[list(order)], maximize=False)
    assert (mirrored.best, mirrored.worst) == (found.best, found.worst)
    assert mirrored.f == pytest.approx(found.f)


@given(st.floats(0.1, 1e3), st.integers(2, 9))
@settings(max_examples=30, deadline=None)
def test_rows_without_spread_have_an_infinite_f_whatever_rounding_leaves(score: float, columns: int) -> None:
    scores = np.array([np.full(columns, score), np.full(columns, score / 3)])
    found = contrast(scores, maximize=True)
    assert (found.f, found.p) == (np.inf, 0.0)


def test_columns_that_each_have_one_row_alone_are_refused() -> None:
    scores = np.full((2, 4), np.nan)
    scores[0, :2], scores[1, 2:] = 0.5, 0.6
    with pytest.raises(ValueError, match="degrees of freedom"):
        variance_components(scores)


def test_many_shuffles_of_a_large_grid_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = made_up(5, 5, 0.05)
    monkeypatch.setattr(science, "_CELLS_AT_ONCE", 100)
    assert shuffled_within_columns(scores) <= 1.0
