"""How long `seedsweep plan` takes for budgets of 1 to 30 full runs on 625 made-up curves of 30 evaluations.

    python bench/plan_budgets.py

Processor seconds for 20 splits and for as many as the command makes; the first row is the one of docs/benchmarks.md
with a bar. Below a minute on one core.
"""

import time
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

import machine
from seedsweep.science.stopping.plan_value import Runs
from seedsweep.science.stopping.planning import SPLITS, plan_budgets, splits_of

EVALUATIONS = 30
SHARES = [Fraction(e, EVALUATIONS) for e in range(1, EVALUATIONS + 1)]
BAR = 20.0


def made_up(seeds: NDArray[np.intp]) -> Runs:
    """Rising curves with noise, a third of which fail; no two scores are equal, which is the slowest case."""
    rng = np.random.default_rng(0)
    height = np.where(rng.random(len(seeds)) < 1 / 3, 0.0, rng.normal(0.2, 0.02, len(seeds)))
    rise = height[:, None] * (1 - np.exp(-np.arange(1, EVALUATIONS + 1) / 8))
    scores = 0.5 + rise + rng.normal(0, 0.01, (len(seeds), EVALUATIONS))
    return Runs(scores, None, np.full(len(seeds), EVALUATIONS), scores.max(axis=1), seeds)


def main() -> None:
    grid = np.array([(w, d) for w in range(25) for d in range(25)])
    alone = np.repeat(np.arange(625)[:, None], 2, axis=1)
    print(machine.described())
    print("\n| 625 curves | splits | processor seconds | bar |\n| --- | --- | --- | --- |")
    for splits, bar in ((20, f"{BAR:g}"), (SPLITS, "")):
        for name, seeds in (("each with seeds of its own", alone), ("25 x 25 seeds", grid)):
            runs, before = made_up(seeds), time.process_time()
            plan_budgets([runs], range(1, 31), SHARES, 1.0, splits_of([runs], splits))
            print(f"| {name} | {splits} | {time.process_time() - before:.1f} | {bar} |", flush=True)


if __name__ == "__main__":
    main()
