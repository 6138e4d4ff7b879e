"""What no field can tell alone: keep against t, rungs against the number of evaluations."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from seedsweep.api.early_stopping import MAX_MEMBERS, EarlyStopping, Rung
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.recorded import shortened, stored_size
from seedsweep.api.seeds import Seeds

MAX_PATH = 200
_MAX_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where, what was found, and what to do about it."""

    path: str
    value: object
    remedy: str
    line: int | None = field(default=None, compare=False)
    """From 1, of the file that it stands in; None where that is not known."""

    def __str__(self) -> str:
        where = f"line {self.line}, {self.path}" if self.line is not None else self.path
        found = str(self.value).lower() if isinstance(self.value, bool) else repr(self.value)
        return f"{where}: {self.remedy}" + ("" if self.value is None else f" (found {found})")


def path_of(location: Iterable[int | str]) -> str:
    """The path of a part, as people write it."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return shortened(path, MAX_PATH)


def shown(value: object) -> object:
    """A value as a problem shows it; None for a mapping, whose own text would bury the message."""
    if isinstance(value, dict):
        return None
    text = repr(value)
    return value if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def in_one_line(problems: Sequence[Problem], limit: int) -> str:
    """As many problems as fit into `limit` bytes of JSON, and how many more there are."""
    texts = list(map(str, problems))
    room = limit - len(_more(len(texts)))
    ends = list(accumulate(stored_size(f"; {text}") for text in texts))
    fitting = len(texts) if ends[-1] <= room else max(1, bisect_right(ends, room))
    return shortened("; ".join(texts[:fitting]), room) + _more(len(texts) - fitting)


def _more(count: int) -> str:
    return f"; and {count} more problem{'s' if count > 1 else ''}" if count else ""


def rung_evaluation(at_percent: int, evaluations: int) -> int:
    """The evaluation at which a rung cuts: floor(a E / 100), in integers."""
    return at_percent * evaluations // 100


def check_rungs(path: str, rungs: Sequence[Rung], evaluations: int) -> list[Problem]:
    """Every rung must fall on an evaluation of its own, after the first and before the last."""
    problems = []
    for i, rung in enumerate(rungs):
        e = rung_evaluation(rung.at_percent, evaluations)
        where = f"{path}[{i}].atPercent"
        if e < 1:
            problems += check_share(where, rung.at_percent, evaluations)
        elif i and e == rung_evaluation(rungs[i - 1].at_percent, evaluations):
            remedy = f"falls on evaluation {e} like the rung before it: space the rungs, or evaluate more often"
            problems.append(Problem(where, rung.at_percent, remedy))
    return problems


def check_share(path: str, at_percent: int, evaluations: int) -> list[Problem]:
    """A share of an episode must come to an evaluation, the first or a later one."""
    if rung_evaluation(at_percent, evaluations) >= 1:
        return []
    lowest = -(-100 // evaluations)
    remedy = f"falls before the first of {evaluations} evaluations: use {lowest} or more, or evaluate more often"
    return [Problem(path, at_percent, remedy)]


def check_budget(budget: int | None, seeds: Seeds, stopping: EarlyStopping | None) -> list[Problem]:
    """A budget and a floor go together, and there are seeds to spend it on."""
    if stopping is None or stopping.floor is None:
        if budget is None:
            return []
        return [Problem("spec.budget", budget, "is for earlyStopping.floor alone: remove it, or use a floor")]
    if budget is None:
        return [Problem("spec.budget", None, "earlyStopping.floor needs it: say how many full runs may be spent")]
    if seeds.count < budget:
        remedy = f"spec.seeds gives {seeds.count} episodes, fewer than full runs may be spent: list more, or lower it"
        return [Problem("spec.budget", budget, remedy)]
    return [
        Problem(
            f"spec.earlyStopping.rungs[{i}].keep", rung.keep, f"spec.budget pays for no more: keep {budget} or fewer"
        )
        for i, rung in enumerate(stopping.rungs or ())
        if rung.keep > budget
    ]


def check_result(seeds: Seeds, stopping: EarlyStopping | None, budget: int | None, *, scored: bool) -> list[Problem]:
    """An average is made of few survivors; `scored`: of weights that are stored, and that something can score."""
    if not scored:
        remedy = "needs fineTuning, or a trainer of one's own with weights.scoreCommand: add that, or use winner"
        return [Problem("spec.result", "average", remedy)]
    survivors = _survivors(seeds, stopping, budget)
    if survivors > MAX_MEMBERS:
        remedy = f"of up to {survivors} survivors, more than {MAX_MEMBERS}: keep fewer at the last rung, or use winner"
        return [Problem("spec.result", "average", remedy)]
    return []


def _survivors(seeds: Seeds, stopping: EarlyStopping | None, budget: int | None) -> int:
    """At most; 0 of generated brackets, which the engine lays out."""
    if stopping is None:
        return seeds.count
    if stopping.rungs is not None:
        return stopping.rungs[-1].keep
    if stopping.brackets is not None:
        return sum(bracket.rungs[-1].keep if bracket.rungs else bracket.episodes for bracket in stopping.brackets)
    return budget or 0


def cross_check(
    seeds: Seeds, stopping: EarlyStopping | None, fine_tuning: FineTuning | None, evaluations: int | None
) -> list[Problem]:
    """All problems between the parts of a spec, each of which is valid alone.

    `evaluations`: of an episode; None where only the trainer will tell.
    """
    problems = []
    drawn = fine_tuning is None or fine_tuning.head == "reinit" or fine_tuning.reinit
    if not drawn and not _has_one_weight_init(seeds):
        remedy = "brings its own head, so weight-init seeds change nothing: use one weight-init seed, or head: reinit"
        problems.append(Problem("spec.trainer.fineTuning.head", "keep", remedy))
    if stopping is None:
        return problems
    t = seeds.count
    ladders: list[tuple[str, Sequence[Rung], int]] = []
    if stopping.rungs is not None:
        ladders.append(("spec.earlyStopping.rungs", stopping.rungs, t))
    for i, bracket in enumerate(stopping.brackets or ()):
        ladders.append((f"spec.earlyStopping.brackets[{i}].rungs", bracket.rungs, bracket.episodes))
    if stopping.brackets is not None and (total := sum(b.episodes for b in stopping.brackets)) != t:
        problems.append(Problem("spec.earlyStopping.brackets", total, f"must hold all {t} episodes of spec.seeds"))
    if stopping.floor is not None and evaluations is not None:
        problems += check_share("spec.earlyStopping.floor.atPercent", stopping.floor.at_percent, evaluations)
    for path, rungs, size in ladders:
        problems += [
            Problem(f"{path}[{i}].keep", rung.keep, f"is more than the episodes there are: keep {size} or fewer")
            for i, rung in enumerate(rungs)
            if rung.keep > size and stopping.floor is None  # beside a floor the budget bounds it
        ]
        if evaluations is not None:
            problems += check_rungs(path, rungs, evaluations)
    return problems


def _has_one_weight_init(seeds: Seeds) -> bool:
    if seeds.pairs is not None:
        return all(pair.weight_init == seeds.pairs[0].weight_init for pair in seeds.pairs)
    given = seeds.grid.weight_inits if seeds.grid is not None else seeds.single
    return given is None or len(given.seeds) <= 1
