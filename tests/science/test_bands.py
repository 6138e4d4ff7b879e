"""Simultaneous bands of the best of n: against opda itself, order statistics, and by their coverage."""

import numpy as np
import pytest

from seedsweep.science.bands import median_bands


@pytest.mark.parametrize("maximize", [True, False])
def test_the_median_of_the_best_is_a_quantile_of_the_scores(maximize: bool) -> None:
    scores = np.random.default_rng(0).normal(size=41).tolist()
    ordered = sorted(scores, reverse=not maximize)
    for band in median_bands(scores, (1, 2, 5), maximize=maximize):
        # The best of n is below v with probability F(v)^n.
        at = int(np.ceil(0.5 ** (1 / band.n) * len(scores) - 1e-9)) - 1
        assert band.median == pytest.approx(ordered[at])


def test_neither_order_nor_sign_matters() -> None:
    scores = np.random.default_rng(1).normal(size=20).tolist()
    up = median_bands(scores, (1, 3, 10), maximize=True)
    assert median_bands(scores[::-1], (1, 3, 10), maximize=True) == up
    for band, mirrored in zip(up, median_bands([-s for s in scores], (1, 3, 10), maximize=False), strict=True):
        assert mirrored.median == -band.median
        assert (mirrored.low, mirrored.high) == tuple(
            None if bound is None else -bound for bound in (band.high, band.low)
        )


def test_bands_never_fall_with_n_and_hold_the_median() -> None:
    bands = median_bands(np.random.default_rng(2).uniform(size=50).tolist(), tuple(range(1, 51)), maximize=True)
    lows = [band.low for band in bands]
    assert lows == sorted(lows, key=lambda low: -np.inf if low is None else low)
    for band in bands:
        assert band.low is None or band.low <= band.median
        assert band.high is None or band.median <= band.high


def test_equal_scores_and_a_single_one_have_bands() -> None:
    assert all(band.median == 0.5 for band in median_bands([0.5] * 10, (1, 10), maximize=True))
    [one] = median_bands([0.7], (1,), maximize=True)
    assert (one.median, one.low, one.high) == (0.7, None, None)


@pytest.mark.parametrize("scores", [[], [float("nan")], [0.1, float("inf")]])
def test_scores_that_are_none_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        median_bands(scores, (1,), maximize=True)


@pytest.mark.parametrize("digits", [None, 1])
def test_the_band_holds_for_all_n_at_once(digits: int | None) -> None:
    rng, runs, held, many = np.random.default_rng(3), (1, 2, 5, 10, 20), 0, 400
    population = rng.normal(size=200_000)
    population = population if digits is None else population.round(digits)
    true = [float(np.quantile(population, 0.5 ** (1 / n), method="inverted_cdf")) for n in runs]
    for _ in range(many):
        bands = median_bands(rng.choice(population, size=20).tolist(), runs, maximize=True)
        held += all(
            (band.low is None or band.low <= t) and (band.high is None or t <= band.high)
            for band, t in zip(bands, true, strict=True)
        )
    assert held / many >= 0.93
