"""What the score at a cut tells of the end, from whole runs: evidence for the share f at which to cut."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Curves = NDArray[np.float64]
"""(episodes, evaluations); NaN where undefined."""
DRAWS = 2_000
SMOOTHED = 3
"""Evaluations that the smoothed signal is the mean of."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One signal at one evaluation."""

    evaluation: int
    signal: str
    correlation: float | None
    """Spearman's, with the best score after it; None where either does not vary."""
    kept: float
    """Chance that the best of the drawn episodes, over their whole runs, is among those kept."""


def evidence(
    scores: Curves, losses: Curves | None, evaluations: list[int], design: tuple[int, int], *, maximize: bool
) -> list[Evidence]:
    """For every evaluation and signal, what a cut there would have seen.

    The score at e is compared with the best *after* e: with the best of all it would correlate where there is nothing
    but noise, for a part of what is compared is the same.

    Args:
        scores: of episodes that were all trained fully.
        losses: beside them, where told.
        evaluations: e, each from 1 to E - 1.
        design: t, how many episodes are drawn without replacement, and p, how many of them are kept.
        maximize: whether a higher score is better.

    Raises:
        ValueError: fewer than three episodes, an evaluation out of range, or a design that cannot be drawn.
    """
    started, keep = design
    if len(scores) < 3:
        raise ValueError(f"{len(scores)} episodes are too few for a rank correlation: needs 3")
    if not 1 <= keep <= started <= len(scores):
        raise ValueError(f"cannot keep {keep} of {started} drawn from {len(scores)} episodes")
    if not all(1 <= e < scores.shape[1] for e in evaluations):
        raise ValueError(f"evaluations must be from 1 to {scores.shape[1] - 1}")
    sign = 1.0 if maximize else -1.0
    worth = np.where(np.isfinite(scores), sign * scores, -np.inf)
    whole = worth.max(axis=1)
    rng = np.random.default_rng(0)
    drawn = rng.random((DRAWS, len(scores))).argsort(axis=1)[:, :started]
    # Exact ties are broken by a hash in a sweep, at random here.
    jitter = rng.random((DRAWS, started))
    found = []
    for e in evaluations:
        after = worth[:, e:].max(axis=1)
        for name, signal in signals(worth, losses, e).items():
            found.append(Evidence(e, name, _spearman(signal, after), _chance(signal, whole, drawn, jitter, keep)))
    return found


def signals(worth: Curves, losses: Curves | None, evaluation: int) -> Mapping[str, Curves]:
    """What a cut could rank by, higher is better: `worth` is the score, turned so, with -inf where undefined.

    A run without a defined score from there on has diverged: it ranks last whatever it had before.
    """
    over = ~np.isfinite(worth[:, evaluation - 1 :]).any(axis=1)
    recent = worth[:, max(0, evaluation - SMOOTHED) : evaluation]
    defined = np.isfinite(recent)
    total = np.where(defined, recent, 0.0).sum(axis=1)
    smoothed = np.where(defined.any(axis=1), total / np.maximum(1, defined.sum(axis=1)), -np.inf)
    found = {"best so far": worth[:, :evaluation].max(axis=1), "latest": worth[:, evaluation - 1], "smoothed": smoothed}
    if losses is not None:
        latest = losses[:, evaluation - 1]
        found["validation loss"] = np.where(np.isfinite(latest), -latest, -np.inf)
    return {name: np.where(over, -np.inf, signal) for name, signal in found.items()}


def _spearman(one: Curves, other: Curves) -> float | None:
    ranks = [stats.rankdata(values) for values in (one, other)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _chance(signal: Curves, whole: Curves, drawn: NDArray[np.intp], jitter: Curves, keep: int) -> float:
    order = np.lexsort((jitter, -signal[drawn]), axis=1)
    kept = np.take_along_axis(drawn, order[:, :keep], axis=1)
    return float((whole[kept].max(axis=1) == whole[drawn].max(axis=1)).mean())
