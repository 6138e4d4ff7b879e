"""How often `seedsweep compare` and `seedsweep seeds` find what is not there, on synthetic records.

    python bench/calibration_arms.py [--records 2000]

Prints tables of docs/statistics.md, in about twelve minutes.
"""

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calibration import LEVEL, NOISES, SHUFFLES, grids, normal
from seedsweep.science.arms import difference
from seedsweep.science.arms.superiority import superiority
from seedsweep.science.seeds import agreement

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


def spread(deviation: float) -> Draw:
    return lambda rng, n: deviation * rng.normal(size=n)


def failing(chance: float) -> Draw:
    """This share of runs fails, far below the others, which spread by 0.5; the mean is 0."""
    return lambda rng, n: np.where(rng.random(n) < chance, -2.0, 0.5 * rng.normal(size=n)) + 2 * chance


ARMS: dict[str, tuple[Draw, Draw]] = {
    "normal, normal": (spread(1), spread(1)),
    "normal, normal with 3 times the spread": (spread(1), spread(3)),
    "four in ten fail, four in ten fail": (failing(0.4), failing(0.4)),
    "one in twenty fails, one in twenty fails": (failing(0.05), failing(0.05)),
    "four in ten fail, none fails": (failing(0.4), spread(0.5)),
    "two in ten fail, none fails": (failing(0.2), spread(0.5)),
}
"""Of equal means, A and B."""


def own_seeds(n: int) -> NDArray[np.int64]:
    return np.repeat(np.arange(n)[:, None], 2, axis=1)


def true_chance(a: Draw, b: Draw) -> float:
    rng = np.random.default_rng(9)
    ordered, others = np.sort(a(rng, 400_000)), b(rng, 400_000)
    sides = [np.searchsorted(ordered, others, side).mean() for side in ("left", "right")]
    return float(sum(sides)) / 2 / len(ordered)


def print_arms(many: int) -> None:
    sizes = ((4, 4), (5, 20), (20, 5), (20, 20), (50, 50))
    heads = " | ".join(f"{m} and {n} runs" for m, n in sizes)
    print(f"\n| A, B | {heads} |\n| --- |{' --- |' * len(sizes)}")
    rng = np.random.default_rng(0)
    for name, (a, b) in ARMS.items():
        truth, cells = true_chance(a, b), []
        for m, n in sizes:
            rejected = held = 0
            for _ in range(many):
                one, other = a(rng, m), b(rng, n)
                rejected += difference.shuffled(one, other).p <= LEVEL
                interval = superiority(one, own_seeds(m), other, own_seeds(n)).interval
                assert interval is not None
                held += interval[0] <= truth <= interval[1]
            cells.append(f"{rejected / many:.1%}, {held / many:.1%}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def print_pairs(many: int) -> None:
    sizes = (6, 8, 12, 20, 50)
    print(f"\n| A, B | {' | '.join(f'{n} pairs' for n in sizes)} |\n| --- |{' --- |' * len(sizes)}")
    rng = np.random.default_rng(1)
    for name, (a, b) in ARMS.items():
        cells = []
        for n in sizes:
            rejected = sum(difference.flipped(a(rng, n), b(rng, n)).p <= LEVEL for _ in range(many))
            cells.append(f"{rejected / many:.1%}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def print_grids(many: int) -> None:
    print("\n| scores | weight-init | data-order | arms | pairs | cells taken for independent | chance of one run |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(2)
    seeds = np.array([(row, column) for row in range(10) for column in range(10)])
    for name, noise in NOISES.items():
        for effects in ((0.0, 0.0), (0.3, 0.3), (0.5, 1.0), (1.0, 0.0)):
            found = np.zeros(4)
            arms = [grid.ravel() for grid in grids(rng, 2 * many, effects, noise)]
            for a, b in zip(arms[::2], arms[1::2], strict=True):
                interval = superiority(a, seeds, b, seeds).interval
                assert interval is not None
                found += (
                    difference.clustered(a, seeds, b, seeds).p <= LEVEL,
                    difference.clustered_pairs(a, b, seeds).p <= LEVEL,
                    difference.clustered(a, own_seeds(100), b, own_seeds(100)).p <= LEVEL,
                    interval[0] <= 0.5 <= interval[1],
                )
            cells = " | ".join(f"{count / many:.1%}" for count in found)
            print(f"| {name} | {effects[0]:g} | {effects[1]:g} | {cells} |", flush=True)


def print_agreement(many: int) -> None:
    print("\n| tasks | initialisations | no common effect | 0.5 | 1 |\n| --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(3)
    for tasks, size in ((3, 15), (3, 25), (5, 15)):
        cells = []
        for effect in (0.0, 0.5, 1.0):
            worth = (effect * rng.normal(size=(1, size)) + normal(rng, (tasks, size)) for _ in range(many))
            cells.append(f"{sum(agreement.agreement(one).p <= LEVEL for one in worth) / many:.1%}")
        print(f"| {tasks} | {size} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2_000)
    many = parser.parse_args().records
    # The interval of the difference holds what is not rejected, as tests show: the p-value tells both.
    difference.SHUFFLES, difference._HALVINGS, agreement.SHUFFLES = SHUFFLES, 0, SHUFFLES
    print(f"{many} synthetic records a row; tests at {LEVEL:.0%}, intervals of 95 %.")
    print_arms(many)
    print_pairs(many)
    print_grids(many)
    print_agreement(many)


if __name__ == "__main__":
    main()
