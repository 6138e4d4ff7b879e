"""What `seedsweep export` writes beside the evaluations: a table with all of its columns says it again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

from seedsweep.api.episode import EpisodeId
from seedsweep.api.status import Design
from seedsweep.exchange.points import ImportProblemError, number_of

Goal = Literal["maximize", "minimize"]
Loss = Literal["Failed", "Diverged"]

COLUMNS = (
    "sweep",
    "metric",
    "goal",
    "design",
    "episode",
    "weight_init",
    "data_order",
    "evaluation",
    "step",
    "score",
    "loss",
    "baseline",
    "outcome",
    "counts",
)
"""Of an exported table."""


@dataclass(frozen=True)
class Told:
    """What a source says beside the evaluations of a record."""

    metric: str
    goal: Goal | None = None
    baseline: float | None = None
    outcomes: Mapping[EpisodeId, Loss] = field(default_factory=dict)
    """Of episodes that came to no good end."""
    design: Design = "full"
    losers: frozenset[EpisodeId] = frozenset()
    """Episodes that lost at a rung or fell below a floor."""

    def of_other_score(self, column: str) -> "Told":
        """The same of the same runs, ranked by another column, about which the table says nothing."""
        return replace(self, metric=column, goal=None, baseline=None)


def told_by(rows: Sequence[tuple[str, Mapping[str, object]]], episodes: Iterable[EpisodeId]) -> Told:
    """What the rows of one record in an exported table say; the episodes are those of the rows.

    Raises:
        ImportProblemError: the rows are of several records, or a value is not what such a table has.
    """
    where, goal = _only(rows, "goal")
    if goal not in ("maximize", "minimize"):
        raise ImportProblemError(f"{where}: goal is {goal[:60]!r}, not maximize or minimize: correct it")
    where, baseline = _only(rows, "baseline")
    where_design, design = _only(rows, "design")
    if design not in get_args(Design):
        remedy = f"not one of {', '.join(get_args(Design))}: correct it"
        raise ImportProblemError(f"{where_design}: design is {design[:60]!r}, {remedy}")
    outcomes: dict[EpisodeId, Loss] = {}
    losers: set[EpisodeId] = set()
    for (_, row), episode in zip(rows, episodes, strict=True):
        outcome = row["outcome"]
        if outcome == "Failed" or outcome == "Diverged":
            outcomes[episode] = outcome
        elif isinstance(outcome, str) and outcome.startswith("Lost"):
            losers.add(episode)
    metric = _only(rows, "metric")[1] or "score"
    known = number_of(baseline, where, "baseline")
    return Told(metric, cast(Goal, goal), known, outcomes, cast(Design, design), frozenset(losers))


def _only(rows: Sequence[tuple[str, Mapping[str, object]]], column: str) -> tuple[str, str]:
    """The one value of a column as text, and the first place that has it."""
    places: dict[str, str] = {}
    for where, row in rows:
        value = row[column]
        places.setdefault("" if value is None or value != value else str(value), where)
    if len(places) > 1:
        one, other = list(places)[:2]
        raise ImportProblemError(
            f"{places[other]}: {column} is {other!r}, and before it {one!r}: tell records apart with --by sweep"
        )
    text, where = next(iter(places.items()))
    return where, text
