"""How often the reports' tests reject what is true and their intervals hold what is true, on synthetic records.

    python bench/calibration.py [--grids 2000]

Prints the tables of docs/statistics.md, in about two minutes.
"""

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seedsweep.science import grid as science
from seedsweep.science.audit import estimate_regret
from seedsweep.science.expected import expected_best, plug_in_expected_best
from seedsweep.science.summary import share

SHUFFLES = 199
"""Fewer than in a report: the size of an exact test does not depend on it."""
LEVEL = 0.05
Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Standard."""
    return rng.normal(size=shape)


def failing(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Four in ten runs fail, far below the others and all alike; with the variance of `normal`."""
    scores = np.where(rng.random(shape) < 0.4, -2.0, 0.5 * rng.normal(size=shape))
    standard: Floats = (scores + 0.8) / np.sqrt(0.6 * 0.25 + 0.24 * 4)
    return standard


NOISES: dict[str, Noise] = {"normal": normal, "four in ten fail": failing}


def grids(rng: np.random.Generator, many: int, effects: tuple[float, float], noise: Noise) -> list[Floats]:
    """10 weight-init by 10 data-order seeds; effects are standard deviations, that of the noise is 1."""
    shape = (10, 10)
    return [
        effects[0] * rng.normal(size=(10, 1)) + effects[1] * rng.normal(size=(1, 10)) + noise(rng, shape)
        for _ in range(many)
    ]


def print_tests(many: int) -> None:
    print("\n| scores | weight-init | data-order | shuffled within | all shuffled | F | selection repeated |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(0)
    for name, noise in NOISES.items():
        for effects in ((0.0, 0.0), (0.0, 1.0), (0.5, 0.0), (0.5, 1.0)):
            rejected = np.zeros(4)
            for scores in grids(rng, many, effects, noise):
                found = science.contrast(scores, maximize=True)
                p = (
                    science.shuffled_within_columns(scores),
                    science.shuffled_whole(scores),
                    found.p,
                    found.p_selected,
                )
                rejected += np.array(p) <= LEVEL
            cells = " | ".join(f"{count / many:.1%}" for count in rejected)
            print(f"| {name} | {effects[0]:g} | {effects[1]:g} | {cells} |", flush=True)


def print_intervals(many: int) -> None:
    print("\n| scores | weight-init effect | data-order effect | weight-init | data-order | residual |")
    print("| --- | --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(1)
    for name, noise in NOISES.items():
        for effects in ((0.0, 0.0), (0.3, 0.0), (0.5, 1.0)):
            held = np.zeros(3)
            for scores in grids(rng, many, effects, noise):
                found = science.variance_components(scores)
                for i, (part, true) in enumerate(
                    zip((found.rows, found.columns, found.residual), (*effects, 1.0), strict=True)
                ):
                    assert part.interval is not None
                    held[i] += part.interval[0] <= true <= part.interval[1]
            print(f"| {name} | {effects[0]:g} | {effects[1]:g} | " + " | ".join(f"{h / many:.1%}" for h in held) + " |")


def print_audits(many: int) -> None:
    print(
        "\n| losers | better than the result | chance | estimate / truth | no interval | it holds else | the share's |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(2)
    for losers, better, chance in ((40, 10, 0.1), (40, 10, 0.3), (200, 10, 0.1), (200, 60, 0.1), (200, 60, 0.3)):
        finals = np.r_[0.75 + 0.05 * rng.random(better), 0.75 - 0.2 * rng.random(losers - better)]
        truth = float(np.maximum(0, finals - 0.75).sum())
        ratios, held, held_share, given = [], 0, 0, 0
        for _ in range(many):
            seen = finals[rng.random(losers) < chance].tolist()
            if not seen:
                continue
            found = estimate_regret(seen, 0.75, chance, maximize=True)
            given += found.interval is not None
            ratios.append(found.regret / truth)
            held += found.interval is not None and found.interval[0] <= truth <= found.interval[1]
            held_share += found.winners.low <= better / losers <= found.winners.high
        told = len(ratios)
        cells = f"{np.mean(ratios):.2f} | {1 - given / told:.1%} | {held / given:.1%} | {held_share / told:.1%}"
        print(f"| {losers} | {better} | {chance:.0%} | {cells} |")


def print_shares(many: int) -> None:
    print("\n| failed share | 10 runs | 50 runs | 500 runs |")
    print("| --- | --- | --- | --- |")
    rng = np.random.default_rng(3)
    for chance in (0.02, 0.3, 0.5):
        cells = []
        for n in (10, 50, 500):
            found = [share(int(count), n) for count in rng.binomial(n, chance, size=many)]
            cells.append(f"{np.mean([s.low <= chance <= s.high for s in found]):.1%}")
        print(f"| {chance:.0%} | {' | '.join(cells)} |")


def print_expected(many: int) -> None:
    print("\n| scores | n of 20 runs | truth | unbiased | plug-in |")
    print("| --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(4)
    for name, noise in NOISES.items():
        for n in (2, 10, 20):
            truth = noise(rng, (200_000, n)).max(axis=1).mean()
            samples = [noise(rng, (20,)).tolist() for _ in range(many)]
            found = (
                np.mean([estimate(sample, n, design="full", maximize=True) for sample in samples])
                for estimate in (expected_best, plug_in_expected_best)
            )
            print(f"| {name} | {n} | {truth:.3f} | " + " | ".join(f"{value:.3f}" for value in found) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grids", type=int, default=2_000)
    many = parser.parse_args().grids
    science.SHUFFLES = SHUFFLES
    print(f"{many} synthetic records a row; tests at {LEVEL:.0%}, intervals of 95 %.")
    print_tests(many)
    print_intervals(many)
    print_audits(many)
    print_shares(many)
    print_expected(many)


if __name__ == "__main__":
    main()
