"""Two groups among scores: the best split by brute force, and how often one is found where there is none."""

import numpy as np
import pytest

from seedsweep.science.bimodality import FEWEST, find_two_groups


def test_the_split_is_the_best_of_all() -> None:
    scores = np.random.default_rng(0).normal(size=12)
    ordered = np.sort(scores)
    total = float(((ordered - ordered.mean()) ** 2).sum())
    within = {
        at: sum(float(((part - part.mean()) ** 2).sum()) for part in np.split(ordered, [at])) for at in range(2, 11)
    }
    best = min(within, key=lambda at: within[at])
    found = find_two_groups(scores.tolist())
    assert found is not None
    assert (found.lower, found.upper) == (best, 12 - best)
    assert found.explained == pytest.approx(1 - within[best] / total)
    assert found.lower_mean == pytest.approx(ordered[:best].mean())


def test_failed_and_healthy_runs_are_two_groups_in_any_order() -> None:
    rng = np.random.default_rng(1)
    scores = np.r_[0.53 + 0.002 * rng.normal(size=8), 0.68 + 0.02 * rng.normal(size=12)]
    found = find_two_groups(scores.tolist())
    assert found is not None
    assert (found.lower, found.upper) == (8, 12)
    assert found.p <= 0.01
    assert find_two_groups(scores[::-1].tolist()) == found


@pytest.mark.parametrize("scores", [[0.5] * 20, [0.1, 0.9] * 3, []])
def test_equal_or_few_scores_tell_nothing(scores: list[float]) -> None:
    assert len(scores) in (0, 6, 20)
    assert FEWEST == 8
    assert find_two_groups(scores) is None


def test_a_score_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        find_two_groups([float("nan")] * 10)


@pytest.mark.parametrize(("kind", "most"), [("normal", 0.03), ("uniform", 0.09)])
def test_one_group_is_seldom_taken_for_two(kind: str, most: float) -> None:
    rng = np.random.default_rng(2)
    found = [find_two_groups(getattr(rng, kind)(size=25).tolist()) for _ in range(200)]
    assert sum(groups is not None and groups.p <= 0.05 for groups in found) / 200 <= most
