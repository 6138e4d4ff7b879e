"""Imports of tables that a test writes, and what comes of them."""

from pathlib import Path

import pytest

from host.commands import seedsweep
from seedsweep.api.status import SweepStatus
from seedsweep.report.record import Record, read_record

UP = ("--goal", "maximize")
GRID = """weight_init,data_order,evaluation,step,score,loss
0,0,1,10,0.5,0.7
0,0,2,20,0.7,0.6
0,1,1,10,0.6,0.7
0,1,2,20,,0.5
1,0,1,10,0.55,0.8
1,0,2,20,nan,0.9
1,1,1,10,0.5,0.7
1,1,2,20,0.7,0.65
"""


def table(folder: Path, text: str, name: str = "runs.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def imported(folder: Path, source: Path, *options: object) -> Record:
    assert seedsweep("import", source, "--to", folder / "out", *options) == 0
    return read_record(folder / "out")


def refusal(capsys: pytest.CaptureFixture[str], folder: Path, source: Path, *options: object) -> str:
    """What a refused import says; nothing was written."""
    before = sorted(folder.rglob("*"))
    assert seedsweep("import", source, "--to", folder / "out", *options) == 2
    assert sorted(folder.rglob("*")) == before
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


def curves(record: Record) -> dict[str, list[float | None]]:
    return {episode.spec.id.name: episode.status.scores for episode in record.episodes}


def status_of(record: Record) -> SweepStatus:
    assert record.sweep.status is not None
    return record.sweep.status
