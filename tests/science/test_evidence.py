"""What the score at a cut tells of the end."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from seedsweep.science.stopping.evidence import evidence, signals


def curves(count: int = 40, evaluations: int = 10, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.7, 0.05, size=(count, evaluations))


def test_the_correlation_is_scipys_of_the_score_so_far_with_the_best_after_it() -> None:
    scores = np.round(curves(), 2)
    [found] = [x for x in evidence(scores, None, [4], (10, 3), maximize=True) if x.signal == "best so far"]
    expected = spearmanr(scores[:, :4].max(axis=1), scores[:, 4:].max(axis=1)).statistic
    assert found.correlation == pytest.approx(expected)


def test_noise_tells_nothing_of_what_comes_after() -> None:
    found = [evidence(curves(200, seed=s), None, [5], (12, 4), maximize=True)[0].correlation for s in range(20)]
    assert np.mean([x for x in found if x is not None]) == pytest.approx(0, abs=0.06)


def test_noise_keeps_the_best_more_often_than_a_random_choice_as_it_may_lie_before_the_cut() -> None:
    kept = [evidence(curves(200, seed=s), None, [5], (12, 4), maximize=True)[0].kept for s in range(20)]
    # Half of the best evaluations are before the cut; of the others a third is kept.
    assert np.mean(kept) == pytest.approx(2 / 3, abs=0.05)


def test_curves_that_never_cross_keep_the_best_for_certain() -> None:
    scores = np.linspace(0.5, 0.9, 20)[:, None] + np.linspace(0, 0.05, 8)
    for found in evidence(scores, -scores, [1, 4, 7], (8, 2), maximize=True):
        assert found.correlation == pytest.approx(1)
        assert found.kept == 1.0


def test_where_all_are_kept_so_is_the_best() -> None:
    assert {x.kept for x in evidence(curves(), None, [3], (9, 9), maximize=True)} == {1.0}


def test_equal_scores_keep_the_best_by_chance_alone() -> None:
    scores = np.full((40, 4), 0.5)
    scores[:, 3] = np.random.default_rng(0).permutation(40)
    [found] = [x for x in evidence(scores, None, [2], (8, 2), maximize=True) if x.signal == "latest"]
    assert found.correlation is None
    assert found.kept == pytest.approx(0.25, abs=0.04)


def test_a_metric_to_be_minimized_is_the_mirror_image() -> None:
    scores = curves()
    up = evidence(scores, None, [3, 6], (10, 3), maximize=True)
    assert evidence(-scores, None, [3, 6], (10, 3), maximize=False) == up


def test_undefined_scores_rank_below_every_number() -> None:
    scores = curves(10)
    scores[0, :5] = np.nan
    found = signals(np.where(np.isfinite(scores), scores, -np.inf), None, 4)
    assert all(signal.argmin() == 0 for signal in found.values())
    assert len(evidence(scores, None, [4], (5, 2), maximize=True)) == 3


def test_who_has_diverged_ranks_last_whatever_it_had_before() -> None:
    worth = curves(10)
    worth[0, 0] = 0.99
    worth[0, 3:] = -np.inf
    assert signals(worth, None, 3)["best so far"].argmax() == 0
    assert signals(worth, None, 4)["best so far"].argmin() == 0


@pytest.mark.parametrize(
    ("count", "at", "design", "said"),
    [(2, 1, (2, 1), "too few"), (5, 0, (4, 2), "from 1 to 9"), (5, 10, (4, 2), "from 1 to 9"), (5, 3, (6, 2), "keep")],
)
def test_what_cannot_be_told_is_refused(count: int, at: int, design: tuple[int, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        evidence(curves(count), None, [at], design, maximize=True)
