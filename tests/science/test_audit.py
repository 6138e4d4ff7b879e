"""What audited losers say about all losers."""

import math
import random

import pytest
from scipy.stats import chi2

from seedsweep.science.audit import estimate_regret


def test_what_is_seen_of_the_losers_is_scaled_by_the_chance_to_see_it() -> None:
    found = estimate_regret([0.70, 0.78, 0.74], 0.75, 0.25, maximize=True)
    assert found.regret == pytest.approx(0.03 / 0.25)
    assert (found.winners.count, found.winners.n) == (1, 3)
    assert found.mean == pytest.approx(0.74)
    assert found.best == 0.78
    # One event of weight 0.12: the exact Poisson interval of one event is 0.0253 to 5.5716.
    assert found.interval is not None
    assert found.interval[0] <= 0.0253 * 0.12
    assert found.interval[1] == pytest.approx(5.5716 * 0.12, rel=0.01)


def test_losers_that_all_stayed_behind_give_no_regret_and_no_interval_of_it() -> None:
    found = estimate_regret([0.7, 0.75], 0.75, 0.5, maximize=True)
    assert (found.regret, found.interval, found.winners.count) == (0.0, None, 0)
    assert found.winners.high == pytest.approx(1 - 0.025 ** (1 / 2))


def test_a_metric_to_be_minimized_is_the_mirror_image() -> None:
    up = estimate_regret([0.7, 0.8], 0.75, 0.5, maximize=True)
    down = estimate_regret([-0.7, -0.8], -0.75, 0.5, maximize=False)
    assert (down.regret, down.winners, down.best) == (up.regret, up.winners, -up.best)


def test_the_estimate_is_unbiased_over_draws_and_bounds_the_regret() -> None:
    coins = random.Random(0)
    losers = [0.6, 0.7, 0.76, 0.78, 0.79, 0.80] * 5
    truth = math.fsum(max(0.0, x - 0.75) for x in losers)
    found, covered = [], 0
    for _ in range(2_000):
        seen = [x for x in losers if coins.random() < 0.3]
        if seen:
            estimate = estimate_regret(seen, 0.75, 0.3, maximize=True)
            found.append(estimate.regret)
            covered += estimate.interval is not None and estimate.interval[0] <= truth <= estimate.interval[1]
    assert math.fsum(found) / len(found) == pytest.approx(truth, rel=0.03)
    assert truth >= max(losers) - 0.75
    assert covered / len(found) >= 0.94


def test_the_interval_is_that_of_fay_and_feuer() -> None:
    excess = [0.01, 0.03, 0.05]
    found = estimate_regret([0.75 + x for x in excess], 0.75, 0.2, maximize=True)
    weights = [x / 0.2 for x in excess]
    total, squares, largest = sum(weights), sum(w * w for w in weights), max(weights)
    low = squares / (2 * total) * chi2.ppf(0.025, 2 * total**2 / squares)
    more, wider = total + largest, squares + largest**2
    high = wider / (2 * more) * chi2.ppf(0.975, 2 * more**2 / wider)
    assert found.interval is not None
    assert found.interval[0] == pytest.approx(low, abs=0.02 * total)
    assert found.interval[1] == pytest.approx(high, rel=0.01)


def test_nothing_to_estimate_from_is_refused() -> None:
    with pytest.raises(ValueError, match="no audited loser"):
        estimate_regret([], 0.5, 0.5, maximize=True)
    for chance in (0.0, 1.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            estimate_regret([0.5], 0.5, chance, maximize=True)
