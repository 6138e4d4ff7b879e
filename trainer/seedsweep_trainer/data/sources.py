"""Where examples come from: files and installed packages, read into tables held in memory.

Nothing is cached, so a read-only home is enough. `hub_data` reads data sets of the hub into the same tables.
"""

import csv
import math
import re
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from datasets.exceptions import DatasetGenerationError

from seedsweep_trainer.data.damage import KINDS, find_damage, json_damage, overlooked, wrong_name
from seedsweep_trainer.data.references import resolve
from seedsweep_trainer.data.rows import TSV_LAYOUT, Rows, is_array, read_rows
from seedsweep_trainer.endings import is_out_of_resources
from seedsweep_trainer.errors import ConfigurationError, unknown_name

HIDDEN_LABEL = "-1"
"""What hub data sets hold where a label is withheld, as in GLUE's test sets."""

_PLAIN_TYPES = re.compile(r"((large_)?(string|binary)|(string|binary)_view)|u?int\d+|float\d+|bool|decimal\d+\(.+\)")
_VIEWS = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
"""What polars writes for text, and arrow can hardly compute with."""
_INEXACT = 2**53
"""From which on not every whole number is a float: what reads JSON rounds those of more than 64 bits, or among
fractions."""


@dataclass(frozen=True, slots=True)
class Table:
    """Examples as they were read, with what to call them in an error."""

    field: str
    """The configuration's field that named them, like dataset.train."""
    origin: str
    """That field's value."""
    data: datasets.Dataset
    path: Path | None = None
    """Of the file; None for what comes from the hub."""
    header: Sequence[str] | None = None
    """The names of the columns of a file that has no header line."""

    @property
    def rows(self) -> Rows:
        """What its rows are called."""
        return Rows(f"{self.field} {self.origin!r}", self.path, self.header)

    def strings(self, column: str, field: str, rows: np.ndarray | None = None) -> list[str | None]:
        """One column as text, whatever its type in the file; all rows, or those numbered in `rows`.

        `field` is the configuration's field that names the column. Class numbers of the hub become class names.
        Raises ConfigurationError for a column that is missing or holds neither text, numbers nor booleans.
        """
        if column not in self.data.column_names:
            raise unknown_name(field, column, self.data.column_names, f"a column of {self.field} {self.origin!r}")
        feature = self.data.features[column]
        values = self.data.data.column(column)
        values = values.cast(_VIEWS.get(values.type, values.type))
        if rows is not None:
            values = values.take(pa.array(rows))
        if isinstance(feature, datasets.ClassLabel):
            return [None if i is None else feature.names[i] if i >= 0 else HIDDEN_LABEL for i in values.to_pylist()]
        if not isinstance(feature, datasets.Value) or not _PLAIN_TYPES.fullmatch(feature.dtype):
            return self._mixed(column, field, rows)
        if pa.types.is_floating(values.type):
            # What writes JSON and Parquet from Python writes NaN where there is nothing.
            if values.type == pa.float16():
                values = values.cast(pa.float32())
            values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
            if self._is_json and (pc.max(pc.abs(values)).as_py() or 0) >= _INEXACT:
                return self._mixed(column, field, rows)
        try:
            texts: list[str | None] = values.cast(pa.large_string()).to_pylist()
        except ValueError:
            place = self.rows.place(_first_broken(values, rows))
            raise ConfigurationError(f"{field} {column!r}: {place} is not UTF-8; write the file as UTF-8") from None
        return texts

    def _mixed(self, column: str, field: str, rows: np.ndarray | None) -> list[str | None]:
        """A column of no plain type as text, if it holds texts or numbers and beside them nothing, like NaN in JSON.

        Raises ConfigurationError with what else it holds.
        """
        values = self._written(column)
        kinds: dict[str, int] = {}
        for row, value in enumerate(values):
            if value is not None and value == value:
                kinds.setdefault(KINDS.get(type(value).__name__, type(value).__name__), row)
        if list(kinds) in ([KINDS["str"]], [KINDS["int"]]):
            chosen = range(len(values)) if rows is None else rows
            return [_as_text(values[int(row)]) for row in chosen]
        if len(kinds) > 1:
            numbers = self.rows.numbers(list(kinds.values()))
            shown = ", ".join(f"{kind} in row {number}" for kind, number in zip(kinds, numbers, strict=True))
            raise ConfigurationError(
                f"{field} {column!r} of {self.rows.source} holds {shown}: write all of its values as the same kind, "
                "such as text in quotes"
            )
        held = next(iter(kinds), KINDS["NoneType"])
        raise ConfigurationError(
            f"{field} {column!r} of {self.field} {self.origin!r} holds {held} in every row: name a column of plain "
            "text, numbers or booleans"
        )

    def _written(self, column: str) -> Sequence[Any]:
        """The values of a column as the file has them: what reads JSON takes texts for numbers and dates."""
        if self._is_json:
            assert self.path is not None
            with suppress(ValueError, AttributeError):
                values = [row.values.get(column) for row in read_rows(self.path)]
                if len(values) == len(self.data):
                    return values
        return self.data[column]  # type: ignore[no-any-return]

    @property
    def _is_json(self) -> bool:
        return self.path is not None and self.path.suffix.lower() in (".json", ".jsonl")

    def class_names(self, column: str) -> list[str] | None:
        """The class names that the data set itself declares for `column`, in the order of their ids."""
        feature = self.data.features.get(column)
        return list(feature.names) if isinstance(feature, datasets.ClassLabel) else None


def read_file(reference: str, field: str, header: Sequence[str] | None = None) -> Table:
    """All rows of a CSV, TSV, JSON, JSON lines or Parquet file, in its order.

    `header` names the columns of a file that has no header line. Values of CSV and TSV files stay text: `NA` is a
    word and `007` is not 7. Quotes quote in CSV (RFC 4180); in TSV they are plain characters, as IANA's
    text/tab-separated-values has it and as GLUE is written. Raises ConfigurationError where the file is missing,
    empty or malformed.
    """
    path = Path(resolve(reference, field))
    what = f"{field} {reference!r} cannot be read"
    try:
        if not path.exists():
            raise ConfigurationError(f"{field} {reference!r}: there is no such file; give the path of an existing one")
        if wrong := wrong_name(path):
            raise ConfigurationError(f"{field} {reference!r}: {wrong}")
        damage = overlooked(path)
        data = _read(path, header) if damage is None else None
    except ConfigurationError:
        raise
    except OSError as error:
        if is_out_of_resources(error):
            raise
        raise ConfigurationError(
            f"{what}: {error.strerror or type(error).__name__}; let the trainer's user read it, or correct the path"
        ) from error
    except Exception as error:
        if is_out_of_resources(error) or is_out_of_resources(error.__cause__ or error):
            raise
        raise ConfigurationError(f"{what}: {find_damage(path, header)}") from error
    if data is None:
        raise ConfigurationError(f"{what}: {damage}")
    return Table(field, reference, data, path, header)


def _read(path: Path, header: Sequence[str] | None) -> datasets.Dataset:
    datasets.disable_progress_bars()
    suffix = path.suffix.lower()
    with tempfile.TemporaryDirectory(prefix="seedsweep-") as cache:
        where: dict[str, Any] = {"cache_dir": cache, "keep_in_memory": True}
        if suffix == ".parquet":
            return datasets.Dataset.from_parquet(str(path), **where)
        if suffix in (".json", ".jsonl"):
            lines = _lines(path, where)
            return lines if lines is not None else _objects(path)
        layout = TSV_LAYOUT if suffix == ".tsv" else {}
        columns = list(header) if header else _header(path, layout)
        with warnings.catch_warnings():
            # pandas drops surplus fields with no more than this warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return datasets.Dataset.from_csv(
                str(path),
                features=datasets.Features({name: datasets.Value("large_string") for name in columns}),
                names=columns,
                header=None if header else 0,
                index_col=False,
                keep_default_na=False,
                **layout,
                **where,
            )


def _lines(path: Path, where: dict[str, Any]) -> datasets.Dataset | None:
    """Of JSON lines, if `datasets` reads them as they are.

    An array, and lines of which a column has several types, it writes anew: with ten decimals of each number, and the
    last of repeated names. Lines it reads in pieces, by the columns and types of the first.
    """
    if is_array(path):
        return None
    try:
        data = datasets.Dataset.from_json(str(path), **where)
    except (DatasetGenerationError, ValueError):
        return None
    return None if "Json(" in repr(data.features) else data


def _objects(path: Path) -> datasets.Dataset:
    """Of a whole JSON file, read here; raises ValueError where it is damaged."""
    if json_damage(path) is not None:
        raise ValueError("the file is damaged")
    rows = [row.values for row in read_rows(path)]
    names = dict.fromkeys(name for row in rows for name in row)
    if not names:
        raise ValueError("no object has a value")
    return datasets.Dataset(pa.table({name: _array([row.get(name) for row in rows]) for name in names}))


def _array(values: list[Any]) -> pa.Array:
    """Of one type; nothing where the values have several, which are read from the file again."""
    with suppress(pa.ArrowException, OverflowError):
        return pa.array(values)
    return pa.nulls(len(values))


def _header(path: Path, layout: dict[str, Any]) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        names = next(csv.reader(lines, **layout), [])
    if not names:
        raise ValueError("the file is empty")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"column {repeated[0]!r} appears more than once")
    return names


def _as_text(value: str | float | None) -> str | None:
    if isinstance(value, float):
        return None if math.isnan(value) else str(pa.scalar(value).cast(pa.string()))
    return None if value is None else str(value)


def _first_broken(values: pa.ChunkedArray, rows: np.ndarray | None) -> int:
    """The row, from 0, of the first text that is not UTF-8."""
    for i, value in enumerate(values.cast(pa.large_binary())):
        try:
            (value.as_py() or b"").decode()
        except UnicodeDecodeError:
            return i if rows is None else int(rows[i])
    return 0
