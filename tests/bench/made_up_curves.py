"""Curves for tests of the comparison."""

from collections.abc import Sequence

import numpy as np

from compare_curves import Curves, Draw

STEPS = tuple(range(6, 61, 6))


def made_up(count: int = 20, seed: int = 0) -> Curves:
    """Random scores to two digits, so that some are equal; ten evaluations of six steps."""
    rng = np.random.default_rng(seed)
    seeds = np.array([(i // 5, i % 5) for i in range(count)])
    scores = np.round(rng.uniform(0.5, 0.8, (count, 10)), 2)
    return Curves(seeds, scores, rng.uniform(0.4, 0.8, (count, 10)), STEPS)


def with_a_star(curves: Curves, star: int) -> Curves:
    """The same, but one episode is above all others at every evaluation."""
    scores = curves.scores.copy()
    scores[star] = np.linspace(0.9, 0.99, 10)
    return Curves(curves.seeds, scores, curves.losses, curves.steps)


def in_order(curves: Curves, paces: Sequence[float] | None = None) -> Draw:
    """Started in the order they stand in, all at one pace unless told."""
    return Draw(curves, np.array(paces) if paces is not None else np.ones(len(curves)), 0)
