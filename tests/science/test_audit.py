"""What audited losers say about all losers."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from seedsweep.science.stopping.audit import estimate_regret


def test_what_is_seen_of_the_losers_is_scaled_by_the_chance_to_see_it() -> None:
    found = estimate_regret([0.70, 0.78, 0.74], 0.75, 0.25, maximize=True, best_possible=0.78)
    assert found.regret == pytest.approx(0.03 / 0.25)
    assert (found.winners.count, found.winners.n) == (1, 3)
    assert found.mean == pytest.approx(0.74)
    assert found.best == 0.78
    # One event of weight 0.12: the exact Poisson interval of one event is 0.0253 to 5.5716.
    assert found.interval is not None
    assert found.interval[0] == pytest.approx(0.03), "no less than what was seen"
    assert found.interval[1] == pytest.approx(5.5716 * 0.12, rel=0.01)


def test_losers_that_all_stayed_behind_give_no_regret_and_no_interval_of_it() -> None:
    found = estimate_regret([0.7, 0.75], 0.75, 0.5, maximize=True)
    assert (found.regret, found.interval, found.winners.count) == (0.0, None, 0)
    assert found.winners.high == pytest.approx(1 - 0.025 ** (1 / 2))


def test_a_metric_to_be_minimized_is_the_mirror_image() -> None:
    up = estimate_regret([0.7, 0.8], 0.75, 0.5, maximize=True)
    down = estimate_regret([-0.7, -0.8], -0.75, 0.5, maximize=False)
    assert (down.regret, down.winners, down.best) == (up.regret, up.winners, -up.best)
    up = estimate_regret([0.7, 0.8], 0.75, 0.5, maximize=True, best_possible=1.0)
    assert up == replace(down, mean=up.mean, best=up.best, interval=up.interval)
    assert up.interval == estimate_regret([-0.7, -0.8], -0.75, 0.5, maximize=False, best_possible=-1.0).interval


def test_the_upper_limit_allows_for_the_best_loser_that_there_can_be() -> None:
    far = estimate_regret([0.76], 0.75, 0.1, maximize=True, best_possible=1.0)
    near = estimate_regret([0.76], 0.75, 0.1, maximize=True, best_possible=0.8)
    assert far.interval is not None
    assert near.interval is not None
    assert far.interval[1] is not None
    assert near.interval[1] is not None
    assert far.interval[1] > 0.25 / 0.1 > near.interval[1] > 0.05 / 0.1


def test_a_metric_without_a_best_value_has_no_upper_limit() -> None:
    found = estimate_regret([0.76], 0.75, 0.1, maximize=True)
    assert found.interval is not None
    assert found.interval[1] is None


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_the_lower_limit_is_no_less_than_what_was_seen_and_no_more_than_the_estimate(
    finals: list[float], chance: float
) -> None:
    found = estimate_regret(finals, 0.5, chance, maximize=True, best_possible=1.0)
    if found.interval is not None:
        low, high = found.interval
        assert high is not None
        seen = math.fsum(max(0.0, x - 0.5) for x in finals)
        assert seen <= low <= found.regret <= high


def test_the_estimate_is_unbiased_over_draws_and_bounds_the_regret() -> None:
    coins = random.Random(0)
    losers = [0.6, 0.7, 0.76, 0.78, 0.79, 0.80] * 5
    truth = math.fsum(max(0.0, x - 0.75) for x in losers)
    found, covered = [], 0
    for _ in range(2_000):
        seen = [x for x in losers if coins.random() < 0.3]
        if seen:
            estimate = estimate_regret(seen, 0.75, 0.3, maximize=True, best_possible=1.0)
            found.append(estimate.regret)
            low, high = estimate.interval or (math.inf, None)
            covered += low <= truth and high is not None and truth <= high
    assert math.fsum(found) / len(found) == pytest.approx(truth, rel=0.03)
    assert truth >= max(losers) - 0.75
    assert covered / len(found) >= 0.94


def test_the_interval_is_that_of_fay_and_feuer() -> None:
    excess = [0.01, 0.03, 0.05]
    found = estimate_regret([0.75 + x for x in excess], 0.75, 0.2, maximize=True, best_possible=0.9)
    weights = [x / 0.2 for x in excess]
    total, squares, largest = sum(weights), sum(w * w for w in weights), 0.15 / 0.2
    low = squares / (2 * total) * chi2.ppf(0.025, 2 * total**2 / squares)
    more, wider = total + largest, squares + largest**2
    high = wider / (2 * more) * chi2.ppf(0.975, 2 * more**2 / wider)
    assert found.interval is not None
    assert found.interval[0] == pytest.approx(max(low, sum(excess)), abs=0.02 * total)
    assert found.interval[1] == pytest.approx(high, rel=0.01)


def test_nothing_to_estimate_from_is_refused() -> None:
    with pytest.raises(ValueError, match="no audited loser"):
        estimate_regret([], 0.5, 0.5, maximize=True)
    for chance in (0.0, 1.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            estimate_regret([0.5], 0.5, chance, maximize=True)
