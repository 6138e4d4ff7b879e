"""The tables of docs/study.md, as Markdown lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import isnan
from pathlib import Path

import numpy as np

from seedsweep.science.seeds.agreement import agreement
from seedsweep.science.seeds.grid import contrast, shuffled_within_columns, variance_components
from seedsweep.science.stopping.plans import rule_of_thumb
from seedsweep.science.summary import failed_runs, summarize
from stopping_pays import RECIPES
from study_claims import (
    RESAMPLES,
    Estimate,
    agreement_between,
    before_and_after,
    correlation,
    error_reduction,
    estimate,
    expected_without_stopping,
    gain_of_choosing,
    gain_of_evaluating,
    gain_of_stopping,
    last_scores,
    plan_of,
)
from study_plans import printed, spread
from study_records import TASKS, Floats, Runs, by_first_seed, paper_grid, tang_seeds, thousand

FEWEST = 20
"""Runs, for all but a list of scores: with fewer a rank correlation is known to no better than 0.4."""
FEWEST_SHARED = 3
"""Initialisations on two tasks that a rank correlation needs."""
BUDGETS = (2, 4, 8, 16)
MIDDLE = 5
"""Evaluation of ten at which a cut is valued where nothing else is said."""
Lines = Iterator[str]


def table(head: Sequence[str], rows: Iterator[Sequence[object]]) -> Lines:
    """A Markdown table."""
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"


def points(value: float, digits: int = 1) -> str:
    """A score, in points."""
    return f"{100 * value:.{digits}f}"


@dataclass(frozen=True)
class Scores:
    """Of the runs of a record."""

    best: Floats
    last: Floats | None
    """Where curves are recorded."""
    constant: float
    """What a constant answer scores."""
    known_to: float = 0.0
    """By how much a score may be off: one that is less above the constant answer's is no better."""


def spreads(named: dict[str, Scores]) -> Lines:
    """Scores by record, with the constant answer's."""

    def rows() -> Iterator[Sequence[object]]:
        for name, scores in named.items():
            found = summarize(scores.best.tolist())
            yield (
                name,
                found.n,
                points(scores.constant),
                no_better(scores.best, scores.constant + scores.known_to),
                no_better(scores.last, scores.constant + scores.known_to) if scores.last is not None else "not known",
                points(found.mean),
                points(found.deviation or 0.0, 2),
                points(found.minimum),
                points(found.maximum),
            )

    head = [
        "record",
        "n",
        "constant answer",
        "best no better",
        "last no better",
        "best: mean",
        "sd",
        "lowest",
        "highest",
    ]
    return table(head, rows())


def no_better(scores: Floats, constant: float) -> str:
    """How many, with the exact interval of their share."""
    found = failed_runs(scores.tolist(), constant, maximize=True)
    return f"{found.count} ({found.low:.0%} to {found.high:.0%})"


def evaluating(records: Sequence[Runs]) -> Lines:
    """What more evaluations find, on average, in points."""

    def rows() -> Iterator[Sequence[object]]:
        for runs in records:
            gains = (gain_of_evaluating(runs, than) for than in (runs.epoch_ends, (runs.scores.shape[1],)))
            yield runs.name, len(runs.scores), *(gain.words() for gain in gains)

    return table(["record", "n", "all over one an epoch", "all over the last alone"], rows())


def listed(records: Sequence[Runs]) -> Lines:
    """Every run's best score, of records with too few runs for more."""

    def rows() -> Iterator[Sequence[object]]:
        for runs in records:
            best = ", ".join(points(score) for score in sorted(runs.best, reverse=True))
            last = no_better(last_scores(runs), runs.constant)
            yield runs.name, len(runs.scores), points(runs.constant), last, best

    return table(["record", "n", "constant answer", "last no better", "best scores"], rows())


def choosing(records: Sequence[Runs], counts: Sequence[int] = (5, 20)) -> Lines:
    """What the best of n by validation has more than one run, there and on other data."""

    def rows() -> Iterator[Sequence[object]]:
        for runs in records:
            found = [gain_of_choosing(runs, n) for n in counts]
            yield runs.name, *(part.words() for chosen in found for part in (chosen.validation, chosen.test))

    return table(["record", *(f"best of {n}: {what}" for n in counts for what in ("validation", "test"))], rows())


def seeds(grids: dict[str, Floats]) -> Lines:
    """Which seed matters, by grid."""

    def rows() -> Iterator[Sequence[object]]:
        for name, grid in grids.items():
            parts = variance_components(grid)
            for kind, own, part in (("weight-init", grid, parts.rows), ("data-order", grid.T, parts.columns)):
                found = contrast(own, maximize=True)
                limits = part.interval
                interval = f" ({points(limits[0], 2)} to {points(limits[1], 2)})" if limits is not None else ""
                yield (
                    name,
                    f"{kind}, {len(own)} seeds",
                    f"{points(part.deviation, 2)}{interval}",
                    points(parts.residual.deviation, 2),
                    p_value(found.p),
                    p_value(found.p_selected),
                    p_value(shuffled_within_columns(own)),
                )

    head = ["record", "seed", "sd between seeds", "sd of the rest", "p of F", "selection repeated", "shuffled within"]
    return table(head, rows())


def p_value(value: float) -> str:
    """To two digits."""
    return f"{value:.2g}"


def across_tasks(bert: Sequence[Runs], ours: Sequence[Runs], folder: Path) -> Lines:
    """Whether the same seeds are good on several tasks, or at two learning rates."""
    by_name = {runs.name: by_first_seed(runs) for runs in bert}
    pairs = [
        (f"BERT-large, {recipe}", "RTE and MRPC", by_name[f"RTE, {recipe}"], by_name[f"MRPC, {recipe}"])
        for recipe in RECIPES.values()
    ]
    pairs.append(("BERT-large, Tang et al.", "SST-2 at 3e-5 and at 4e-5", *tang_seeds(folder)))
    for one, other in combinations([runs for runs in ours if len(runs.scores) >= FEWEST], 2):
        own, theirs = by_first_seed(one), by_first_seed(other)
        if one.name.split(", ")[1] == other.name.split(", ")[1] and len(own.keys() & theirs.keys()) >= FEWEST_SHARED:
            pairs.append(("MiniLM", f"{one.name} and {other.name}", own, theirs))

    def rows() -> Iterator[Sequence[object]]:
        for record, what, one, other in pairs:
            found, interval = agreement_between(one, other)
            seeds, words = len(one.keys() & other.keys()), f"{found.correlation:+.2f}"
            if seeds >= FEWEST:
                words = Estimate(found.correlation, interval).words(2)
            yield record, what, seeds, words, p_value(found.p)
        for recipe, words in RECIPES.items():
            few = thousand(folder, recipe)
            own = np.array([list(by_first_seed(runs).values()) for runs in few])
            found = agreement(own)
            names = ", ".join(runs.name.split(", ")[0] for runs in few)
            rho = f"{found.correlation:+.2f}"
            yield f"1,000 examples, {words}", names, own.shape[1], rho, p_value(found.p)

    return table(["record", "compared", "seeds", "rank correlation", "p"], rows())


def early_and_late(records: Sequence[Runs], at: Sequence[int] = (2, 3, 5, 7)) -> Lines:
    """How the best score so far goes with the best after it."""

    def rows() -> Iterator[Sequence[object]]:
        for runs in records:
            found = [with_the_rest(runs, e) for e in at]
            yield runs.name, len(runs.scores), *("all equal" if isnan(it.value) else it.words(2) for it in found)

    return table(["record", "n", *(f"{10 * e} %" for e in at)], rows())


def with_the_rest(runs: Runs, evaluation: int) -> Estimate:
    """Rank correlation of the best so far with the best after it."""
    before, after = before_and_after(runs, evaluation)
    return estimate(runs, lambda chosen: correlation(before[chosen], after[chosen]), RESAMPLES // 4)


def plans(folder: Path) -> Lines:
    """What the printed plans have in common."""

    def rows() -> Iterator[Sequence[object]]:
        for task in TASKS:
            found = [plan for plan in printed(folder, task) if plan.stops and plan.budget > 1]
            yield (
                task.upper(),
                len(found),
                spread([plan.share for plan in found]),
                spread([plan.kept_of_budget for plan in found]),
                spread([plan.started / plan.kept for plan in found]),
            )

    return table(["task", "budgets that stop, of 2 to 30", "f", "p / B", "t / p"], rows())


def kept(records: Sequence[Runs], budget: int = 8) -> Lines:
    """The gain of a cut in the middle by how many are kept."""
    choices = (1, 2, 3, 4, 5, 6, 7)

    def rows() -> Iterator[Sequence[object]]:
        for runs in records:
            found = [
                gain_of_stopping(runs, plan_of(budget, MIDDLE, keep, runs.scores.shape[1]), budget) for keep in choices
            ]
            yield runs.name, *(gain.words() for gain in found)

    return table(["record", *(f"p = {keep}" for keep in choices)], rows())


Reductions = Mapping[str, Sequence[Estimate | None]]
"""By record, one for each of BUDGETS; None where a plan for it starts more runs than there are."""


def reductions(found: Reductions, folder: Path) -> Lines:
    """Relative error reduction by budget, in percent: of the paper's printed plans, and what `reductions_of` found."""

    def rows() -> Iterator[Sequence[object]]:
        for task in TASKS:
            by_budget = {plan.budget: plan.reduction for plan in printed(folder, task)}
            yield f"paper, {task.upper()} (printed plans)", *(f"{by_budget[budget]:.1f}" for budget in BUDGETS)
        for name, own in found.items():
            yield name, *("too few runs" if one is None else one.words() for one in own)

    return table(["record", *(f"B = {budget}" for budget in BUDGETS)], rows())


def reductions_of(records: Sequence[Runs]) -> Reductions:
    """By record and budget, of the cut that needs no tuning: in the middle, p = B / 2."""
    return {runs.name: [_reduction(runs, budget) for budget in BUDGETS] for runs in records}


def _reduction(runs: Runs, budget: int) -> Estimate | None:
    evaluations = runs.scores.shape[1]
    shares = [Fraction(e, evaluations) for e in range(1, evaluations + 1)]
    plan = rule_of_thumb(budget, shares)
    if plan.started > len(runs.scores):
        return None
    gain = gain_of_stopping(runs, plan, budget)
    base = expected_without_stopping(runs, budget)
    value, low, high = (error_reduction(number, base) for number in (gain.value, *gain.interval))
    return Estimate(value, (low, high))


def grids_of(records: Sequence[Runs], folder: Path | None) -> dict[str, Floats]:
    """Every complete grid: the paper's where its records are, and those of our own of three or more seeds a side."""
    found = {f"paper, {task.upper()}": paper_grid(folder, task) for task in TASKS} if folder is not None else {}
    for runs in records:
        if runs.shared and np.isfinite(runs.grid()).all() and min(runs.grid().shape) >= 3:
            found[runs.name] = runs.grid()
    return found
