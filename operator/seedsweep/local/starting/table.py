"""The rows of a file of examples as text, for a look at what they are; the trainer reads them itself."""

import csv
import json
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from seedsweep.api.reading.missing_files import files_near
from seedsweep.codes import bad_input
from seedsweep.parts import require
from seedsweep_trainer.data.damage import SUFFIXES, find_damage, wrong_separator
from seedsweep_trainer.data.rows import TSV_LAYOUT, is_array

MOST_ROWS = 100_000
"""That are looked at: sizes are sensible from them on."""


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a CSV, TSV, JSON, JSON lines or Parquet file; raises CommandError."""
    try:
        rows = _read(path)
    except FileNotFoundError as error:
        near = files_near(path, SUFFIXES, "give the path of an existing one")
        raise bad_input(f"--data: {path}: there is no such file: {near}") from error
    except OSError as error:
        raise bad_input(f"--data: {path} cannot be read ({error.strerror}): give a file that can") from error
    except (ValueError, csv.Error) as error:
        raise bad_input(f"--data: {path} cannot be read: {find_damage(path)}") from error
    if not rows:
        raise bad_input(f"--data: {path} holds no examples: give a file with some")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if wrong := wrong_separator(columns, path.suffix.lower()):
        raise bad_input(f"--data: {path}: {wrong}")
    return columns, [{str(name): _text(value) for name, value in row.items()} for row in rows]


def _read(path: Path) -> Sequence[dict[str, object]]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        require("tables")
        from pyarrow import parquet

        rows: list[dict[str, object]] = parquet.read_table(path).slice(0, MOST_ROWS).to_pylist()
        return rows
    if suffix not in SUFFIXES:
        raise bad_input(f"--data: {path} is none of .csv, .tsv, .json, .jsonl and .parquet: give a file that is")
    with path.open(newline="", encoding="utf-8-sig") as lines:
        if suffix in (".csv", ".tsv"):
            csv.field_size_limit(sys.maxsize)
            layout = TSV_LAYOUT if suffix == ".tsv" else {}
            table: list[dict[str, object]] = list(islice(csv.DictReader(lines, strict=True, **layout), MOST_ROWS))
            if any(None in row for row in table):
                raise ValueError("a row with more fields than the header line")
            return table
        if is_array(path):
            return _objects(json.load(lines))
        return _objects([json.loads(line) for line in islice(lines, MOST_ROWS) if line.strip()])


def _objects(items: list[object]) -> list[dict[str, object]]:
    found = [item for item in items[:MOST_ROWS] if isinstance(item, dict)]
    if len(found) < len(items[:MOST_ROWS]):
        raise ValueError("not all are objects")
    return found


def _text(value: object) -> str:
    """As the trainer has it: NaN is nothing, and 3.0 is 3."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, default=str)
