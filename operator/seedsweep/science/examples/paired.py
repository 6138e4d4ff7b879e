"""Two models on the same examples: is one better than the other by more than the draw of examples explains?"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from seedsweep.science.examples.answers import Answers, scores

LEVEL = 0.05
SWAPS = 1_999
"""The smallest p-value of the permutation test is 1 in so many and one."""


@dataclass(frozen=True, slots=True)
class Paired:
    """The first model against the second."""

    difference: float
    """Of their scores, in the metric's unit."""
    p: float
    """Two-sided."""
    exact: bool
    """McNemar's exact test; else a permutation test."""
    first_alone: int
    """Examples that the first answers right and the second wrong; for values, those it is nearer to."""
    second_alone: int

    @property
    def told_apart(self) -> bool:
        """Whether the examples tell one from the other, at LEVEL."""
        return self.p <= LEVEL


def paired_test(answers: Answers) -> Paired:
    """Compare two models, the rows of `answers`.

    Accuracy: McNemar's exact test (McNemar 1947, binomial form), conditional on the examples that one alone answers
    right. Other metrics: the two answers to an example are swapped at random, which changes nothing in distribution
    where the models are alike; p = (r + 1) / (SWAPS + 1).

    Raises:
        ValueError: not two models.
    """
    if answers.models != 2:
        raise ValueError(f"a paired test is of two models, not of {answers.models}")
    first, second = scores(answers)[0]
    difference = float(first - second)
    away = np.abs(answers.said - answers.labels)
    if answers.metric != "mse":
        away = (away > 0).astype(np.float64)
    alone = int((away[0] < away[1]).sum()), int((away[1] < away[0]).sum())
    if answers.metric == "accuracy":
        # Both tails of a fair coin; without an example that tells them apart it is 1.
        p = min(1.0, 2 * float(special.bdtr(min(alone), sum(alone), 0.5)))
        return Paired(difference, p, True, *alone)
    # Examples with the same label and answers are swapped alike: of each such kind, it matters how many are.
    kinds, counts = np.unique(np.vstack([answers.labels, answers.said]), axis=1, return_counts=True)
    swapped = np.random.default_rng(0).binomial(counts, 0.5, size=(SWAPS, len(counts)))
    labels, said = np.tile(kinds[0], 2), np.hstack([kinds[[1, 2]], kinds[[2, 1]]])
    weights = np.hstack([counts - swapped, swapped]).astype(np.float64)
    one, other = scores(Answers(answers.metric, labels, said, answers.positive), weights).T
    above = int((np.abs(one - other) >= abs(difference) * (1 - 1e-9)).sum())
    return Paired(difference, (above + 1) / (SWAPS + 1), False, *alone)
