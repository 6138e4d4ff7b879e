"""How often `seedsweep plan` advises a cut: where none gains, and where runs fail, on made-up histories.

    python bench/plan_calibration.py [--histories 400]

Prints the table of docs/plan.md, in about ten minutes.
"""

import argparse
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from seedsweep.science.stopping.plan_value import Runs
from seedsweep.science.stopping.planning import plan_budgets, splits_of

Floats = NDArray[np.float64]
Scores = Callable[[np.random.Generator, int], Floats]
SIZES = (24, 48, 96)
GRID = 10


def runs_of(scores: Floats, seeds: NDArray[np.intp]) -> Runs:
    return Runs(scores, None, np.full(len(scores), scores.shape[1]), scores.max(axis=1), seeds)


def alone(count: int) -> NDArray[np.intp]:
    """Seeds of its own for each run."""
    return np.repeat(np.arange(count)[:, None], 2, axis=1)


def no_gain(rng: np.random.Generator, count: int) -> Floats:
    """One rung. With a correlation of 2/3 the best-placed of three is worth as much as the best of two drawn."""
    rung, noise = rng.normal(size=(2, count))
    return np.column_stack([rung, 20 + 2 / 3 * rung + 5**0.5 / 3 * noise])


def nothing_told(rng: np.random.Generator, count: int) -> Floats:
    """Ten evaluations, of which the last alone counts, and no other tells anything of it: every cut loses."""
    scores = rng.normal(size=(count, 10))
    scores[:, -1] += 20
    return scores


def failing(share: float) -> Scores:
    """Ten evaluations that rise, and a share of runs that stays where it began."""

    def scores(rng: np.random.Generator, count: int) -> Floats:
        height = np.where(rng.random(count) < share, 0.0, rng.normal(0.2, 0.02, count))
        rise = height[:, None] * (1 - np.exp(-np.arange(1, 11) / 3))
        found: Floats = 0.5 + rise + rng.normal(0, 0.015, (count, 10))
        return found

    return scores


KINDS: dict[str, tuple[int, Scores, int]] = {
    "the best cut gains nothing": (2, no_gain, 1),
    "the rung tells nothing of the end": (4, nothing_told, 4),
    "no run fails": (4, failing(0.0), 20),
    "three in ten fail": (4, failing(0.3), 20),
    "six in ten fail": (4, failing(0.6), 20),
}
"""By kind the budget, the scores, and by how much fewer histories do: where a share is near 0 or 1."""


def advised(scores: Scores, seeds: NDArray[np.intp], budget: int, many: int) -> float:
    """The share of histories in which a cut is advised."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(many):
        runs = runs_of(scores(rng, len(seeds)), seeds)
        evaluations = runs.scores.shape[1]
        shares = [Fraction(e, evaluations) for e in range(1, evaluations + 1)]
        [planned] = plan_budgets([runs], [budget], shares, None, splits_of([runs]))
        found += planned.plan.evaluation is not None
    return found / many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=400)
    many = parser.parse_args().histories
    grid = np.array([(w, d) for w in range(GRID) for d in range(GRID)])
    print("| histories | how many | budget | " + " | ".join(f"{n} runs" for n in SIZES) + f" | {GRID} x {GRID} seeds |")
    print("| --- | --- | --- |" + " --- |" * (len(SIZES) + 1))
    for name, (budget, scores, fewer) in KINDS.items():
        times = max(1, many // fewer)
        cells = [f"{advised(scores, seeds, budget, times):.1%}" for seeds in (*map(alone, SIZES), grid)]
        print(f"| {name} | {times} | {budget} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
