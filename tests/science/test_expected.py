"""Expected best of n against every subset, against published forms, and where it must not be told."""

import math
from itertools import combinations, pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedsweep.science.expected import WithheldError, expected_best, plug_in_expected_best

few_scores = st.lists(st.floats(-1, 1), min_size=1, max_size=7)
many_scores = st.lists(st.floats(-1, 1), min_size=1, max_size=60)


@given(few_scores, st.booleans(), st.data())
def test_unbiased_estimate_is_the_mean_of_the_best_over_all_subsets(
    scores: list[float], maximize: bool, data: st.DataObject
) -> None:
    n = data.draw(st.integers(1, len(scores)))
    best = [max(subset) if maximize else min(subset) for subset in combinations(scores, n)]
    found = expected_best(scores, n, design="full", maximize=maximize)
    assert found == pytest.approx(math.fsum(best) / len(best), abs=1e-12)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=5), st.booleans(), st.integers(1, 4))
def test_plug_in_estimate_is_the_mean_of_the_best_over_all_draws_with_replacement(
    scores: list[float], maximize: bool, n: int
) -> None:
    best = [max(draw) if maximize else min(draw) for draw in product(scores, repeat=n)]
    found = plug_in_expected_best(scores, n, design="full", maximize=maximize)
    assert found == pytest.approx(math.fsum(best) / len(best), abs=1e-12)


def test_unbiased_estimate_by_hand() -> None:
    # Of 1, 2, 3, 4 the pairs' maxima are 2, 3, 4, 3, 4, 4.
    assert expected_best([3.0, 1.0, 4.0, 2.0], 2, design="full", maximize=True) == pytest.approx(20 / 6)
    # The 16 ordered draws with replacement: 1 x 1, 3 x 2, 5 x 3, 7 x 4.
    assert plug_in_expected_best([3.0, 1.0, 4.0, 2.0], 2, design="full", maximize=True) == pytest.approx(50 / 16)


@given(many_scores, st.booleans())
def test_one_run_is_worth_the_mean_and_all_runs_the_best(scores: list[float], maximize: bool) -> None:
    one = expected_best(scores, 1, design="full", maximize=maximize)
    everything = expected_best(scores, len(scores), design="full", maximize=maximize)
    assert one == pytest.approx(math.fsum(scores) / len(scores), abs=1e-12)
    assert everything == pytest.approx(max(scores) if maximize else min(scores), abs=1e-12)


@given(many_scores)
def test_more_runs_are_never_worth_less(scores: list[float]) -> None:
    curve = [expected_best(scores, n, design="full", maximize=True) for n in range(1, len(scores) + 1)]
    assert all(after >= before - 1e-12 for before, after in pairwise(curve))


@given(many_scores, st.data())
def test_minimizing_mirrors_maximizing(scores: list[float], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(scores)))
    negated = [-score for score in scores]
    for estimate in (expected_best, plug_in_expected_best):
        mirrored = -estimate(negated, n, design="full", maximize=False)
        assert estimate(scores, n, design="full", maximize=True) == pytest.approx(mirrored, abs=1e-12)


@given(many_scores, st.data())
def test_plug_in_estimate_is_never_above_the_unbiased_one(scores: list[float], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(scores)))
    plugged = plug_in_expected_best(scores, n, design="full", maximize=True)
    assert plugged <= expected_best(scores, n, design="full", maximize=True) + 1e-12


def test_thousands_of_runs_do_not_overflow() -> None:
    # Of 0, 1, ..., N - 1 the expected maximum of n is n (N + 1) / (n + 1) - 1.
    scores = [float(i) for i in range(10_000)]
    assert expected_best(scores, 5_000, design="full", maximize=True) == pytest.approx(5_000 * 10_001 / 5_001 - 1)


@pytest.mark.parametrize("design", ["cut", "cut+audit"])
@pytest.mark.parametrize("estimate", [expected_best, plug_in_expected_best])
def test_a_record_with_a_cut_cannot_carry_it(estimate: object, design: str) -> None:
    with pytest.raises(WithheldError, match="survivors"):
        estimate([0.5, 0.6], 1, design=design, maximize=True)  # type: ignore[operator]


@pytest.mark.parametrize("n", [0, 3])
def test_more_runs_than_there_are_scores_cannot_be_told(n: int) -> None:
    with pytest.raises(ValueError, match="1 to 2"):
        expected_best([0.5, 0.6], n, design="full", maximize=True)


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        expected_best([0.5, math.nan], 1, design="full", maximize=True)


@pytest.mark.parametrize("score", [0.555, 0.1, -2.225])
@pytest.mark.parametrize("n", [1, 3, 7, 12])
def test_equal_scores_give_that_score_to_the_last_digit(score: float, n: int) -> None:
    assert expected_best([score] * 12, n, design="full", maximize=True) == score
    assert plug_in_expected_best([score] * 12, n, design="full", maximize=False) == score
