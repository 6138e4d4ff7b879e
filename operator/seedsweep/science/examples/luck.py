"""How much of the differences between models is the draw of the validation examples, and how much would stay.

Models are scored on the same examples, so that only what an example does to one model and not to the others is noise of
their differences.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedsweep.science.examples.answers import Answers, Floats, scores

SPLITS = 200
DRAWS = 1_000
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Luck:
    """The variance of scores over models, taken apart. Deviations are in the metric's unit."""

    observed: float
    """Standard deviation of the scores (divisor t - 1)."""
    skill: float
    """What of it other examples would show again; 0 where the estimate of its square is negative."""
    noise: float
    """What of it is the draw of these examples."""
    optimism: float | None
    """By how much the best score is expected to fall on other examples. None where its kind has no other model."""
    alike: float | None
    """Mean share of examples that two models answer alike; None for predicted values."""

    @property
    def reliability(self) -> float:
        """Share of the variance that is skill; 1 where no model differs."""
        return self.skill**2 / self.observed**2 if self.observed > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Redrawn:
    """What would be chosen on another validation set of the same size."""

    same: float
    """Chance that the same models are chosen."""
    changed: float
    """Mean number of them that would be others."""
    chances: tuple[float, ...]
    """Of each model to be chosen."""


def take_apart(answers: Answers, *, maximize: bool, healthy: NDArray[np.bool_] | None = None) -> Luck:
    """Skill and luck of t models.

    The variance that stays is the covariance of scores on two halves of the examples, averaged over SPLITS random
    halvings: unbiased for means over examples, such as accuracy. The optimism is that of shrinkage, (1 - reliability)
    times the distance of the best score from the mean (Efron and Morris 1975), among the `healthy` models where given:
    those that are no failed runs, which would make every difference look like skill.

    Raises:
        ValueError: fewer than two models or examples.
    """
    found = scores(answers)[0]
    observed, skill = _variances(answers, found)
    best = _best_gap(answers, found, maximize, healthy)
    return Luck(
        observed=float(np.sqrt(observed)),
        skill=float(np.sqrt(skill)),
        noise=float(np.sqrt(observed - skill)),
        optimism=best,
        alike=None if answers.metric == "mse" else _alike(answers.said),
    )


def redraw(answers: Answers, chosen: int, *, maximize: bool, healthy: NDArray[np.bool_] | None = None) -> Redrawn:
    """What a choice of the first `chosen` models comes to on examples drawn anew.

    A plain bootstrap keeps the lead of whoever was lucky, and calls a choice among equals stable. So scores are drawn
    from what is expected of them after these examples: each shrunk towards the mean of the `healthy` models (or of
    all) by the reliability, with the uncertainty that this leaves, plus the noise of a bootstrap of the examples, which
    all models share. Ties are broken at random.

    Args:
        answers: of t models, those that were chosen first.
        chosen: how many were, from 1 to t.
        maximize: whether a higher score is better.
        healthy: shape (t,), models whose skills are of one kind; the others are not shrunk.

    Raises:
        ValueError: fewer than two models or examples, or `chosen` out of range.
    """
    if not 1 <= chosen <= answers.models:
        raise ValueError(f"{chosen} of {answers.models} models cannot be chosen")
    found = scores(answers)[0]
    rng = np.random.default_rng(0)
    expected, spread = _posterior(answers, found, healthy)
    weights = rng.multinomial(answers.examples, np.full(answers.examples, 1 / answers.examples), size=DRAWS)
    drawn = scores(answers, weights.astype(np.float64)) - found + expected
    drawn += spread * rng.normal(size=drawn.shape)
    order = np.lexsort((rng.random(drawn.shape), -drawn if maximize else drawn), axis=1)
    picked = np.zeros(drawn.shape, dtype=bool)
    np.put_along_axis(picked, order[:, :chosen], True, axis=1)
    stayed = picked[:, :chosen].sum(axis=1)
    chances = tuple(float(share) for share in picked.mean(axis=0))
    return Redrawn(float((stayed == chosen).mean()), float((chosen - stayed).mean()), chances)


def binomial_noise(accuracies: Floats, examples: int) -> float:
    """Standard deviation of an accuracy over draws of examples, sqrt of the mean of a (1 - a) / n.

    It is more than the noise of differences between models, which share their examples: luck is over-, skill
    underestimated.
    """
    return float(np.sqrt((accuracies * (1 - accuracies) / examples).mean()))


def _variances(answers: Answers, found: Floats) -> tuple[float, float]:
    """Of the scores, and of it what stays: from 0 to all of it."""
    if answers.models < 2 or answers.examples < 2:
        raise ValueError(f"{answers.models} models and {answers.examples} examples are too few: needs two of each")
    observed = float(found.var(ddof=1))
    if observed <= (_ROUNDING * float(np.abs(found).max())) ** 2:
        return 0.0, 0.0
    rng = np.random.default_rng(1)
    ranks = rng.random((SPLITS, answers.examples)).argsort(axis=1)
    half = (ranks < answers.examples // 2).astype(np.float64)
    one, other = scores(answers, half), scores(answers, 1 - half)
    one, other = (part - part.mean(axis=1, keepdims=True) for part in (one, other))
    together = float((one * other).sum(axis=1).mean()) / (answers.models - 1)
    return observed, min(max(0.0, together), observed)


def _posterior(answers: Answers, found: Floats, healthy: NDArray[np.bool_] | None) -> tuple[Floats, Floats]:
    """What is expected of each model's score on other examples, and how uncertain that is, as standard deviations."""
    among = np.flatnonzero(healthy) if healthy is not None else np.arange(answers.models)
    expected, spread = found.copy(), np.zeros(answers.models)
    if len(among) < 2:
        return expected, spread
    observed, skill = _variances(answers.of(among), found[among])
    reliability = skill / observed if observed > 0 else 0.0
    mean = found[among].mean()
    expected[among] = mean + reliability * (found[among] - mean)
    spread[among] = np.sqrt(reliability * (observed - skill))
    return expected, spread


def _best_gap(answers: Answers, found: Floats, maximize: bool, healthy: NDArray[np.bool_] | None) -> float | None:
    best = int(found.argmax() if maximize else found.argmin())
    if healthy is not None and (not healthy[best] or healthy.sum() < 2):
        return None
    expected, _ = _posterior(answers, found, healthy)
    return abs(float(found[best] - expected[best]))


def _alike(said: Floats) -> float:
    """Of all pairs of models, the mean share of examples with equal answers."""
    models = len(said)
    pairs = np.zeros(said.shape[1])
    for one in np.unique(said):
        count = (said == one).sum(axis=0)
        pairs += count * (count - 1)
    return float((pairs / (models * (models - 1))).mean())
