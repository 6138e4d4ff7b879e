"""A floor instead of a cut: whom it stops, what that gains at equal steps, and how its margin was decided.

    python bench/floor.py [--seeds ../shared/data/seeds]

Prints the tables of docs/comparison.md, "A floor instead of a cut", in less than a minute. The margin is decided on
RTE; MRPC has no part in it. The curves are those of bench/stopping_pays.py; without them it says so, and ends.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, combinations_with_replacement, product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stopping_pays import (
    DRAWS,
    EVALUATIONS,
    RECIPES,
    SCORES,
    Floats,
    Runs,
    asked_files,
    cut,
    draw,
    half_kept,
    interval,
    no_stopping,
    read,
)

BUDGETS = (4, 8)
MARGINS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""In standard errors of the constant answer."""
PAIRED_MARGINS = (0.5, 1.0, 1.5, 2.0)
SHARES = (2, 3, 4, 5)
"""Evaluations of ten."""
TOLERATED = -0.05
"""Points. A margin that loses more on average where no seed fails is not chosen."""
FAILING, *STABLE = RECIPES
Drawn = NDArray[np.intp]
"""Seeds in the order in which they start: (draws, seeds)."""


@dataclass(frozen=True)
class Replays:
    """What each draw found, spent (share of the budget), and how many seeds it began: (draws,) each."""

    found: Floats
    spent: Floats
    started: NDArray[np.intp]


class Rule(Protocol):
    """What decides who is trained, how far."""

    def replay(self, runs: Runs, budget: int, drawn: Drawn) -> Replays:
        """What it finds with B full runs: the best of all evaluations that were paid for and that may be the result."""


@dataclass(frozen=True)
class Floor:
    """At each of some evaluations: by how much a run must be better than a constant answer.

    Seeds start in their order, each paid for out of what those before it left. A seed's fate rests on its own scores
    alone, so that neither the order of arrival nor the number of workers matters.
    """

    margins: tuple[tuple[int, float], ...]
    """(evaluation, standard errors), in order."""
    rest: bool = True
    """Whether the last seed trains as far as what is left of the budget goes; else only whole runs are begun."""
    fallen_win: bool = True
    """Whether what a seed scored before it fell may be the result. Else a constant answer is left where all fall."""

    def __str__(self) -> str:
        words = ", ".join(f"{margin:g} s.e. at {10 * evaluation} %" for evaluation, margin in self.margins)
        if not self.fallen_win:
            return f"floor: {words}; rest unspent, fallen cannot win"
        return f"floor: {words}" + ("" if self.rest else "; rest unspent")

    def replay(self, runs: Runs, budget: int, drawn: Drawn) -> Replays:
        """See Rule."""
        best = best_so_far(runs)
        wanted = lengths(runs, self.margins)[drawn]
        left = budget * EVALUATIONS - (wanted.cumsum(axis=1) - wanted)
        begun = left >= (1 if self.rest else EVALUATIONS)
        paid = np.where(begun, np.minimum(wanted, left), 0)
        worth = np.where(begun, best[drawn, paid - 1], -np.inf)
        if not self.fallen_win:
            worth[(paid == wanted) & (wanted < EVALUATIONS)] = runs.constant
        return Replays(worth.max(axis=1), paid.sum(axis=1) / (budget * EVALUATIONS), begun.sum(axis=1))


@dataclass(frozen=True)
class FloorThenRung:
    """A floor, and of those above it a rung keeps p = B / 2; as many seeds as that pays for."""

    margin: tuple[int, float]
    rung: int
    """Evaluation, at the floor or after it."""
    built: bool = False
    """As `earlyStopping` has it: who fell cannot win, and a seed begins only if it is paid for should it not fall."""

    def __str__(self) -> str:
        evaluation, margin = self.margin
        words = f"{Floor(((evaluation, margin),))}; then a rung at {10 * self.rung} %"
        return words + ("; as built" if self.built else "")

    def replay(self, runs: Runs, budget: int, drawn: Drawn) -> Replays:
        """See Rule."""
        best, keep = best_so_far(runs), (budget + 1) // 2
        length = np.minimum(lengths(runs, (self.margin,)), self.rung)
        stands = lengths(runs, (self.margin,))[drawn] == EVALUATIONS
        standing, trained = stands.cumsum(axis=1), length[drawn].cumsum(axis=1)
        cost = trained + np.minimum(standing, keep) * (EVALUATIONS - self.rung)
        # Of each seed: what it costs with those before it should it not fall.
        above, before = standing - stands + 1, trained - length[drawn]
        most = before + self.rung + np.minimum(above, keep) * (EVALUATIONS - self.rung)
        begun = np.logical_and.accumulate((most if self.built else cost) <= budget * EVALUATIONS, axis=1)
        ranked = np.where(begun & stands, best[drawn, self.rung - 1], -np.inf)
        kept = np.argsort(-ranked, axis=1, kind="stable")[:, :keep]
        final = best[np.take_along_axis(drawn, kept, axis=1), -1]
        final = np.where(np.isfinite(np.take_along_axis(ranked, kept, axis=1)), final, -np.inf)
        stopped = np.where(begun, best[drawn, length[drawn] - 1], -np.inf)
        if self.built:
            stopped[begun & ~stands] = runs.constant
        found = np.maximum(stopped.max(axis=1), final.max(axis=1))
        return Replays(found, np.where(begun, cost, 0).max(axis=1) / (budget * EVALUATIONS), begun.sum(axis=1))


@dataclass(frozen=True)
class FixedCut:
    """The plan of bench/stopping_pays.py: p = B / 2 at one evaluation."""

    evaluation: int

    def __str__(self) -> str:
        return f"cut at {10 * self.evaluation} %"

    def replay(self, runs: Runs, budget: int, drawn: Drawn) -> Replays:
        """See Rule."""
        plan = half_kept(budget, self.evaluation)
        spent = plan.started * self.evaluation + plan.keep * (EVALUATIONS - self.evaluation)
        found, _ = cut(runs, plan, drawn)
        return Replays(found, np.full(len(drawn), spent / (budget * EVALUATIONS)), np.full(len(drawn), plan.started))


CHOSEN = Floor(((5, 1.5),))
"""What `decide` chooses on RTE of the floors with one share; a test sees to it."""
BUILT = replace(CHOSEN, rest=False, fallen_win=False)
"""As `earlyStopping.floor` has it: a sweep in which all fall fails."""
PLAIN = Floor(((3, 1.0),))
CUTS = (FixedCut(3), FixedCut(4), FixedCut(5))


def best_so_far(runs: Runs) -> Floats:
    """(seeds, evaluations)."""
    return np.maximum.accumulate(np.nan_to_num(runs.scores, nan=-np.inf), axis=1)


def lengths(runs: Runs, margins: Sequence[tuple[int, float]]) -> NDArray[np.intp]:
    """How many evaluations each run gets: those up to the floor that it does not pass, or all. (seeds,)."""
    best, length = best_so_far(runs), np.full(len(runs.scores), EVALUATIONS)
    for evaluation, margin in reversed(margins):
        length[best[:, evaluation - 1] <= runs.constant + margin * runs.noise] = evaluation
    return length


def longest(budget: int) -> int:
    """More seeds than any rule here can begin."""
    return budget * EVALUATIONS // min(SHARES) + 1


def gain_of(rule: Rule, budget: int) -> Callable[[Runs, Drawn], float]:
    """The mean gain over no stopping, in points, of draws that start with the same seeds."""

    def gain(runs: Runs, drawn: Drawn) -> float:
        return float((rule.replay(runs, budget, drawn).found - no_stopping(runs, budget, drawn)[0]).mean())

    return gain


@dataclass(frozen=True)
class Trial:
    """How a rule does on the task that decides; means over the budgets, in points."""

    rule: Floor
    gain: float
    low: float
    """Lower end of the 95 % interval, where runs fail."""
    worst: float
    """The lowest mean gain where no run fails."""


def try_out(runs: dict[str, Runs], rule: Floor) -> Trial:
    """`runs`: by recipe, of one task."""
    failing = [interval(runs[FAILING], longest(b), gain_of(rule, b)) for b in BUDGETS]
    stable = []
    for recipe, budget in product(STABLE, BUDGETS):
        drawn = draw(len(runs[recipe].scores), np.random.default_rng(0), DRAWS, longest(budget))
        stable.append(gain_of(rule, budget)(runs[recipe], drawn))
    gain, low, _ = np.mean(failing, axis=0)
    return Trial(rule, float(gain), float(low), min(stable))


def single() -> Iterator[Floor]:
    """One share, one margin."""
    return (Floor(((e, z),)) for e, z in product(SHARES, MARGINS))


def double() -> Iterator[Floor]:
    """Two shares, of which the later asks for no less."""
    margins = list(combinations_with_replacement(PAIRED_MARGINS, 2))
    return (Floor(tuple(zip(e, z, strict=True))) for e, z in product(combinations(SHARES, 2), margins))


def decide(trials: Sequence[Trial]) -> Trial:
    """The one that is surest to gain where runs fail, of those that lose nothing where none does."""
    return max((trial for trial in trials if trial.worst >= TOLERATED), key=lambda trial: trial.low)


def print_trials(title: str, trials: Sequence[Trial]) -> None:
    print(f"\n### {title}\n")
    print("| rule | gain, as in 2020 | lower end | lowest, stable recipes |")
    print("| --- | --- | --- | --- |")
    for trial in trials:
        print(f"| {trial.rule} | {trial.gain:+.1f} | {trial.low:+.1f} | {trial.worst:+.2f} |")


def gains(runs: Runs, budget: int, rules: Sequence[Rule]) -> Iterator[tuple[str, str]]:
    """By rule, its gain with a 95 % interval over the recorded seeds, and what it spent and began."""
    drawn = draw(len(runs.scores), np.random.default_rng(0), DRAWS, longest(budget))
    for rule in rules:
        mean, low, high = interval(runs, longest(budget), gain_of(rule, budget))
        replays = rule.replay(runs, budget, drawn)
        about = f"{replays.spent.mean():.0%}, {replays.started.mean():.1f}"
        yield str(rule), f"{mean:+.2f} ({low:+.1f} to {high:+.1f}); {about}"


def main() -> int:
    files = asked_files(__doc__)
    if not files:
        return 0
    deciding = {recipe: read(files["RTE"], "RTE", recipe) for recipe in RECIPES}
    singles, doubles = ([try_out(deciding, rule) for rule in rules] for rules in (single(), double()))
    print_trials("Deciding on RTE: one share", singles)
    doubles.sort(key=lambda trial: -trial.low)
    print_trials("Deciding on RTE: two shares, the ten surest", doubles[:10])
    one, two = decide(singles).rule, decide(doubles).rule
    floors = [replace(PLAIN, rest=False), PLAIN, replace(one, rest=False), BUILT, one, two]
    both = [FloorThenRung(margin, 5, built) for margin in (PLAIN.margins[0], one.margins[0]) for built in (False, True)]
    rules: list[Rule] = [*floors, *both, *CUTS]
    for task, budget in product(SCORES, BUDGETS):
        print(f"\n### {task}, {budget} full runs: gain over no stopping, in points; share spent, seeds begun\n")
        print("| rule | " + " | ".join(RECIPES.values()) + " |")
        print("| --- |" + " --- |" * len(RECIPES))
        table: dict[str, list[str]] = {}
        for recipe in RECIPES:
            for words, cell in gains(read(files[task], task, recipe), budget, rules):
                table.setdefault(words, []).append(cell)
        for words, cells in table.items():
            print(f"| {words} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
