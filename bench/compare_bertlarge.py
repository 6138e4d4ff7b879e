"""Ray's, Optuna's and RapidFire AI's early stopping, and SeedSweep's, on recorded runs of BERT-large.

    pip install '.[bench]' && python bench/compare_bertlarge.py [--seeds ../shared/data/seeds] [--draws 100]

Prints the last tables of docs/comparison.md, in about five minutes on a core. All methods replay the same draws with
four workers, as in bench/compare_peers.py, and get the same budget of steps, as nearly as each can keep to it.
"""

import argparse
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from compare_curves import Curves, draw
from floor import CHOSEN
from stopping_pays import RECIPES, SCORES, Floats, Runs, folder_of_others, read

BUDGETS = (4, 8, 16)
"""Full runs. With 16 some rules start all of the 50 runs that there are."""
WORKERS = 4
COSTING = 4
"""Draws from which a method's number of episodes is chosen, by cost alone."""
STEPS = {"RTE": 23, "MRPC": 34}
"""From one evaluation to the next."""


def curves_of(runs: Runs, task: str) -> Curves:
    """The same as the replays take them; one seed drives both."""
    seeds = np.arange(len(runs.scores))
    steps = tuple(STEPS[task] * (i + 1) for i in range(runs.scores.shape[1]))
    return Curves(np.column_stack([seeds, seeds]), runs.scores, runs.losses, steps)


def differences(runs: Runs, curves: Curves, budget: int, count: int) -> Iterator[tuple[str, str]]:
    """By method, what it found more than no stopping did in the same draws, in points, and the share of the budget."""
    import compare_methods as methods
    from compare_study import afford

    full = budget * curves.steps[-1]
    rng = np.random.default_rng([4, budget])
    choosing = [draw(curves, rng, number) for number in range(COSTING)]
    drawn = [draw(curves, rng, number) for number in range(count)]
    base = np.array([curve.curves.scores[:budget].max() for curve in drawn])
    keep = (budget + 1) // 2
    settings = [
        methods.one_rung(40, keep, budget),
        methods.one_rung(50, keep, budget),
        methods.asha(1, 4),
        methods.hyperband(3),
        methods.median(5, 0),
        methods.halving("auto", 4),
        methods.optuna_hyperband(1, 3),
    ]

    def gained(setting: methods.Setting) -> tuple[str, str]:
        episodes = afford(setting, choosing, full, WORKERS)
        found = [setting.run(one, episodes, WORKERS) for one in drawn]
        name = setting.words.split(",")[0] if setting.method == methods.OURS else setting.method
        gain = np.array([one.found for one in found]) - base
        return name, cell(gain, float(np.mean([one.steps for one in found])) / full, rng)

    yield from map(gained, settings)
    orders = np.array([curve.curves.seeds[:, 0] for curve in drawn])
    floors = CHOSEN.replay(runs, budget, orders)
    yield str(CHOSEN), cell(floors.found - base, float(floors.spent.mean()), rng)
    # Last, so that the generator draws for the others what it drew before.
    yield gained(methods.rapidfire())


def cell(gain: Floats, spent: float, rng: np.random.Generator) -> str:
    """A mean gain with its interval over draws, and the share of the budget that was spent."""
    means = gain[rng.integers(len(gain), size=(2_000, len(gain)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{gain.mean():+.1f} ({low:+.1f} to {high:+.1f}); {spent:.0%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=Path, default=folder_of_others())
    parser.add_argument("--draws", type=int, default=100)
    options = parser.parse_args()
    missing = [f"{name} (pip install '.[bench]')" for name in ("ray", "optuna") if find_spec(name) is None]
    files = {task: options.seeds / "bertlarge" / f"{task}.csv" for task in SCORES}
    missing += [str(path) for path in files.values() if not path.exists()]
    if missing:
        print(f"not compared: there is no {' and no '.join(missing)}")
        return 0
    runs = {(task, recipe): read(path, task, recipe) for task, path in files.items() for recipe in RECIPES}
    for budget in BUDGETS:
        table: dict[str, list[str]] = {}
        for (task, _), own in runs.items():
            for name, cell in differences(own, curves_of(own, task), budget, options.draws):
                table.setdefault(name, []).append(cell)
        print(f"\n{budget} full runs:\n")
        print("| method | " + " | ".join(f"{task}, {RECIPES[recipe]}" for task, recipe in runs) + " |")
        print("| --- |" + " --- |" * len(runs))
        for name, cells in table.items():
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
