"""Records whose scores are a sample of all runs: nothing in them was stopped."""

from pathlib import Path

from seedsweep.codes import bad_input
from seedsweep.engine.layout import Layout
from seedsweep.report.record import Record, read_record
from seedsweep.report.statistics.analysis import Analysis, Score, full_runs


def read_full_runs(directory: Path, score: Score) -> tuple[Record, Analysis]:
    """A record in which nothing was stopped, and one score of each of its whole runs.

    Raises:
        RecordError: no readable record.
        CommandError: runs were cut, or none has a score.
    """
    record = read_record(directory)
    if Layout.of(record.sweep).stops:
        raise bad_input(f"{directory}: {_survivors(directory, record)}")
    analysis = full_runs(record, score)
    if analysis is None:
        raise bad_input(f"{directory}: no episode has a score of a whole run: run the sweep to its end first")
    return record, analysis


def _survivors(directory: Path, record: Record) -> str:
    layout = Layout.of(record.sweep)
    floor = ["a floor stopped who fell below it"] if layout.floor is not None else []
    stopped = " and ".join([*floor, *(["a cut stopped its losers"] if any(layout.rungs) else [])])
    why = f"{stopped}, so that final scores are those of survivors and no sample of all runs"
    remedy = "run it without earlyStopping"
    if record.cuts and layout.floor is None:
        at = min(cut.data.evaluation for cut in record.cuts)
        remedy += (
            f", or compare both as they were at the cut: `seedsweep export {directory} --to runs.parquet` and "
            f"`seedsweep import runs.parquet --evaluations {at} --to NEW`, the same for the other"
        )
    return f"{why}: {remedy}"
