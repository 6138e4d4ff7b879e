"""The comparison as tables, in points (100 x accuracy): means, spreads, paired differences with intervals."""

import sys
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from compare_curves import Curves
from compare_methods import FULL, OURS
from compare_order import Spread
from compare_study import Row

RESAMPLES = 10_000
Label = tuple[bool, str, str]
"""Whether tuned, method, and the setting of what was not tuned."""


def print_scores(rows: Sequence[Row], curves: Curves) -> None:
    """One table for every budget and number of workers, then every difference between ours and the best peer."""
    full = curves.steps[-1]
    verdicts = []
    cells = sorted({(row.budget, row.workers) for row in rows})
    for budget, workers in cells:
        here = [row for row in rows if (row.budget, row.workers) == (budget, workers)]
        print(f"\n### {budget} full runs ({budget * full} steps), {workers} at once\n")
        print("| method | setting | episodes | steps | best score found | spread | SeedSweep minus this, 95 % |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        by_label = _by_label(here)
        for tuned in (False, True):
            ours = next(label for label in by_label if label[0] == tuned and label[1] == OURS)
            for label in (label for label in by_label if label[0] == tuned):
                print(_line(by_label[label], label, difference(by_label[ours], by_label[label])))
            peers = [label for label in by_label if label[0] == tuned and label[1] not in (OURS, FULL)]
            best = max(peers, key=lambda label: _mean(by_label[label]))
            for label in (label for label in by_label if label[0] == tuned and label[1] == OURS):
                verdicts.append((budget, workers, label[2] or "tuned", best[1], by_label[label], by_label[best]))
    print("\n### SeedSweep minus the best peer\n")
    print("| budget | at once | SeedSweep | best peer | steps | its steps | points | 95 % interval |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for budget, workers, setting, method, here, there in verdicts:
        mean, low, high = difference(here, there)
        print(
            f"| {budget} | {workers} | {setting} | {method} | {_steps(here):.0f} | {_steps(there):.0f} "
            f"| {mean:+.2f} | {low:+.2f} to {high:+.2f} |"
        )
    sys.stdout.flush()


def difference(ours: Sequence[Row], theirs: Sequence[Row]) -> tuple[float, float, float]:
    """Mean of the paired differences in points, and a 95 % bootstrap interval over draws."""
    assert [(row.split, row.draw) for row in ours] == [(row.split, row.draw) for row in theirs]
    pairs = 100 * np.array([a.found - b.found for a, b in zip(ours, theirs, strict=True)])
    rng = np.random.default_rng(0)
    means = pairs[rng.integers(len(pairs), size=(RESAMPLES, len(pairs)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(pairs.mean()), float(low), float(high)


def print_orders(budget: int, spreads: Sequence[Spread]) -> None:
    """How much hangs on the order of arrival."""
    print(f"\n### The same episodes in other orders, {budget} full runs\n")
    print("| method | setting | at once | episodes | standard deviation | widest | other episodes kept |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for s in spreads:
        print(
            f"| {s.method} | {s.setting} | {s.workers} | {s.episodes} | {_exact(s.deviation)} | {_exact(s.widest)} "
            f"| {s.other_kept:.0%} |"
        )


def _exact(score: float) -> str:
    return "0" if score == 0 else f"{100 * score:.2f}"


def _by_label(rows: Sequence[Row]) -> dict[Label, list[Row]]:
    found: dict[Label, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.split, row.draw)):
        found[row.tuned, row.method, "" if row.tuned else row.setting].append(row)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], item[0][1] != OURS)))


def _mean(rows: Sequence[Row]) -> float:
    return float(np.mean([row.found for row in rows]))


def _steps(rows: Sequence[Row]) -> float:
    return float(np.mean([row.steps for row in rows]))


def _line(rows: Sequence[Row], label: Label, gap: tuple[float, float, float]) -> str:
    tuned, method, setting = label
    found = 100 * np.array([row.found for row in rows])
    episodes = sorted({row.episodes for row in rows})
    count = f"{episodes[0]}" if len(episodes) == 1 else f"{episodes[0]} to {episodes[-1]}"
    words = "tuned" if tuned else setting
    mean, low, high = gap
    paired = "" if mean == low == high == 0 else f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"
    scores = f"{found.mean():.2f} | {found.std(ddof=1):.2f}"
    return f"| {method} | {words} | {count} | {_steps(rows):.0f} | {scores} | {paired} |"
