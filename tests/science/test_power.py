"""How many runs tell a difference: against simulation, and by properties."""

import numpy as np
import pytest
from scipy import stats

from seedsweep.science.arms.power import POWER, difference_to_tell, runs_to_tell


def found(rng: np.random.Generator, runs: int, difference: float, deviations: tuple[float, float]) -> float:
    """The share of 4,000 studies in which Welch's test finds the difference on its side."""
    a, b = (deviation * rng.normal(size=(4_000, runs)) for deviation in deviations)
    result = stats.ttest_ind(b + difference, a, axis=1, equal_var=False)
    return float(((result.pvalue <= 0.05) & (result.statistic > 0)).mean())


@pytest.mark.parametrize(("difference", "deviations"), [(1.0, (1.0, 1.0)), (0.5, (1.0, 1.0)), (1.0, (0.3, 2.0))])
def test_so_many_runs_find_the_difference_four_times_of_five_and_fewer_do_not(
    difference: float, deviations: tuple[float, float]
) -> None:
    runs = runs_to_tell(difference, deviations, 4, 10_000)
    assert runs is not None
    rng = np.random.default_rng(0)
    # 4,000 studies know a share to 0.02 at three standard errors.
    assert found(rng, runs, difference, deviations) == pytest.approx(POWER, abs=0.04)
    assert found(rng, runs * 3 // 4, difference, deviations) < POWER - 0.03


def test_pairs_are_counted_by_the_spread_of_their_differences() -> None:
    runs = runs_to_tell(0.5, (1.0,), 6, 10_000)
    assert runs is not None
    apart = 0.5 + np.random.default_rng(1).normal(size=(4_000, runs))
    result = stats.ttest_1samp(apart, 0, axis=1)
    assert float(((result.pvalue <= 0.05) & (result.statistic > 0)).mean()) == pytest.approx(POWER, abs=0.02)


def test_a_difference_that_needs_more_runs_than_there_may_be_has_no_number() -> None:
    assert runs_to_tell(1e-6, (1.0, 1.0), 4, 10_000) is None
    assert runs_to_tell(0.04, (1.0, 1.0), 4, 10_000) == pytest.approx(2 * (1.96 + 0.8416) ** 2 / 0.04**2, rel=0.01)


def test_never_fewer_than_any_test_needs() -> None:
    assert runs_to_tell(100.0, (1.0, 1.0), 4, 10_000) == 4
    assert runs_to_tell(1.0, (0.0, 0.0), 4, 10_000) == 4


def test_either_direction_needs_as_many_and_a_difference_of_nothing_is_refused() -> None:
    assert runs_to_tell(-0.7, (1.0, 1.0), 4, 10_000) == runs_to_tell(0.7, (1.0, 1.0), 4, 10_000)
    with pytest.raises(ValueError, match="difference of 0"):
        runs_to_tell(0.0, (1.0, 1.0), 4, 10_000)


@pytest.mark.parametrize("freedom", [1, 4, 98, 20_000])
def test_the_difference_to_tell_is_the_one_that_the_runs_would_find(freedom: int) -> None:
    shift = difference_to_tell(1.0, freedom)
    rng = np.random.default_rng(2)
    t = (shift + rng.normal(size=100_000)) / np.sqrt(rng.chisquare(freedom, size=100_000) / freedom)
    assert float((t > stats.t.isf(0.025, freedom)).mean()) == pytest.approx(POWER, abs=0.01)
    assert difference_to_tell(0.01, freedom) == pytest.approx(shift / 100)
