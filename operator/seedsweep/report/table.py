"""The numbers behind a part of a report, as CSV and JSON."""

import csv
import io
import json
import math
from dataclasses import dataclass

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of equal length under named columns; None is what is undefined or unknown."""

    name: str
    """Of its files, without an ending."""
    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]

    def csv(self) -> bytes:
        """As CSV with a header: an empty field for None, all digits of a number."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([["" if _undefined(value) else value for value in row] for row in self.rows])
        return out.getvalue().encode()

    def json(self) -> bytes:
        """As JSON that `pandas.read_json(path, orient="split")` reads; null for None."""
        rows = [[None if _undefined(value) else value for value in row] for row in self.rows]
        return json.dumps({"columns": self.columns, "data": rows}, allow_nan=False).encode() + b"\n"


def _undefined(value: Value) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))
