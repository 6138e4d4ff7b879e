"""What is wrong with a file of examples that cannot be read: the first line that is to blame, and the remedy.

Libraries that read files are fast and say little. Here a file that they have refused is looked through line by line.
"""

import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from seedsweep_trainer.data.rows import TSV_LAYOUT, first_line

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
"""What the name of a file of examples ends in."""
KINDS = {
    "NoneType": "nothing",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "str": "text",
    "list": "a list",
    "dict": "an object",
    "date": "a date",
    "datetime": "a time",
}
"""What values are called, by their type in Python."""

_BAD_QUOTE = "a quote in line {} is not closed, or goes on after its end; quotes in a text are doubled"
_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}


def wrong_name(path: Path) -> str | None:
    """Why what is there is no file of examples by its name, with the remedy; None where it may be one."""
    if path.is_dir():
        return "is a folder; name a file in it"
    if path.suffix.lower() not in SUFFIXES:
        return f"the name must end in one of {', '.join(SUFFIXES)}; save the file as one of these"
    return None


def overlooked(path: Path) -> str | None:
    """Damage that libraries pass over, or crash at, with the remedy; None where a file has none.

    In CSV a quote that is not closed joins its row with those up to the next quote. JSON is read whatever its bytes
    are, and a first line that is null ends the process.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return None
    looks = {".csv": (_bad_quote,), ".tsv": ()}.get(suffix, (not_utf8, _null_first))
    return next((found for look in (_other_form, *looks) if (found := look(path))), None)


def _bad_quote(path: Path) -> str | None:
    csv.field_size_limit(sys.maxsize)
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        reader, began = csv.reader(lines, strict=True), 1
        try:
            for _ in reader:
                began = reader.line_num + 1
        except csv.Error:
            return _BAD_QUOTE.format(began)
    return None


def _null_first(path: Path) -> str | None:
    number, first = first_line(path)
    if first.strip() != "null":
        return None
    return f"line {number} is nothing; make it an object with a value for each column"


def not_utf8(path: Path) -> str | None:
    """The first line of a text file that is not UTF-8, with the remedy; None where all are."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return (
                    f"line {number} is not UTF-8 (byte {line[error.start]:#04x} at its position {error.start + 1}); "
                    "save the file as UTF-8"
                )
    return None


def find_damage(path: Path, columns: Sequence[str] | None = None) -> str:
    """The reason why a file could not be read, with the remedy.

    `columns` are the names of the columns of a CSV or TSV file that has no header line.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return next(_in_parquet(path))
    if reason := _other_form(path) or not_utf8(path):
        return reason
    if not path.read_text(encoding="utf-8-sig").strip():
        return "it is empty; give a file with examples"
    found = _in_table(path, suffix, columns) if suffix in (".csv", ".tsv") else _in_json(path)
    return next(found, f"it holds no examples in the form that {suffix} stands for; correct the file")


def json_damage(path: Path) -> str | None:
    """What is wrong with the first object to blame in a JSON or JSON lines file, with the remedy; None for none."""
    return next(_in_json(path), None)


def wrong_separator(columns: Sequence[str], suffix: str) -> str | None:
    """Why a CSV or TSV file seems to have one column only, with the remedy; None where it does not."""
    found = [name for mark, name in _SEPARATORS.items() if len(columns) == 1 and mark in columns[0]]
    if suffix not in (".csv", ".tsv") or not found:
        return None
    wanted, other = ("commas", ".tsv") if suffix == ".csv" else ("tabs", ".csv")
    renamed = f", or name the file {other}" if (found[0], other) in (("tabs", ".tsv"), ("commas", ".csv")) else ""
    return f"its columns are separated by {found[0]}: write it with {wanted}{renamed}"


def _other_form(path: Path) -> str | None:
    with path.open("rb") as content:
        begins = content.read(4)
    if begins == b"PAR1":
        return "it is a Parquet file; name it .parquet"
    if b"\x00" in begins[:2]:
        return "it is UTF-16; save the file as UTF-8"
    if begins == b"PK\x03\x04":
        return f"it is a ZIP archive, as .xlsx files are; save it as {path.suffix}"
    return "it is compressed by gzip; unpack it" if begins.startswith(b"\x1f\x8b") else None


def _in_table(path: Path, suffix: str, columns: Sequence[str] | None) -> Iterator[str]:
    csv.field_size_limit(sys.maxsize)
    layout: dict[str, Any] = TSV_LAYOUT if suffix == ".tsv" else {"strict": True}
    width, began = len(columns or ()), 1
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.reader(lines, **layout)
        try:
            for row in reader:
                if not width:
                    if not row:
                        yield f"line {reader.line_num} is empty; remove it, for the first line names the columns"
                    width = len(row)
                    if wrong := wrong_separator(row, suffix):
                        yield wrong
                    yield from _repeated(row)
                elif len(row) > width == 1:
                    yield (
                        f"line {reader.line_num} has {len(row)} fields, and the first line names one column; name all "
                        "columns there"
                    )
                elif len(row) > width:
                    yield (
                        f"line {reader.line_num} has {len(row)} fields, and there are {width} columns; "
                        + ("remove what is too much" if suffix == ".tsv" else "put quotes around text with commas")
                    )
                began = reader.line_num + 1
        except csv.Error:
            yield _BAD_QUOTE.format(began)
    if began <= 2 and not columns:
        yield "it has a header line and no rows; add some"


def _repeated(header: Sequence[str]) -> Iterator[str]:
    for name in sorted({name for name in header if header.count(name) > 1}):
        yield f"column {name!r} appears more than once; rename one of them"


def _in_parquet(path: Path) -> Iterator[str]:
    from pyarrow import ArrowException, parquet

    anew = "write or copy it anew"
    try:
        with parquet.ParquetFile(path) as file:
            yield from _repeated(file.schema_arrow.names)
            if not file.metadata.num_rows:
                yield "it has no rows; add some"
    except (ArrowException, OSError):
        yield f"it is no whole Parquet file; {anew}"
    yield f"it holds types that cannot be read, or is damaged; {anew}"


def _in_json(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8-sig")
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:
            if path.suffix.lower() == ".json":
                yield f"line {getattr(error, 'lineno', 1)} is no valid JSON; correct it"
                return
        else:
            yield from _in_items((f"element {number}", item) for number, item in enumerate(items, 1))
            return
    for number, line in enumerate(io.StringIO(text), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            yield f"line {number} is no valid JSON; each line has to be one whole object"
            return
        yield from _in_items([(f"line {number}", item)])


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all that is written in it, repeated names too."""


def _in_items(items: Iterable[tuple[str, Any]]) -> Iterator[str]:
    for place, item in items:
        if not isinstance(item, _Pairs):
            yield f"{place} is {KINDS[type(item).__name__]}; make it an object with a value for each column"
            continue
        names = [name for name, _ in item]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{place} has {name!r} more than once; remove one of them"
        for name, value in item:
            if isinstance(value, str) and not _is_whole(value):
                yield f"{place}, {name!r}: half of a character (a lone surrogate, \\ud800 to \\udfff); correct it"
            if isinstance(value, float) and math.isinf(value):
                yield f"{place}, {name!r}: a number that is too large; correct it"


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
