"""The rows of a file of examples, numbered as people see them: by a spreadsheet, and by an editor.

Tables that were read count rows from 0 and know no header line. Where a message names a row, the file is looked
through once more. Imports nothing that is slow.
"""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedsweep.api.finetuning import Dataset

TSV_LAYOUT: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
"""Of a .tsv file, for the csv module: quotes are part of the text."""

MOST_COUNTED = 5_000
"""Rows that are counted before the trainer is asked, which takes a moment."""
_NAMED_ROWS = 10
"""So many are named: they tell where to look, and the rest is counted."""
_LARGEST_ARRAY = 1 << 24
"""Bytes of a JSON array whose elements are counted before the trainer is asked: it is read whole or not at all."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file."""

    number: int
    """In a spreadsheet, where the header line is row 1 and empty lines count."""
    line: int
    """In which it begins, from 1."""
    values: Mapping[str, Any]
    """By column."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What the rows of one source are called in messages."""

    of: str
    """The source, as in `dataset.train 'reviews.csv'`."""
    path: Path | None
    """None for what is no file of this machine."""
    header: Sequence[str] | None = None
    """The names of the columns of a table that has no header line."""

    @property
    def source(self) -> str:
        """The source, and how its rows are counted."""
        return f"{self.of} ({'row 1 is the header' if self._has_header else 'rows are counted from 1'})"

    def numbers(self, rows: Sequence[int]) -> list[str]:
        """Of rows that are counted from 0: as a spreadsheet shows them, with the line where that is another."""
        wanted = set(rows)
        found: dict[int, Row] = {}
        if self.path is not None:
            with suppress(OSError, ValueError, csv.Error):
                for position, row in enumerate(read_rows(self.path, self.header)):
                    if position in wanted:
                        found[position] = row
                    if len(found) == len(wanted):
                        break
        return [_number(found.get(row), row + (2 if self._has_header else 1)) for row in rows]

    def place(self, row: int) -> str:
        """Of one row, counted from 0: its number and the source."""
        return f"row {self.numbers([row])[0]} of {self.source}"

    def lacking(self, rows: Sequence[int], what: str) -> str:
        """That these rows, counted from 0, have no text or label, with the remedy."""
        if len(rows) == 1:
            return f"{self.place(rows[0])} has no {what}: fill it in or remove the row"
        more = f" and {len(rows) - _NAMED_ROWS:,} more" if len(rows) > _NAMED_ROWS else ""
        named = ", ".join(self.numbers(rows[:_NAMED_ROWS]))
        return f"rows {named}{more} of {self.source} have no {what}: fill them in or remove the rows"

    @property
    def _has_header(self) -> bool:
        return self.path is not None and self.header is None and self.path.suffix.lower() in (".csv", ".tsv")


def first_line(path: Path) -> tuple[int, str]:
    """The number of the first line of a text that is not blank, and that line; 1 and nothing where there is none."""
    with path.open(encoding="utf-8-sig") as lines:
        return next(((number, line) for number, line in enumerate(lines, 1) if line.strip()), (1, ""))


def is_array(path: Path) -> bool:
    """Whether a JSON file is one array, and not an object a line."""
    return first_line(path)[1].lstrip().startswith("[")


def read_rows(path: Path, header: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of a CSV, TSV, JSON or JSON lines file, one after the other; none of a Parquet file.

    Raises OSError, ValueError and csv.Error where the file is damaged.
    """
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        yield from _rows_of_table(path, TSV_LAYOUT if suffix == ".tsv" else {}, header)
    elif suffix in (".json", ".jsonl"):
        yield from _rows_of_objects(path)


def count_rows(path: Path, header: Sequence[str] | None, where: Mapping[str, str], most: int) -> int | None:
    """How many rows hold these values, up to `most`; None where that takes long, or the trainer has to judge it.

    The latter are damaged files, and values that are no text.
    """
    is_table = path.suffix.lower() in (".csv", ".tsv")
    if where and not is_table:
        return None
    count = position = 0
    with suppress(OSError, ValueError, csv.Error):
        if not is_table and path.stat().st_size > _LARGEST_ARRAY and is_array(path):
            return None
        for position, row in enumerate(read_rows(path, header), 1):
            count += all(row.values.get(column) == wanted for column, wanted in where.items())
            if count >= most:
                return count
            if position >= MOST_COUNTED:
                return None
        return count if position else None
    return None


def too_few(dataset: Dataset, has: int, of: str) -> str | None:
    """Why `has` training examples do not carry a data set's split, with the remedy; None where they do."""
    split = dataset.split
    if split.validation + split.test < has:
        return None
    with_where = " with dataset.where" if dataset.where else ""
    remedy = f"lower them to {has - 1:,} together at most, or add examples" if has > 1 else "add examples"
    return (
        f"sets {split.validation:,} validation and {split.test:,} test examples aside, and {of}{with_where} has "
        f"{has:,} in all: {remedy}"
    )


def _number(row: Row | None, otherwise: int) -> str:
    if row is None:
        return str(otherwise)
    return str(row.number) if row.number == row.line else f"{row.number} (line {row.line})"


def _rows_of_table(path: Path, layout: dict[str, Any], header: Sequence[str] | None) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    names, line = header, 1
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.reader(lines, **layout)
        for number, cells in enumerate(reader, 1):
            # What reads tables passes over empty lines.
            if cells and (len(cells) > 1 or cells[0].strip()):
                if names is None:
                    names = cells
                else:
                    yield Row(number, line, dict(zip(names, cells, strict=False)))
            line = reader.line_num + 1


def _rows_of_objects(path: Path) -> Iterator[Row]:
    if is_array(path):
        for number, item in enumerate(json.loads(path.read_text(encoding="utf-8-sig")), 1):
            # Lines of an array say nothing of its elements.
            yield Row(number, number, item)
        return
    with path.open(encoding="utf-8-sig") as lines:
        number = 0
        for line, text in enumerate(lines, 1):
            if text.strip():
                number += 1
                yield Row(number, line, json.loads(text))
