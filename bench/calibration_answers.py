"""How well reports tell luck from skill, on models and examples made up for it.

    python bench/calibration_answers.py [--records 2000]

Prints the tables of docs/statistics.md on single examples, in about half an hour.
"""

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from seedsweep.science.examples import luck
from seedsweep.science.examples.answers import Answers, scores
from seedsweep.science.examples.luck import redraw, take_apart
from seedsweep.science.examples.paired import LEVEL, paired_test

Floats = NDArray[np.float64]
POPULATION = 20_000
"""Examples that tell what a model is worth."""


def answered(skills: Floats, failed: NDArray[np.bool_], examples: int, rng: np.random.Generator) -> Floats:
    """Right or wrong, (models, examples): examples are easy or hard for all, and each model has its own mistakes."""
    latent = skills[:, None] - rng.normal(size=examples) + rng.normal(size=(len(skills), examples))
    right: Floats = (latent > 0).astype(np.float64)
    # A failed run gives every example the same answer, which is right for half of them.
    right[failed] = np.arange(examples) % 2
    return right


def tally(rng: np.random.Generator, models: int, examples: int, skill: float, failing: float) -> Floats:
    """One record: what a report says, each beside what is true."""
    skills, failed = 0.8 + skill * rng.normal(size=models), rng.random(models) < failing
    population = answered(skills, failed, POPULATION, rng)
    first, again = answered(skills, failed, examples, rng), answered(skills, failed, examples, rng)
    # Ties are broken at random.
    order = np.lexsort((rng.random(models), -first.mean(axis=1)))
    others = np.lexsort((rng.random(models), -again.mean(axis=1)))
    keep = max(1, models // 4)
    labels, healthy, true = np.ones(examples), ~failed[order], population.mean(axis=1)
    ranked = Answers("accuracy", labels, first[order])
    apart = take_apart(ranked, maximize=True, healthy=healthy)
    pair = paired_test(ranked.of(np.array([0, 1])))
    losers = [paired_test(ranked.of(np.array([keep - 1, loser]))) for loser in range(keep, models)]
    return np.array(
        [
            apart.skill**2,
            true.var(ddof=1),
            apart.optimism or 0.0,
            scores(ranked)[0, 0] - true[order[0]],
            redraw(ranked, 1, maximize=True, healthy=healthy).same,
            others[0] == order[0],
            redraw(ranked, keep, maximize=True, healthy=healthy).same,
            set(others[:keep]) == set(order[:keep]),
            pair.told_apart,
            np.mean([each.told_apart for each in losers]),
        ]
    )


def print_picked(draws: int) -> None:
    """Print how often losers of equal skill are told apart from the last one kept, which its rank has picked."""
    print("| models | 1 kept | 2 kept | an eighth | a quarter | half |")
    print("| --: | --: | --: | --: | --: | --: |")
    rng = np.random.default_rng(0)
    for models in (8, 16, 100):
        ranked = -np.sort(-rng.normal(size=(draws, models)), axis=1)
        leads = [ranked[:, [keep - 1]] - ranked[:, keep:] for keep in (1, 2, models // 8, models // 4, models // 2)]
        shares = [float((2 * stats.norm.sf(lead / np.sqrt(2)) <= LEVEL).mean()) for lead in leads]
        print(f"| {models} | {' | '.join(f'{share:.1%}' for share in shares)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2_000)
    many = parser.parse_args().records
    print_picked(4_000)
    luck.SPLITS, luck.DRAWS = 100, 200
    print(f"{many} records a row; told / true")
    print("| models | examples | skill | failing | skill | optimism | same winner | same kept | p <= 5 % | losers |")
    print("| --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
    rng = np.random.default_rng(0)
    for models, examples, skill, failing in (
        (2, 400, 0.0, 0.0),
        (8, 400, 0.0, 0.0),
        (8, 400, 0.1, 0.0),
        (8, 400, 0.3, 0.0),
        (8, 100, 0.1, 0.0),
        (30, 400, 0.0, 0.0),
        (30, 400, 0.1, 0.0),
        (30, 400, 0.3, 0.0),
        (30, 400, 0.1, 0.3),
    ):
        found = np.mean([tally(rng, models, examples, skill, failing) for _ in range(many)], axis=0)
        deviations = "{:.4f} / {:.4f}".format(*np.sqrt(found[:2]))
        cells = [deviations, f"{found[2]:.4f} / {found[3]:.4f}"]
        cells += [f"{found[i]:.0%} / {found[i + 1]:.0%}" for i in (4, 6)]
        cells += [f"{share:.1%}" for share in found[8:]]
        print(f"| {models} | {examples} | {skill:g} | {failing:.0%} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
