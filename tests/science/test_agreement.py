"""Whether tasks agree on initialisations: against scipy, brute force and simulation, and by properties."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from science.synthetic import assert_no_more_often_than
from seedsweep.science.seeds import agreement as science
from seedsweep.science.seeds.agreement import agreement, ranks

Array = NDArray[np.float64]


def made_up(tasks: int, many: int, common: float = 0.0, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    worth: Array = common * rng.normal(size=(1, many)) + rng.normal(size=(tasks, many))
    return worth


@given(st.integers(0, 1_000), st.integers(3, 6), st.integers(3, 12), st.booleans())
@settings(max_examples=20, deadline=None)
def test_w_is_that_of_friedmans_test_with_ties(seed: int, tasks: int, many: int, coarse: bool) -> None:
    worth = made_up(tasks, many, seed=seed)
    if coarse:
        worth = np.round(worth)
        worth[:, 0] += 9  # no task without any difference
    # Their statistic is W by tasks and degrees of freedom, with the same correction for ties.
    theirs = stats.friedmanchisquare(*worth.T).statistic / (tasks * (many - 1))
    assert agreement(worth).w == pytest.approx(theirs)


def test_the_correlation_is_the_mean_of_spearmans_over_pairs_of_tasks() -> None:
    worth = np.round(made_up(4, 20, 0.7), 1)
    pairs = [stats.spearmanr(worth[i], worth[j]).statistic for i in range(4) for j in range(i)]
    found = agreement(worth)
    assert found.correlation == pytest.approx(np.mean(pairs))
    # Without ties W and it say the same.
    found = agreement(made_up(4, 20, 0.7))
    assert found.w == pytest.approx((1 + 3 * found.correlation) / 4)


def test_p_agrees_with_all_shuffles() -> None:
    worth = np.array([[1.0, 2.0, 3.0, 3.0], [2.0, 1.0, 4.0, 3.0], [1.0, 3.0, 2.0, 4.0]])
    ranked = ranks(worth)

    def squares(rows: Array) -> float:
        return float(((rows.sum(axis=0) - rows.sum() / 4) ** 2).sum())

    every = [squares(np.array(rows)) for rows in product(*(list(permutations(row)) for row in ranked))]
    assert agreement(worth).p == pytest.approx(np.mean(np.array(every) >= squares(ranked) - 1e-9), abs=0.02)


def test_tasks_that_share_nothing_agree_no_more_often_than_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(science, "SHUFFLES", 199)
    count = sum(agreement(made_up(3, 15, seed=seed)).p <= 0.05 for seed in range(400))
    assert_no_more_often_than(count, 400, 0.05)


def test_an_effect_that_all_tasks_share_is_found() -> None:
    found = agreement(made_up(4, 20, 2.0))
    assert found.p == pytest.approx(1 / 10_000)
    assert found.w > 0.7
    assert agreement(np.tile(np.arange(15.0), (3, 1))).w == pytest.approx(1)


def test_best_is_rank_1_and_what_rounding_leaves_of_equal_means_is_a_tie() -> None:
    assert ranks(np.array([[0.1, 0.3, 0.1 + 1e-17, 0.2], [1.0, 2.0, 3.0, 4.0]])).tolist() == [
        [3.5, 1, 3.5, 2],
        [4, 3, 2, 1],
    ]
    assert ranks(np.array([[0.7, 0.7 * 3 / 3 + 1e-16, 0.7]])).tolist() == [[2, 2, 2]]


def test_the_order_of_tasks_and_of_initialisations_does_not_matter() -> None:
    worth = made_up(3, 15, 1.0)
    found, other = agreement(worth), agreement(worth[::-1, ::-1])
    assert (found.w, found.correlation) == pytest.approx((other.w, other.correlation))
    assert found.p == pytest.approx(other.p, abs=0.01)


@pytest.mark.parametrize(
    ("worth", "said"),
    [
        (np.ones((1, 5)), "needs two of both"),
        (np.ones((3, 1)), "needs two of both"),
        (np.array([[1.0, 2.0], [np.nan, 1.0]]), "finite"),
        (np.array([[1.0, 2.0], [1.0, 1.0]]), "same score for all"),
    ],
)
def test_what_cannot_agree_is_refused(worth: Array, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        agreement(worth)
