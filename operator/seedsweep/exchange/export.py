"""`seedsweep export`: a record as one Parquet table, a row an evaluation, which pandas and `datasets` read."""

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from seedsweep.api.status import SweepStatus
from seedsweep.engine.layout import Layout
from seedsweep.engine.questions.census import step_of
from seedsweep.exchange.points import ImportProblemError
from seedsweep.files import write_whole
from seedsweep.report.analysis import known_baseline
from seedsweep.report.facts import counting_evaluations
from seedsweep.report.record import Record
from seedsweep.report.words import metric_name

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
    rows = _rows(record)
    if not rows:
        raise ImportProblemError(f"{record.sweep.metadata.name}: no episode has an evaluation yet: nothing to export")
    table = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), table)
    write_whole(to, table.getvalue().to_pybytes())
    return len(rows)


def _rows(record: Record) -> list[dict[str, object]]:
    sweep, status = record.sweep, record.sweep.status or SweepStatus()
    planned, steps = status.evaluations, status.steps
    common = {
        "sweep": sweep.metadata.name,
        "metric": metric_name(sweep.spec.trainer) or "score",
        "goal": "maximize" if Layout.of(sweep).maximize else "minimize",
        "design": status.design,
        "baseline": known_baseline(status, record.episodes),
    }
    rows: list[dict[str, object]] = []
    for episode in record.episodes:
        own, verdict = episode.status, episode.status.verdict
        upto = counting_evaluations(episode)
        for i, score in enumerate(own.scores, start=1):
            rows.append(
                {
                    **common,
                    "episode": episode.spec.id.name,
                    "weight_init": episode.spec.weight_init,
                    "data_order": episode.spec.data_order,
                    "evaluation": i,
                    "step": step_of(i, planned, steps) if planned is not None and steps is not None else None,
                    "score": score,
                    "loss": own.losses[i - 1] if i <= len(own.losses) else None,
                    "outcome": verdict.outcome if verdict is not None else None,
                    "counts": i <= upto,
                }
            )
    return rows
