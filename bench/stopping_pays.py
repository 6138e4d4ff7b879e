"""Whether stopping early pays: one cut against none, at equal steps, on recorded runs of BERT-large.

    python bench/stopping_pays.py [--seeds ../shared/data/seeds]

Prints the tables of docs/comparison.md, in about a minute. The curves are not part of this repository: see
docs/comparison.md for where they are from. Without them it says so, and ends.
"""

import argparse
import csv
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from seedsweep.science.stopping.evidence import signals
from seedsweep.science.stopping.plan_value import dense_ranks
from seedsweep.science.stopping.plans import Plan, rule_of_thumb

RECIPES = {"not_debiased": "as in 2020", "standard_debiased": "bias correction", "reinit_debiased": "layers drawn anew"}
SCORES = {"RTE": "val_acc", "MRPC": "val_acc_and_f1"}
TESTS = {"RTE": "best_test_acc", "MRPC": "best_test_acc_and_f1"}
EXAMPLES = {"RTE": 138, "MRPC": 204}
EVALUATIONS = 10
"""The 11th comes a few steps after the 10th, and is left out."""
SHARES = tuple(Fraction(e, EVALUATIONS) for e in range(1, EVALUATIONS + 1))
BUDGETS = (4, 8, 16)
CUTS = (2, 3, 4, 5, 6, 7)
"""Evaluations of ten."""
DRAWS = 4_000
RESAMPLES = 400
"""Of the 50 seeds, for intervals; each with DRAWS / 20 draws."""
SPLITS = 40
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Runs:
    """Whole runs of one task by one recipe: (seeds, evaluations), in points."""

    scores: Floats
    losses: Floats
    tests: Floats
    """Of each run's best checkpoint, on data that it was not chosen by."""
    constant: float
    """Score of a constant answer."""
    noise: float
    """Standard error of an accuracy there, of as many validation examples."""

    def take(self, chosen: NDArray[np.intp]) -> "Runs":
        """Those seeds."""
        return Runs(self.scores[chosen], self.losses[chosen], self.tests[chosen], self.constant, self.noise)


def folder_of_others() -> Path:
    """Where the recorded runs of others are looked for."""
    default = Path(__file__).parents[2] / "shared" / "data" / "seeds"
    return Path(os.environ.get("SEEDSWEEP_SEED_RUNS", default))


def half_kept(budget: int, evaluation: int) -> Plan:
    """A cut there that keeps half of the budget."""
    return rule_of_thumb(budget, SHARES, SHARES[evaluation - 1])


def read(path: Path, task: str, recipe: str) -> Runs:
    """The runs of one recipe."""
    rows: dict[int, list[dict[str, str]]] = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            if row["recipe"] == recipe:
                rows.setdefault(int(row["seed"]), []).append(row)
    ordered = [sorted(own, key=lambda row: int(row["eval_index"]))[:EVALUATIONS] for own in rows.values()]
    scores, losses = (
        np.array([[float(row[name] or "nan") for row in own] for own in ordered]) for name in (SCORES[task], "val_loss")
    )
    tests = np.array([float(own[0][TESTS[task]]) for own in ordered])
    constant, share = constant_answer(path, task)
    noise = float(np.sqrt(share * (1 - share) / EXAMPLES[task]))
    return Runs(100 * scores, losses, 100 * tests, 100 * constant, 100 * noise)


def constant_answer(path: Path, task: str) -> tuple[float, float]:
    """Score and accuracy of answering with the larger class: what runs that fail end at, and so the commonest pair."""
    with path.open() as file:
        pairs = Counter(
            (row[SCORES[task]], row["val_acc"]) for row in csv.DictReader(file) if row["recipe"] == "not_debiased"
        )
    (score, accuracy), _ = pairs.most_common(1)[0]
    return float(score), float(accuracy)


def draw(count: int, rng: np.random.Generator, many: int, longest: int) -> NDArray[np.intp]:
    """Seeds in the order of their start, with replacement: what is drawn from is the recorded distribution."""
    return rng.integers(count, size=(many, longest))


def ranking(runs: Runs, evaluation: int, signal: str) -> Floats:
    """What a cut ranks by, higher is better; exact ties of scores by the loss where the score is from."""
    found = signals(runs.scores, runs.losses, evaluation)[signal]
    if signal == "validation loss":
        return found
    at = runs.scores[:, :evaluation].argmax(axis=1) if signal == "best so far" else evaluation - 1
    losses = runs.losses[np.arange(len(runs.scores)), at]
    return dense_ranks(found, losses).astype(np.float64)


def cut(runs: Runs, plan: Plan, drawn: NDArray[np.intp], signal: str = "best so far") -> tuple[Floats, Floats]:
    """The result of each draw and the test score of the best survivor.

    The result is the best of the survivors' whole runs and of all evaluations up to the cut, as in a sweep.
    """
    assert plan.evaluation is not None
    started = drawn[:, : plan.started]
    value = ranking(runs, plan.evaluation, signal)
    # Whoever was drawn first goes first of equals: the draws are random.
    kept = np.take_along_axis(started, np.argsort(-value[started], axis=1, kind="stable")[:, : plan.keep], axis=1)
    before = runs.scores[:, : plan.evaluation].max(axis=1)[started].max(axis=1)
    whole = runs.scores.max(axis=1)[kept]
    return np.maximum(before, whole.max(axis=1)), _test_of(runs, kept, whole)


def no_stopping(runs: Runs, budget: int, drawn: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """The same of the first runs, all trained fully."""
    started = drawn[:, :budget]
    whole = runs.scores.max(axis=1)[started]
    return whole.max(axis=1), _test_of(runs, started, whole)


def _test_of(runs: Runs, started: NDArray[np.intp], whole: Floats) -> Floats:
    best = whole.argmax(axis=1)
    found: Floats = runs.tests[started[np.arange(len(started)), best]]
    return found


def interval(runs: Runs, longest: int, gain: Callable[[Runs, NDArray[np.intp]], float]) -> tuple[float, float, float]:
    """A mean gain over draws, and a 95 % bootstrap interval over the seeds that were recorded."""
    rng = np.random.default_rng(0)
    mean = gain(runs, draw(len(runs.scores), rng, DRAWS, longest))
    found = []
    for _ in range(RESAMPLES):
        resampled = runs.take(rng.integers(len(runs.scores), size=len(runs.scores)))
        found.append(gain(resampled, draw(len(runs.scores), rng, DRAWS // 20, longest)))
    low, high = np.percentile(found, [2.5, 97.5])
    return mean, float(low), float(high)


def gains(runs: Runs, budget: int) -> Iterator[tuple[str, tuple[float, float, float], float]]:
    """Every cut's gain over no stopping with its interval, and the gain on the test set."""
    longest = max(budget * EVALUATIONS // e for e in CUTS)
    for e in CUTS:
        plan = half_kept(budget, e)

        def gain(some: Runs, drawn: NDArray[np.intp], plan: Plan = plan) -> float:
            return float((cut(some, plan, drawn)[0] - no_stopping(some, budget, drawn)[0]).mean())

        drawn = draw(len(runs.scores), np.random.default_rng(0), DRAWS, longest)
        test = float((cut(runs, plan, drawn)[1] - no_stopping(runs, budget, drawn)[1]).mean())
        yield f"{10 * e} %: {plan.started} started, {plan.keep} kept", interval(runs, longest, gain), test


def tuned(runs: Runs, budget: int) -> tuple[float, float, float, float]:
    """Gain of the f that is best on one half of the seeds, valued on the other: mean, 95 % of splits, share of cuts.

    Not to stop may be chosen, too.
    """
    rng = np.random.default_rng(1)
    longest = max(half_kept(budget, e).started for e in CUTS)
    found, stopped = [], 0
    for _ in range(SPLITS):
        halves = np.array_split(rng.permutation(len(runs.scores)), 2)
        first, second = (runs.take(half) for half in halves)
        drawn = draw(len(first.scores), rng, DRAWS // 4, longest)
        base = no_stopping(first, budget, drawn)[0].mean()
        worth = {e: cut(first, half_kept(budget, e), drawn)[0].mean() - base for e in CUTS}
        best = max(worth, key=lambda e: worth[e])
        if worth[best] <= 0:
            found.append(0.0)
            continue
        stopped += 1
        drawn = draw(len(second.scores), rng, DRAWS // 4, longest)
        both = cut(second, half_kept(budget, best), drawn)[0], no_stopping(second, budget, drawn)[0]
        found.append(float((both[0] - both[1]).mean()))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(np.mean(found)), float(low), float(high), stopped / SPLITS


def print_runs(runs: dict[tuple[str, str], Runs]) -> None:
    print("\n### The runs\n")
    print(
        "| task | recipe | end at a constant answer, of 50 | best score: mean | sd | highest | "
        "rank correlation at 30 % | 50 % | 70 % |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for (task, recipe), own in runs.items():
        best = own.scores.max(axis=1)
        at_constant = int((own.scores[:, -1] <= own.constant + 1e-9).sum())
        told = [spearmanr(own.scores[:, :e].max(axis=1), own.scores[:, e:].max(axis=1)).statistic for e in (3, 5, 7)]
        print(
            f"| {task} | {RECIPES[recipe]} | {at_constant} "
            f"| {best.mean():.1f} | {best.std(ddof=1):.1f} | {best.max():.1f} | "
            + " | ".join(f"{value:.2f}" for value in told)
            + " |"
        )


def print_gains(runs: dict[tuple[str, str], Runs]) -> None:
    for budget in BUDGETS:
        print(f"\n### {budget} full runs: gain over no stopping, in points\n")
        print("| cut at | " + " | ".join(f"{task}, {RECIPES[recipe]}" for task, recipe in runs) + " |")
        print("| --- |" + " --- |" * len(runs))
        table: dict[str, list[str]] = {}
        for own in runs.values():
            for words, (mean, low, high), test in gains(own, budget):
                table.setdefault(words, []).append(f"{mean:+.1f} ({low:+.1f} to {high:+.1f}); test {test:+.1f}")
            mean, low, high, share = tuned(own, budget)
            table.setdefault("f chosen on other seeds", []).append(
                f"{mean:+.1f} ({low:+.1f} to {high:+.1f}); stops in {share:.0%}"
            )
        for words, cells in table.items():
            print(f"| {words} | {' | '.join(cells)} |")


def print_signals(runs: dict[tuple[str, str], Runs]) -> None:
    plan = half_kept(8, 5)
    names = list(signals(np.zeros((1, 10)), np.zeros((1, 10)), 5))
    print("\n### What to rank by: a cut at 50 %, 8 full runs; gain over no stopping, in points\n")
    print("| task | recipe | " + " | ".join(names) + " |")
    print("| --- | --- |" + " --- |" * len(names))
    for (task, recipe), own in runs.items():
        drawn = draw(len(own.scores), np.random.default_rng(0), DRAWS, plan.started)
        base = no_stopping(own, 8, drawn)[0]
        cells = [f"{(cut(own, plan, drawn, name)[0] - base).mean():+.2f}" for name in names]
        print(f"| {task} | {RECIPES[recipe]} | {' | '.join(cells)} |")


def asked_files(description: str | None) -> dict[str, Path]:
    """The file of each task, by the command line; none where one is missing, which is said."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=Path, default=folder_of_others())
    options = parser.parse_args()
    files = {task: options.seeds / "bertlarge" / f"{task}.csv" for task in SCORES}
    missing = [str(path) for path in files.values() if not path.exists()]
    if missing:
        print(f"not compared: there is no {' and no '.join(missing)} (see --seeds)")
        return {}
    return files


def main() -> int:
    files = asked_files(__doc__)
    if not files:
        return 0
    runs = {(task, recipe): read(path, task, recipe) for task, path in files.items() for recipe in RECIPES}
    print_runs(runs)
    print_gains(runs)
    print_signals(runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
