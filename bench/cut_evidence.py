"""How much the score at a cut tells: from a run in which every episode was trained fully.

    seedsweep run full.yaml && python bench/cut_evidence.py runs/full/curves.csv --percent 30 --keep 2 --of 8

Without a file, the recorded curves of the comparison with other schedulers.

Rank correlation (Spearman) of the best score up to the cut with the best after it, and what sweeps of `of` episodes
drawn from the run without replacement would have found with the cut and without.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from compare_curves import FILE, read
from seedsweep.api.checks import rung_evaluation

DRAWS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", type=Path, nargs="?", default=FILE)
    parser.add_argument("--percent", type=int, default=30)
    parser.add_argument("--keep", type=int, default=2)
    parser.add_argument("--of", type=int, default=8)
    options = parser.parse_args()
    # An undefined score counts as 0.
    scores = np.nan_to_num(read(options.curves).scores)
    e = rung_evaluation(options.percent, scores.shape[1])
    before, after = scores[:, :e].max(axis=1), scores[:, e:].max(axis=1)
    rng = np.random.default_rng(0)
    found, full, hits = np.empty(DRAWS), np.empty(DRAWS), 0
    for i in range(DRAWS):
        drawn = rng.choice(len(scores), options.of, replace=False)
        # Ties at the cut are broken at random here: each draw shuffles the episodes.
        kept = drawn[np.argsort(-before[drawn], kind="stable")[: options.keep]]
        found[i] = max(before[drawn].max(), after[kept].max())
        full[i] = max(before[drawn].max(), after[drawn].max())
        hits += after[kept].max() == after[drawn].max()
    one = scores.max(axis=1)
    steps = (options.of * e + options.keep * (scores.shape[1] - e)) / (options.of * scores.shape[1])
    rows = {
        "episodes trained fully": f"{len(scores)}, {scores.shape[1]} evaluations each",
        "best score of an episode": f"mean {one.mean():.4f}, standard deviation {one.std(ddof=1):.4f}, "
        f"{one.min():.4f} to {one.max():.4f}",
        f"rank correlation at e = {e}": f"{spearmanr(before, after).statistic:.2f}, best up to e with best after e",
        f"best of {options.of} with {options.keep} kept": f"{found.mean():.4f} at {steps:.0%} of the steps",
        f"best of {options.of} trained fully": f"{full.mean():.4f}",
        "eventual best is kept": f"{hits / DRAWS:.0%}, by chance {options.keep / options.of:.0%}",
    }
    for name, value in rows.items():
        print(f"{name:30}{value}")


if __name__ == "__main__":
    main()
