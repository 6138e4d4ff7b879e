"""How often the reports' tests reject what is true and their intervals hold what is true, on synthetic records.

    python bench/calibration.py [--grids 2000]

Prints the tables of docs/statistics.md, in about five minutes.
"""

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seedsweep.science import bimodality
from seedsweep.science.bands import median_bands
from seedsweep.science.expected import expected_best, plug_in_expected_best
from seedsweep.science.seeds import grid as science
from seedsweep.science.stopping.audit import estimate_regret
from seedsweep.science.summary import share

SHUFFLES = 199
"""Fewer than in a report or a comparison: the size of an exact test does not depend on it."""
LEVEL = 0.05
Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Standard."""
    return rng.normal(size=shape)


def failing(chance: float) -> Noise:
    """This share of runs fails, far below the others and all alike; with the variance of `normal`."""

    def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        scores = np.where(rng.random(shape) < chance, -2.0, 0.5 * rng.normal(size=shape))
        standard: Floats = (scores + 2 * chance) / np.sqrt((1 - chance) * 0.25 + chance * (1 - chance) * 4)
        return standard

    return noise


NOISES: dict[str, Noise] = {"normal": normal, "four in ten fail": failing(0.4)}
FEW_FAIL: dict[str, Noise] = {"one in twenty fails": failing(0.05)}


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
    for name, noise in (NOISES | FEW_FAIL).items():
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


POPULATIONS = 20
"""Of losers, drawn anew for each row on audits; each is audited as often as there are records."""
RESULT, BEST_POSSIBLE = 0.75, 1.0


def audit_tally(rng: np.random.Generator, many: int, finals: Floats, chance: float) -> tuple[float, ...]:
    """Of many audits of the same losers: how many, sum of estimate / truth, intervals, those that hold, shares' too."""
    truth = float(np.maximum(0, finals - RESULT).sum())
    told, ratio, given, held, held_share = 0, 0.0, 0, 0, 0
    for _ in range(many):
        seen = finals[rng.random(len(finals)) < chance].tolist()
        if not seen:
            continue
        found = estimate_regret(seen, RESULT, chance, maximize=True, best_possible=BEST_POSSIBLE)
        told, ratio = told + 1, ratio + found.regret / truth
        held_share += found.winners.low <= (finals > RESULT).mean() <= found.winners.high
        if found.interval is not None:
            low, high = found.interval
            given, held = given + 1, held + (high is not None and low <= truth <= high)
    return told, ratio, given, held, held_share


def print_audits(many: int) -> None:
    print(f"\n{POPULATIONS} populations of losers a row, {many} audits of each")
    print("| losers | better than the result | chance | estimate / truth | no interval | mean | worst | the share's |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(2)
    for losers, better, chance in ((40, 10, 0.1), (40, 10, 0.3), (200, 10, 0.1), (200, 60, 0.1), (200, 60, 0.3)):
        tallies = []
        for _ in range(POPULATIONS):
            # From all alike to a few that are far ahead of the others.
            above = (BEST_POSSIBLE - RESULT) * rng.random(better) ** rng.uniform(0.2, 8)
            finals = np.r_[RESULT + above, RESULT - 0.2 * rng.random(losers - better)]
            tallies.append(audit_tally(rng, many, finals, chance))
        told, ratio, given, held, held_share = np.array(tallies).T
        cells = [f"{ratio.sum() / told.sum():.2f}", f"{1 - given.sum() / told.sum():.1%}"]
        cells += [f"{held.sum() / given.sum():.1%}", f"{(held / given).min():.1%}"]
        print(f"| {losers} | {better} | {chance:.0%} | {' | '.join(cells)} | {held_share.sum() / told.sum():.1%} |")


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


BAND_RUNS = (1, 2, 5, 10, 20)


def print_bands(many: int) -> None:
    print("\n| scores | 10 runs | 20 runs | 50 runs |")
    print("| --- | --- | --- | --- |")
    rng = np.random.default_rng(5)
    rounded: dict[str, Noise] = {"normal, to one digit": lambda rng, shape: np.round(rng.normal(size=shape), 1)}
    for name, noise in (NOISES | rounded).items():
        population = noise(rng, (400_000,))
        true = [np.quantile(population, 0.5 ** (1 / n), method="inverted_cdf") for n in BAND_RUNS]
        cells = []
        for size in (10, 20, 50):
            held = 0
            for _ in range(many):
                bands = median_bands(noise(rng, (size,)).tolist(), BAND_RUNS, maximize=True)
                held += all(
                    (band.low is None or band.low <= value) and (band.high is None or value <= band.high)
                    for band, value in zip(bands, true, strict=True)
                )
            cells.append(f"{held / many:.1%}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def print_bimodality(many: int) -> None:
    print("\n| scores | 10 runs | 25 runs | 100 runs |")
    print("| --- | --- | --- | --- |")
    rng = np.random.default_rng(6)
    others: dict[str, Noise] = {
        "uniform": lambda rng, shape: rng.random(shape),
        "exponential": lambda rng, shape: rng.exponential(size=shape),
        "accuracies of 400 examples, all alike": lambda rng, shape: rng.binomial(400, 0.7, size=shape) / 400,
    }
    bimodality.DRAWS = 199
    for name, noise in (NOISES | FEW_FAIL | others).items():
        cells = []
        for size in (10, 25, 100):
            found = [bimodality.find_two_groups(noise(rng, (size,)).tolist()) for _ in range(many // 4)]
            cells.append(f"{np.mean([each is not None and each.p <= LEVEL for each in found]):.1%}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


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
    print_bands(many)
    print_bimodality(many)


if __name__ == "__main__":
    main()
