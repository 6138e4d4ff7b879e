"""`seedsweep export`: a record as one Parquet table, a row an evaluation, which pandas and `datasets` read."""

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from seedsweep.exchange.evaluations import evaluation_rows
from seedsweep.exchange.points import ImportProblemError
from seedsweep.files import write_whole
from seedsweep.report.record import Record

SCHEMA = pa.schema(
    [
        ("sweep", pa.string()),
        ("metric", pa.string()),
        ("goal", pa.string()),
        ("design", pa.string()),
        ("episode", pa.string()),
        ("weight_init", pa.int64()),
        ("data_order", pa.int64()),
        ("evaluation", pa.int64()),
        ("step", pa.int64()),
        ("score", pa.float64()),
        ("loss", pa.float64()),
        ("baseline", pa.float64()),
        ("outcome", pa.string()),
        ("counts", pa.bool_()),
    ]
)
"""What is undefined or unknown is null. `counts`: whether the evaluation can be the result."""


def export_record(record: Record, to: Path) -> int:
    """Write the table; returns how many rows it has.

    Raises:
        ImportProblemError: the record holds no evaluation, or the file is there already or is no .parquet.
        OSError: it cannot be written; nothing is left of it.
    """
    if to.suffix.lower() != ".parquet":
        raise ImportProblemError(f"--to: {to} does not end with .parquet: give a name that does")
    if to.exists():
        raise ImportProblemError(f"--to: {to} is there already: give another name, or remove it")
    rows = evaluation_rows(record)
    if not rows:
        raise ImportProblemError(f"{record.sweep.metadata.name}: no episode has an evaluation yet: nothing to export")
    table = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), table)
    write_whole(to, table.getvalue().to_pybytes())
    return len(rows)
