"""Training loss and time of each evaluation, from what attempts left beside a record."""

from dataclasses import dataclass
from statistics import median

from seedsweep.report.beside import Beside
from seedsweep.report.record import Record
from seedsweep.report.table import Table, Value

_COLUMNS = ("episode", "evaluation", "step", "training_loss", "training_seconds", "evaluation_seconds")


@dataclass(frozen=True, slots=True)
class Training:
    """Medians over episodes or evaluations of which it is known; None where it is of none."""

    first_loss: float | None
    """Mean of the steps before the first evaluation."""
    last_loss: float | None
    """Mean of the steps before the last evaluation on record."""
    episodes: int
    """How many episodes these are of."""
    evaluation_seconds: float
    evaluations: int
    """How many evaluations that is of."""
    evaluating: float | None
    """Share of the time of steps and evaluations that evaluations took; None where neither took any."""


def training_of(record: Record, known: Beside) -> Training | None:
    """The record's in short; None where nothing is known."""
    lines = [line for own in known.training.values() for line in own.values()]
    if not lines:
        return None
    ends = []
    for name, last in last_losses(record, known).items():
        first = known.training[name].get(1)
        if first is not None and first.loss is not None:
            ends.append((first.loss, last))
    evaluating = sum(line.evaluation_seconds for line in lines)
    total = evaluating + sum(line.training_seconds for line in lines)
    return Training(
        first_loss=median(first for first, _ in ends) if ends else None,
        last_loss=median(last for _, last in ends) if ends else None,
        episodes=len(ends),
        evaluation_seconds=median(line.evaluation_seconds for line in lines),
        evaluations=len(lines),
        evaluating=evaluating / total if total else None,
    )


def last_losses(record: Record, known: Beside) -> dict[str, float]:
    """By name of an episode, the mean training loss of the steps before its last evaluation, where it is known."""
    found = {}
    for episode in record.episodes:
        name = episode.spec.id.name
        last = known.training.get(name, {}).get(len(episode.status.scores))
        if last is not None and last.loss is not None:
            found[name] = last.loss
    return found


def training_table(record: Record, known: Beside) -> Table | None:
    """Every evaluation of which it is known; None without any."""
    rows: list[tuple[Value, ...]] = []
    for episode in record.episodes:
        name = episode.spec.id.name
        for at, line in sorted(known.training.get(name, {}).items()):
            rows.append((name, at, line.step, line.loss, line.training_seconds, line.evaluation_seconds))
    return Table("training", _COLUMNS, rows) if rows else None
