"""What W&B's panels export: a CSV with a column of steps, and of each run `NAME - METRIC` beside __MIN and __MAX."""

from collections.abc import Sequence
from pathlib import Path

from seedsweep.exchange.points import ImportProblemError, Point, number_of, seeds_of_runs, whole_number
from seedsweep.exchange.runs import Named, check_loss, distinct
from seedsweep.exchange.tables import Row, read_rows

_SEPARATOR = " - "


def is_panel(header: Sequence[str]) -> bool:
    """Whether these are the columns of such a file."""
    return any(name.endswith("__MIN") and name.removesuffix("__MIN") in header for name in header)


def read_panel(path: Path, named: Named) -> list[Point]:
    """The evaluations of all runs in a panel's export. An empty cell is no evaluation; NaN is an undefined one.

    Raises:
        ImportProblemError: no run has such a metric, a value is no number, or a run's name holds no seeds.
    """
    header, rows = read_rows(path)
    ending = f"{_SEPARATOR}{named.score}"
    metrics = sorted({name.rsplit(_SEPARATOR, 1)[1] for name in header[1:] if _SEPARATOR in name})
    metrics = [metric for metric in metrics if not metric.endswith(("__MIN", "__MAX"))]
    runs = {name: name.removesuffix(ending) for name in header if name.endswith(ending)}
    if not runs:
        raise ImportProblemError(
            f"{path}: no column ends with {ending!r}: name a metric with --score; there are {', '.join(metrics)}"
        )
    check_loss(named, metrics)
    episodes = seeds_of_runs(list(runs.values()), named.seeds_in, named.number_runs)
    points = []
    for where, row in rows:
        step = _step(row[header[0]], where, header[0])
        for column, run in runs.items():
            if row[column] == "":
                continue
            _check_whole(row, column, where)
            loss = row.get(f"{run}{_SEPARATOR}{named.loss}") if named.loss is not None else None
            score = number_of(row[column], where, column)
            points.append(Point(episodes[run], None, step, score, number_of(loss, where, str(named.loss)), where))
    return distinct(points, "remove one of the two rows")


def _check_whole(row: Row, column: str, where: str) -> None:
    """Raise ImportProblemError for a cell in which the panel shows the mean of several values."""
    least, most = (row.get(f"{column}{ending}", row[column]) for ending in ("__MIN", "__MAX"))
    if least != most:
        raise ImportProblemError(
            f"{where}: {column} is a mean of values from {least} to {most}: export single runs, ungrouped, with all of "
            "their points (full fidelity)"
        )


def _step(value: object, where: str, column: str) -> int:
    try:
        return whole_number(value, where, column)
    except ImportProblemError:
        raise ImportProblemError(
            f"{where}: {column} is {str(value)[:60]!r}, and no step: export the panel with Step as its x-axis"
        ) from None
