"""What `seedsweep export` writes beside the evaluations: a table with all of its columns says it again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from seedsweep.api.episode import EpisodeId
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


def told_by(rows: Sequence[tuple[str, Mapping[str, object]]], episodes: Iterable[EpisodeId]) -> Told:
    """What the rows of one record in an exported table say; the episodes are those of the rows.

    Raises:
        ImportProblemError: the rows are of several records, or a value is not what such a table has.
    """
    where, goal = _only(rows, "goal")
    if goal not in ("maximize", "minimize"):
        raise ImportProblemError(f"{where}: goal is {goal[:60]!r}, not maximize or minimize: correct it")
    where, baseline = _only(rows, "baseline")
    outcomes: dict[EpisodeId, Loss] = {}
    for (_, row), episode in zip(rows, episodes, strict=True):
        outcome = row["outcome"]
        if outcome == "Failed" or outcome == "Diverged":
            outcomes[episode] = outcome
    metric = _only(rows, "metric")[1]
    return Told(metric or "score", cast(Goal, goal), number_of(baseline, where, "baseline"), outcomes)


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
