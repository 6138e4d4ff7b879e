"""The difference of two arms: against scipy and brute force, its size and coverage, and by properties."""

import math
from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from science.synthetic import Draw, assert_no_more_often_than, failing, grid_seeds, moved, normal, own_seeds
from seedsweep.science.arms import difference as science
from seedsweep.science.arms.clusters import mean_variance
from seedsweep.science.arms.difference import Difference, clustered, clustered_pairs, flipped, shuffled

Array = NDArray[np.float64]
LEVEL = 0.05
scores = st.lists(st.integers(-20, 20).map(lambda x: x / 16), min_size=2, max_size=5).map(np.array)


def welch(a: Array, b: Array) -> float:
    error: float = float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
    apart = float(b.mean() - a.mean())
    if error > 1e-12:
        return apart / error
    return math.copysign(math.inf, apart) if abs(apart) > 1e-12 else 0.0


def values_of(found: Difference) -> list[float]:
    assert found.interval is not None
    return [found.estimate, found.p, *found.interval]


def brute_force_p(a: Array, b: Array) -> float:
    """Over every way to give the scores to two arms, twice the smaller tail of Welch's t."""
    pooled, found = np.r_[a, b], []
    for chosen in combinations(range(len(pooled)), len(b)):
        inside = np.isin(np.arange(len(pooled)), chosen)
        found.append(welch(pooled[~inside], pooled[inside]))
    every, observed = np.array(found), welch(a, b)
    slack = 1e-9 * abs(observed) if np.isfinite(observed) else 0
    tails = (every >= observed - slack).mean(), (every <= observed + slack).mean()
    return min(1.0, 2 * float(min(tails)))


def p_of_welch(a: Array, b: Array) -> float:
    if not (np.ptp(a) or np.ptp(b)):
        return float(a.mean() == b.mean())
    one, other = ((x.mean(), x.std(ddof=1), len(x)) for x in (b, a))
    return float(stats.ttest_ind_from_stats(*one, *other, equal_var=False).pvalue)


@given(scores, scores)
@settings(max_examples=25, deadline=None)
def test_the_shuffles_are_all_of_them_where_there_are_few(a: Array, b: Array) -> None:
    assert shuffled(a, b).p == pytest.approx(max(brute_force_p(a, b), p_of_welch(a, b)))


def test_the_shuffles_agree_with_scipys_where_there_are_many() -> None:
    rng = np.random.default_rng(0)
    a, b = normal()(rng, 30), moved(normal(1.2)(rng, 25), 0.45)
    found = shuffled(a, b)
    theirs = stats.permutation_test(
        (b, a),
        lambda x, y, axis: stats.ttest_ind(x, y, axis=axis, equal_var=False).statistic,
        vectorized=True,
        n_resamples=9_999,
        rng=np.random.default_rng(1),
    )
    assert found.p == pytest.approx(max(theirs.pvalue, p_of_welch(a, b)), abs=0.01)


@given(scores, scores)
@settings(max_examples=25, deadline=None)
def test_the_interval_holds_the_differences_that_are_not_rejected(a: Array, b: Array) -> None:
    found = shuffled(a, b)
    assert found.smallest_p == pytest.approx(min(1, 2 / comb(len(a) + len(b), len(a))))
    if found.interval is None:
        return
    low, high = found.interval
    assert low <= found.estimate <= high
    for beyond in (low - 1e-6, high + 1e-6):
        assert shuffled(a, b - beyond).p <= LEVEL
    if found.p > LEVEL:
        assert low <= 1e-9
        assert high >= -1e-9


def test_two_or_three_runs_an_arm_can_never_tell_and_have_no_interval() -> None:
    for n, least in ((2, 1 / 3), (3, 0.1)):
        found = shuffled(np.linspace(0, 0.01, n), np.linspace(10, 10.01, n))
        assert found.smallest_p == pytest.approx(least)
        assert found.p >= least - 1e-12
        assert found.interval is None
    assert shuffled(np.linspace(0, 0.01, 4), np.linspace(10, 10.01, 4)).interval is not None


@given(st.lists(st.integers(-20, 20).map(lambda x: x / 16), min_size=2, max_size=10).map(np.array))
@settings(max_examples=60, deadline=None)
def test_the_flips_are_all_of_them_where_there_are_few(apart: Array) -> None:
    sums = np.array([np.dot(signs, apart) for signs in product((1, -1), repeat=len(apart))])
    tails = (sums >= apart.sum() - 1e-9).mean(), (sums <= apart.sum() + 1e-9).mean()
    found = flipped(np.zeros(len(apart)), apart)
    assert found.p == pytest.approx(min(1.0, 2 * min(tails)))
    if found.interval is not None:
        low, high = found.interval
        assert flipped(np.zeros(len(apart)), apart - low + 1e-6).p <= LEVEL
        assert flipped(np.zeros(len(apart)), apart - high - 1e-6).p <= LEVEL
        for held in (low, high):
            assert flipped(np.zeros(len(apart)), apart - held).p > LEVEL


def test_the_flips_agree_with_scipys_where_there_are_many() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=40)
    b = a + 0.3 + rng.normal(size=40)
    theirs = stats.permutation_test(
        (b, a),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9_999,
        rng=np.random.default_rng(3),
    )
    assert flipped(a, b).p == pytest.approx(theirs.pvalue, abs=0.01)


def test_five_pairs_can_never_tell_and_six_can() -> None:
    assert flipped(np.zeros(5), np.linspace(1, 5, 5)).interval is None
    assert flipped(np.zeros(5), np.linspace(1, 5, 5)).p == pytest.approx(2 / 32)
    assert flipped(np.zeros(6), np.linspace(1, 6, 6)).p == pytest.approx(2 / 64)
    assert flipped(np.zeros(6), np.linspace(1, 6, 6)).interval is not None


def test_clusters_without_shared_seeds_are_welchs_and_the_paired_t_test() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=9), 0.5 + 2 * rng.normal(size=14)
    found, theirs = clustered(a, own_seeds(9), b, own_seeds(14)), stats.ttest_ind(b, a, equal_var=False)
    assert values_of(found)[1:] == pytest.approx([theirs.pvalue, *theirs.confidence_interval()])
    paired, theirs = clustered_pairs(a, b[:9], own_seeds(9)), stats.ttest_rel(b[:9], a)
    assert values_of(paired)[1:] == pytest.approx([theirs.pvalue, *theirs.confidence_interval()])


def test_the_variance_of_a_grids_mean_is_that_of_its_mean_squares() -> None:
    rng = np.random.default_rng(5)
    rows, columns = 6, 8
    grid = rng.normal(size=(rows, 1)) + rng.normal(size=(1, columns)) + rng.normal(size=(rows, columns))
    of_rows = columns * grid.mean(axis=1).var(ddof=1)
    of_columns = rows * grid.mean(axis=0).var(ddof=1)
    # Of single values, all about the grand mean.
    single = grid.var(ddof=1)
    found = mean_variance(grid.ravel(), grid_seeds(rows, columns))
    assert found.value == pytest.approx((of_rows + of_columns - single) / grid.size)
    assert found.freedom == 5


def test_a_kind_of_seed_that_all_runs_share_is_left_out() -> None:
    values = np.random.default_rng(6).normal(size=7)
    found = mean_variance(values, np.column_stack([np.zeros(7, dtype=int), np.arange(7)]))
    assert (found.value, found.freedom) == pytest.approx((values.var(ddof=1) / 7, 6))
    with pytest.raises(ValueError, match="needs two seeds of a kind"):
        mean_variance(values[:1], np.array([[0, 0]]))


DESIGNS = {
    "shuffled": shuffled,
    "flipped": lambda a, b: flipped(a[: len(b)], b[: len(a)]),
    "clustered": lambda a, b: clustered(a, own_seeds(len(a)) // 2, b, own_seeds(len(b)) // 2),
}


@pytest.mark.parametrize("design", DESIGNS)
@given(a=st.lists(st.floats(-1, 1), min_size=12, max_size=30), b=st.lists(st.floats(-1, 1), min_size=12, max_size=30))
@settings(max_examples=10, deadline=None)
def test_arms_that_change_places_give_the_mirrored_difference(design: str, a: list[float], b: list[float]) -> None:
    one, other = DESIGNS[design](np.array(a), np.array(b)), DESIGNS[design](np.array(b), np.array(a))
    assert (one.estimate, one.p) == pytest.approx((-other.estimate, other.p))
    if one.interval is None or other.interval is None:
        assert one.interval == other.interval
    else:
        assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))


def test_the_order_of_episodes_does_not_matter() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=20), rng.normal(size=20)
    order, other = rng.permutation(20), rng.permutation(20)
    assert shuffled(a, b) == shuffled(a[order], b[other])
    assert flipped(a, b) == flipped(a[order], b[order])
    seeds = grid_seeds(4, 5)
    one, same = clustered(a, seeds, b, seeds), clustered(a[order], seeds[order], b[other], seeds[other])
    assert values_of(one) == pytest.approx(values_of(same))


@pytest.mark.parametrize("n", [2, 6, 20])
def test_equal_scores_differ_by_nothing_and_show_no_spread(n: int) -> None:
    same = np.full(n, 0.7)
    for found in (shuffled(same, same), flipped(same, same), clustered(same, own_seeds(n), same, own_seeds(n))):
        assert (found.estimate, found.p, found.interval) == (0, 1, None)


@pytest.mark.parametrize("scores", [[0.5], [0.5, np.nan], [0.5, np.inf]])
def test_a_single_score_and_one_that_is_no_number_are_refused(scores: list[float]) -> None:
    bad, good = np.array(scores), np.array([0.5, 0.6])
    for function in (shuffled, flipped):
        with pytest.raises(ValueError, match=r"needs two scores|finite|no pairs"):
            function(bad, good)


def rejections(design: str, draws: tuple[Draw, Draw], sizes: tuple[int, int], many: int, seed: int) -> int:
    """How often a true difference of nothing is rejected, which is how often the interval misses it."""
    rng = np.random.default_rng(seed)
    found = (DESIGNS[design](draws[0](rng, sizes[0]), draws[1](rng, sizes[1])) for _ in range(many))
    return sum(one.p <= LEVEL for one in found)


@pytest.mark.parametrize(
    ("design", "draws", "sizes", "chance"),
    [
        ("shuffled", (normal(), normal()), (5, 5), LEVEL),
        ("shuffled", (failing(0.4), failing(0.4)), (6, 20), LEVEL),
        ("shuffled", (failing(0.05), failing(0.05)), (12, 12), LEVEL),
        # Only the means are equal: docs/statistics.md has the rates.
        ("shuffled", (normal(), normal(3)), (20, 5), 0.07),
        ("shuffled", (failing(0.4), normal(0.5)), (12, 12), 0.07),
        ("flipped", (normal(), normal()), (8, 8), LEVEL),
        ("flipped", (failing(0.4), failing(0.4)), (12, 12), LEVEL),
    ],
)
def test_a_difference_of_nothing_is_rejected_no_more_often_than_promised(
    monkeypatch: pytest.MonkeyPatch, design: str, draws: tuple[Draw, Draw], sizes: tuple[int, int], chance: float
) -> None:
    monkeypatch.setattr(science, "SHUFFLES", 199)
    monkeypatch.setattr(science, "_EVERY", 1_000)
    monkeypatch.setattr(science, "_HALVINGS", 0)  # the interval follows from the test, as is shown above
    assert_no_more_often_than(rejections(design, draws, sizes, 400, seed=8), 400, chance)


@pytest.mark.parametrize("effects", [(0.0, 0.0), (1.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("paired", [False, True])
def test_grids_of_nothing_are_rejected_no_more_often_than_promised(effects: tuple[float, float], paired: bool) -> None:
    rng, seeds, count = np.random.default_rng(9), grid_seeds(6, 8), 0

    def arm() -> Array:
        own = effects[0] * rng.normal(size=(6, 1)) + effects[1] * rng.normal(size=(1, 8))
        return (own + rng.normal(size=(6, 8))).ravel()

    for _ in range(1_000):
        a, b = arm(), arm()
        found = clustered_pairs(a, b, seeds) if paired else clustered(a, seeds, b, seeds)
        assert found.interval is not None
        assert (found.p <= LEVEL) == (not found.interval[0] <= 0 <= found.interval[1])
        count += found.p <= LEVEL
    assert_no_more_often_than(count, 1_000, 0.06)


def test_cells_taken_for_independent_would_be_rejected_far_too_often() -> None:
    # What the clusters are for: without them the same grids fail the bound.
    rng, seeds, count = np.random.default_rng(10), own_seeds(48), 0
    for _ in range(300):
        a, b = ((rng.normal(size=(6, 1)) + rng.normal(size=(1, 8)) + rng.normal(size=(6, 8))).ravel() for _ in range(2))
        count += clustered(a, seeds, b, seeds).p <= LEVEL
    with pytest.raises(AssertionError, match="are more than"):
        assert_no_more_often_than(count, 300, 0.2)


def test_a_difference_is_found_by_enough_runs() -> None:
    rng = np.random.default_rng(11)
    found = shuffled(rng.normal(size=20), 2 + rng.normal(size=20))
    assert found.interval is not None
    assert found.interval[0] > 0
    assert found.p == pytest.approx(2 / 10_000)
