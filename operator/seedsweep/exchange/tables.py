"""Tables with named columns, CSV, TSV or Parquet: one row an evaluation of a run."""

import csv
import difflib
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seedsweep.api.base import MAX_SEED
from seedsweep.api.episode import EpisodeId
from seedsweep.exchange.points import (
    MAX_POINTS,
    ImportProblemError,
    Point,
    number_of,
    numbered,
    whole_number,
)
from seedsweep.exchange.sample import check_choice
from seedsweep.exchange.told import COLUMNS, Told, told_by

Row = Mapping[str, object]
Group = tuple[str, ...]
"""The values of the columns that tell records apart."""
MAX_BYTES = 1 << 30
"""Of a CSV file, which is read whole."""
MAX_LISTED = 20
"""Values of a column in a message."""
_SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas"}
SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Columns:
    """Which columns hold what; None: the default where there is such a column."""

    score: tuple[str, ...] = ()
    """The first of these that has a value in a record; empty: `score`."""
    loss: str | None = None
    seed: str | None = None
    weight_init: str | None = None
    data_order: str | None = None
    evaluation: str | None = None
    step: str | None = None
    by: tuple[str, ...] = ()
    """One record for each combination of their values."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Rows that are read: the value that a column must have."""
    skip_empty: bool = False
    """Rows without a score are no evaluations."""
    number_runs: bool = False

    def resolved(self, source: str, header: Sequence[str]) -> "Columns":
        """With its defaults, of which every column is there.

        Raises:
            ImportProblemError: a column is not there, or none says which run a row is of.
        """
        named = [*self.score, *self.by, *self.where]
        named += [
            name
            for name in (self.loss, self.seed, self.weight_init, self.data_order, self.evaluation, self.step)
            if name
        ]
        for name in named:
            check_column(source, header, name)
        if not self.score:
            check_column(source, header, "score", "--score")
        if (self.weight_init is None) != (self.data_order is None):
            raise ImportProblemError("--weight-init and --data-order come together: give both, or --seed alone")
        if self.seed is not None and self.weight_init is not None:
            raise ImportProblemError("--seed: is one seed for both: leave it out, or --weight-init and --data-order")
        told = self.seed is not None or self.weight_init is not None
        pair = not told and {"weight_init", "data_order"} <= set(header)
        found = Columns(
            score=self.score or ("score",),
            loss=self.loss or (None if self.score else _there(header, "loss")),
            seed=self.seed or (_there(header, "seed") if not told and not pair else None),
            weight_init=self.weight_init or ("weight_init" if pair else None),
            data_order=self.data_order or ("data_order" if pair else None),
            evaluation=self.evaluation or _there(header, "evaluation"),
            step=self.step or _there(header, "step"),
            by=self.by,
            where=self.where,
            skip_empty=self.skip_empty,
            number_runs=self.number_runs,
        )
        if found.seed is None and found.weight_init is None and not self.number_runs:
            raise ImportProblemError(
                f"{source}: no column says which run a row is of: name it with --seed, or with --weight-init and "
                f"--data-order, or number the rows with --number-runs (columns: {_listed(header)}); with names in "
                "place of numbers: --seed COLUMN --number-runs"
            )
        if self.number_runs and found.weight_init is not None:
            raise ImportProblemError("--number-runs: two columns of seeds tell the runs: leave it out")
        if self.number_runs and found.seed is None and (found.step or found.evaluation):
            raise ImportProblemError(
                f"--number-runs: name the column that tells runs apart with --seed (columns: {_listed(header)})"
            )
        return found


def read_rows(path: Path) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    """The names of the columns, and every row with its place.

    Raises:
        ImportProblemError: unreadable, empty, not a table, or too long.
    """
    try:
        header, rows = _parquet(path) if path.suffix.lower() == ".parquet" else _separated(path)
    except OSError as error:
        raise ImportProblemError(f"{path}: cannot be read ({error.strerror or error}): give a file that can") from None
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise ImportProblemError(f"{path}: two columns are called {twice!r}: rename one of them")
    return header, rows


def read_table(path: Path, columns: Columns) -> tuple[dict[Group, list[Point]], dict[Group, Told]]:
    """The evaluations of every record in a table, and what it says beside them.

    Raises:
        ImportProblemError: see `read_rows` and `Columns.resolved`; no row is left; a value is no number.
    """
    header, rows = read_rows(path)
    chosen = columns.resolved(str(path), header)
    groups: dict[Group, list[tuple[str, Row]]] = {}
    there: dict[str, set[str]] = {name: set() for name in chosen.where}
    for where, row in rows:
        for name, values in there.items():
            values.add(_text(row[name]))
        if all(_text(row[name]) == value for name, value in chosen.where.items()):
            groups.setdefault(tuple(_text(row[name]) for name in chosen.by), []).append((where, row))
    if not groups:
        raise ImportProblemError(_unmatched(path, chosen.where, there))
    points: dict[Group, list[Point]] = {}
    told: dict[Group, Told] = {}
    for group, rows_of in groups.items():
        score = _score_column(chosen, rows_of)
        points[group] = list(_points(rows_of, score, chosen))
        if set(header) >= set(COLUMNS):
            ours = told_by(rows_of, _episodes(rows_of, chosen))
            check_choice(ours, chosen.where)
            told[group] = ours if score == "score" else ours.of_other_score(score)
        else:
            told[group] = Told(score)
    return points, told


def _unmatched(path: Path, where: Mapping[str, str], there: Mapping[str, set[str]]) -> str:
    if not any(there.values()):
        return f"{path}: no row: there is nothing to import"
    for name, value in where.items():
        values = sorted(there[name])
        if value not in values:
            more = f" and {len(values) - MAX_LISTED:,} more" if len(values) > MAX_LISTED else ""
            listed = ", ".join(repr(found[:60]) for found in values[:MAX_LISTED])
            return f"{path}: no row with {name}={value}: name another value with --where; {name} has {listed}{more}"
    told = ", ".join(f"{name}={value}" for name, value in where.items())
    return f"{path}: no row with {told} together, though there are rows with each: leave one out"


def check_column(source: str, header: Sequence[str], name: str, option: str | None = None) -> None:
    """Raises ImportProblemError unless there is such a column."""
    if name in header:
        return
    near = difflib.get_close_matches(name, header, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    remedy = f"name the column with {option}; " if option is not None else ""
    raise ImportProblemError(f"{source}: no column {name!r}: {hint}{remedy}its columns are {_listed(header)}")


def _listed(header: Sequence[str]) -> str:
    """A quote that is not closed makes all of a file one name."""
    return ", ".join(" ".join(name[:60].split()) for name in header)


def _points(rows: Sequence[tuple[str, Row]], score: str, columns: Columns) -> Iterator[Point]:
    if columns.skip_empty:
        rows = [(where, row) for where, row in rows if _text(row[score]) != ""]
    episodes = _episodes(rows, columns)
    for (where, row), episode in zip(rows, episodes, strict=True):
        yield Point(
            episode=episode,
            evaluation=_whole(row, columns.evaluation, where),
            step=_step(row, columns, where),
            score=number_of(row[score], where, score),
            loss=number_of(row[columns.loss], where, columns.loss) if columns.loss is not None else None,
            where=where,
        )


def _episodes(rows: Sequence[tuple[str, Row]], columns: Columns) -> list[EpisodeId]:
    if columns.weight_init is not None and columns.data_order is not None:
        names = (columns.weight_init, columns.data_order)
        return [EpisodeId(*(whole_number(row[n], where, n, MAX_SEED) for n in names)) for where, row in rows]
    if columns.seed is None:
        return [EpisodeId(i, i) for i in range(len(rows))]
    if columns.number_runs:
        nameless = next((where for where, row in rows if _text(row[columns.seed]) == ""), None)
        if nameless is not None:
            raise ImportProblemError(f"{nameless}: {columns.seed} is empty: correct it, or name another column")
        known = numbered([_text(row[columns.seed]) for _, row in rows])
        return [known[_text(row[columns.seed])] for _, row in rows]
    remedy = "name another column, or number these names with --number-runs"
    seeds = (whole_number(row[columns.seed], where, columns.seed, MAX_SEED, remedy) for where, row in rows)
    return [EpisodeId(seed, seed) for seed in seeds]


def _score_column(columns: Columns, rows: Sequence[tuple[str, Row]]) -> str:
    """The first that has a value here: tasks in one table may have metrics of their own."""
    return next((name for name in columns.score if any(_text(row[name]) != "" for _, row in rows)), columns.score[0])


def _whole(row: Row, column: str | None, where: str) -> int | None:
    return whole_number(row[column], where, column) if column is not None else None


def _step(row: Row, columns: Columns, where: str) -> int | None:
    """An empty cell is an unknown step, unless steps are what orders evaluations."""
    if columns.step is None or (columns.evaluation is not None and _text(row[columns.step]) == ""):
        return None
    return whole_number(row[columns.step], where, columns.step)


def _there(header: Sequence[str], name: str) -> str | None:
    return name if name in header else None


def _text(value: object) -> str:
    """A value as it stands in a CSV file; empty where there is none."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _separated(path: Path) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    if path.stat().st_size > MAX_BYTES:
        raise ImportProblemError(f"{path}: is larger than {MAX_BYTES >> 30} GB: split it, or write it as Parquet")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ImportProblemError(f"{path}: is not UTF-8 text: save it as UTF-8") from None
    # Our own tables begin with lines that say what they are.
    # Not splitlines(), which would also split at characters that a cell may hold.
    lines = list(io.StringIO(text, newline=""))
    above = next((i for i, line in enumerate(lines) if not (line.strip() + " ").startswith("# ")), len(lines))
    csv.field_size_limit(sys.maxsize)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(lines[above:], delimiter=delimiter)
    header = [name.strip() for name in next(reader, [])]
    other = next((sign for sign in _SEPARATORS if len(header) == 1 and sign in header[0]), None)
    if other is not None:
        or_as = {",": ", or name it .csv", "\t": ", or name it .tsv"}.get(other, "")
        raise ImportProblemError(
            f"{path}: {_SEPARATORS[other]} separate its columns: save it with {_SEPARATORS[delimiter]}{or_as}"
        )
    if not header:
        raise ImportProblemError(f"{path}: is empty: its first line must name the columns")
    return header, _lines(path, header, reader, above)


def _lines(path: Path, header: list[str], reader: Iterator[list[str]], above: int) -> Iterator[tuple[str, Row]]:
    try:
        for number, cells in enumerate(reader, start=1):
            if number > MAX_POINTS:
                raise ImportProblemError(f"{path}: has more than {MAX_POINTS:,} rows: split it")
            if not cells:
                continue
            where = f"{path}, row {above + number + 1}"
            if len(cells) != len(header):
                raise ImportProblemError(
                    f"{where}: has {len(cells)} cells, and there are {len(header)} columns: correct it"
                )
            if not any(map(str.strip, cells)):
                raise ImportProblemError(
                    f"{where}: all its cells are empty: remove it, or write nan where the score of a run is undefined"
                )
            yield where, dict(zip(header, cells, strict=True))
    except csv.Error:
        raise ImportProblemError(
            f"{path}: is no CSV: save it as CSV, with quotes around cells that need them"
        ) from None


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    from pyarrow import ArrowInvalid, parquet

    try:
        table = parquet.ParquetFile(path)
    except ArrowInvalid:
        raise ImportProblemError(f"{path}: is no Parquet file, or not whole: write it again") from None
    if table.metadata.num_rows > MAX_POINTS:
        raise ImportProblemError(f"{path}: has more than {MAX_POINTS:,} rows: split it")
    rows = ((f"{path}, row {i + 1}", row) for i, row in enumerate(table.read().to_pylist()))
    return list(table.schema_arrow.names), rows
