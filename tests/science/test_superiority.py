"""The chance that a run of one arm beats one of the other: against scipy, by coverage and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from science.synthetic import Draw, assert_no_more_often_than, failing, grid_seeds, moved, normal, own_seeds
from seedsweep.science.arms.superiority import superiority

Array = NDArray[np.float64]
coarse = st.lists(st.integers(0, 5).map(float), min_size=2, max_size=12).map(np.array)


@given(coarse, coarse)
def test_the_chance_is_mann_and_whitneys_with_ties_half(a: Array, b: Array) -> None:
    found = superiority(a, own_seeds(len(a)), b, own_seeds(len(b)))
    assert found.chance == pytest.approx(stats.mannwhitneyu(b, a).statistic / (len(a) * len(b)))
    assert found.interval is not None
    low, high = found.interval
    assert 0 <= low <= found.chance <= high <= 1


@given(coarse, coarse)
def test_arms_that_change_places_have_the_rest_of_the_chance(a: Array, b: Array) -> None:
    one = superiority(a, own_seeds(len(a)), b, own_seeds(len(b)))
    other = superiority(b, own_seeds(len(b)), a, own_seeds(len(a)))
    assert one.chance == pytest.approx(1 - other.chance)
    assert one.interval is not None
    assert other.interval is not None
    assert one.interval == pytest.approx((1 - other.interval[1], 1 - other.interval[0]))


def test_its_variance_is_that_of_brunner_and_munzel() -> None:
    # Their statistic is (chance - 1/2) over the square root of the variance that the interval is made of.
    rng = np.random.default_rng(0)
    a, b = normal()(rng, 40), moved(normal(2)(rng, 30), 0.3)
    found = superiority(a, own_seeds(40), b, own_seeds(30))
    error = abs((found.chance - 0.5) / stats.brunnermunzel(b, a).statistic)
    assert found.interval is not None
    # With so many runs Wilson's form is close to the plain one.
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 2.01 * error, rel=0.06)


def test_arms_that_do_not_overlap_are_never_certain() -> None:
    for n, low in ((2, 0.01), (5, 0.25), (50, 0.9)):
        found = superiority(np.linspace(0, 1, n), own_seeds(n), np.linspace(9, 10, n), own_seeds(n))
        assert found.chance == 1
        assert found.interval is not None
        assert low < found.interval[0] < 1


def test_a_single_run_has_a_chance_and_no_interval() -> None:
    found = superiority(np.array([0.5]), own_seeds(1), np.array([0.4, 0.5, 0.6]), own_seeds(3))
    assert (found.chance, found.interval) == (0.5, None)


def missed(a: Draw, b: Draw, sizes: tuple[int, int], shift: float, many: int) -> int:
    rng = np.random.default_rng(1)
    everyone, others = np.sort(a(rng, 200_000)), shift + b(rng, 200_000)
    truth = float(np.searchsorted(everyone, others, "left").mean() + np.searchsorted(everyone, others, "right").mean())
    truth /= 2 * len(everyone)
    count = 0
    for _ in range(many):
        one, other = a(rng, sizes[0]), shift + b(rng, sizes[1])
        interval = superiority(one, own_seeds(sizes[0]), other, own_seeds(sizes[1])).interval
        assert interval is not None
        count += not interval[0] <= truth <= interval[1]
    return count


@pytest.mark.parametrize("sizes", [(4, 4), (5, 20), (20, 20)])
@pytest.mark.parametrize(
    ("a", "b", "shift"),
    [
        (normal(), normal(), 0.5),
        (normal(), normal(), 3.0),
        (normal(), normal(5), 0.0),
        (failing(0.4), normal(0.5), -0.5),
        (failing(0.05), failing(0.05), 0.3),
    ],
)
def test_the_interval_misses_the_chance_no_more_often_than_promised(
    a: Draw, b: Draw, shift: float, sizes: tuple[int, int]
) -> None:
    assert_no_more_often_than(missed(a, b, sizes, shift, 400), 400, 0.05)


def test_the_interval_of_a_grid_allows_for_seeds_that_are_shared() -> None:
    rng, seeds = np.random.default_rng(2), grid_seeds(6, 8)
    clustered, naive = 0, 0
    for _ in range(500):
        a, b = ((rng.normal(size=(6, 1)) + rng.normal(size=(1, 8)) + rng.normal(size=(6, 8))).ravel() for _ in range(2))
        for own, counts in ((seeds, True), (own_seeds(48), False)):
            interval = superiority(a, own, b, own).interval
            assert interval is not None
            outside = not interval[0] <= 0.5 <= interval[1]
            clustered, naive = clustered + (outside and counts), naive + (outside and not counts)
    assert_no_more_often_than(clustered, 500, 0.06)
    with pytest.raises(AssertionError, match="are more than"):
        assert_no_more_often_than(naive, 500, 0.2)
