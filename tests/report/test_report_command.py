"""`seedsweep report`: what it writes, and what it says of records that it cannot read."""

import csv
import errno
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from inputs import records
from seedsweep import cli
from seedsweep.cluster import record as of_cluster
from seedsweep.codes import Exit
from seedsweep.parts import install_command
from seedsweep.report import command
from seedsweep.report.page import build_report
from seedsweep.report.record import Record, read_record


@dataclass(frozen=True)
class Result:
    """What the command came to."""

    code: int
    out: list[str]
    err: list[str]


Command = Callable[..., Result]


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["seedsweep", "report", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Result(code, said.out.splitlines(), said.err.splitlines())

    return run


def written(parent: Path, name: str, record: records.Record) -> Path:
    (parent / name).mkdir()
    return records.write(parent / name, record)


def nothing_finished() -> records.Record:
    record = records.finished().with_status(phase="Running", completion_time=None, best=None, cuts=[])
    waiting = [e.evolve(status=type(e.status)()) for e in record.episodes]
    return records.Record(record.sweep, waiting, [])


def one_episode() -> records.Record:
    return records.fully_trained(1, 1)


def undefined_everywhere() -> records.Record:
    record = records.fully_trained(2, 2).with_status(best=None)
    nothing: list[float | None] = [None] * records.EVALUATIONS
    undefined = [e.evolve(status=e.status.evolve(scores=nothing, best=None)) for e in record.episodes]
    return records.Record(record.sweep, undefined, [])


def test_page_figures_and_numbers_are_written_and_each_group_is_told(report: Command, tmp_path: Path) -> None:
    record = records.finished()
    folder = written(tmp_path, "rte", record)
    result = report(folder)
    assert (result.code, result.err) == (0, [])
    assert result.out == [
        str(folder / "report.html"),
        f"{folder / 'report'}: curves, finalists, grid, each as PNG, SVG and PDF",
        f"{folder / 'report'}: episodes, curves, finalists, grid, grid_means, each as CSV and JSON",
    ]
    assert (folder / "report.html").read_text() == build_report(record.sweep, record.episodes, record.cuts)
    for name in ("curves", "finalists", "grid"):
        files = {form: (folder / "report" / f"{name}.{form}").read_bytes() for form in ("png", "svg", "pdf")}
        assert files["png"].startswith(b"\x89PNG")
        assert files["pdf"].startswith(b"%PDF")
        assert ElementTree.fromstring(files["svg"]).tag.endswith("svg")
        assert b"var(--" not in files["svg"]
    for name in ("episodes", "curves", "finalists", "grid", "grid_means"):
        table = json.loads((folder / "report" / f"{name}.json").read_text())
        read = list(csv.reader(io.StringIO((folder / "report" / f"{name}.csv").read_text())))
        assert read[0] == table["columns"]
        assert len(read) == len(table["data"]) + 1 > 1
    curves = list(csv.DictReader(io.StringIO((folder / "report" / "curves.csv").read_text())))
    for episode in record.episodes:
        found = [float(row["score"]) for row in curves if row["episode"] == episode.spec.id.name]
        assert found == episode.status.scores


def test_of_several_runs_the_others_are_made_and_the_damaged_one_is_told(report: Command, tmp_path: Path) -> None:
    one, damaged, other = (written(tmp_path, name, one_episode()) for name in ("one", "damaged", "other"))
    (damaged / "sweep.json").write_text("{")
    result = report(one, damaged, other)
    assert result.code == 2
    assert result.err == [
        f"{damaged / 'sweep.json'}: the file: holds no SeedSweep in JSON; "
        "run the release that wrote it, or restore the file"
    ]
    assert (one / "report.html").exists()
    assert (other / "report.html").exists()
    assert not (damaged / "report.html").exists()


def test_a_folder_without_a_record_is_refused_with_one_line(report: Command, tmp_path: Path) -> None:
    result = report(tmp_path / "nowhere")
    assert result.code == 2
    assert result.out == []
    [said] = result.err
    assert "no sweep.json in it; give the folder that" in said


def test_a_folder_that_cannot_be_written_is_told_with_the_file(report: Command, tmp_path: Path) -> None:
    folder = written(tmp_path, "rte", records.finished())
    (folder / "report").write_text("in the way")
    result = report(folder)
    assert result.code == 1
    [said] = result.err
    assert str(folder / "report") in said


@pytest.mark.parametrize("made", [nothing_finished, one_episode, undefined_everywhere])
def test_a_record_with_little_in_it_has_a_report(
    report: Command, tmp_path: Path, made: Callable[[], records.Record]
) -> None:
    folder = written(tmp_path, "rte", made())
    result = report(folder)
    assert (result.code, result.err) == (0, [])
    page = (folder / "report.html").read_text()
    assert "No heat map of scores by seeds:" in page or "cell-wi0-do0" in page
    assert all(f'id="row-{e.spec.id.name}"' in page for e in made().episodes)


@pytest.mark.parametrize("slow", [True, False])
def test_what_takes_long_shows_what_it_is_at_and_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, slow: bool
) -> None:
    out = io.StringIO()

    def write(folder: Path, _: Record, told: Callable[[str, int, int], None]) -> list[str]:
        told("figure grid.pdf", 1, 2)
        while slow and "figure grid.pdf" not in out.getvalue():
            time.sleep(0.01)
        return []

    monkeypatch.setattr(command, "write_everything", write)
    monkeypatch.setattr(command, "QUIET_SECONDS", 0.0 if slow else 1e6)
    folder = written(tmp_path, "rte", one_episode())
    command.write_reports([str(folder)], Path, Console(file=out, force_terminal=True, width=200))
    assert ("figure grid.pdf" in out.getvalue()) == slow


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_without_what_a_report_takes_one_line_says_what_to_install(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from seedsweep.cli import main; main(['report', 'rte'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == Exit.MISSING_PART
    assert done.stderr == f"{missing} is not installed: {install_command(['report'])}\n"


# --- a sweep in a cluster


@pytest.fixture
def in_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> records.Record:
    """A sweep that the API server has, and a folder to stand in."""
    record = records.finished()

    async def read(name: str, namespace: str) -> Record:
        assert (name, namespace) == ("rte", "nlp")
        return Record(record.sweep, record.episodes, record.cuts)

    def write(folder: Path, *_: object) -> list[str]:
        (folder / "report.html").write_text("made")
        return []

    monkeypatch.setattr(of_cluster, "read_stored_record", read)
    monkeypatch.setattr(command, "write_everything", write)
    monkeypatch.chdir(tmp_path)
    return record


def test_a_sweep_in_a_cluster_leaves_its_record_and_its_report(
    report: Command, in_cluster: records.Record, tmp_path: Path
) -> None:
    assert report("sweep/rte", "-n", "nlp").code == 0
    folder = tmp_path / "rte-report"
    assert read_record(folder).episodes == in_cluster.episodes
    assert (folder / "report.html").exists()
    # Of a sweep that goes on the next report takes the place of this one.
    assert report("sweep/rte", "-n", "nlp").code == 0


def test_a_record_that_was_broken_off_is_brought_again(
    report: Command, in_cluster: records.Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_before = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        written_before(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as broken:
        broken.setattr(Path, "write_bytes", full)
        assert report("sweep/rte", "-n", "nlp").code == 1
    assert report("sweep/rte", "-n", "nlp").code == 0
    assert read_record(tmp_path / "rte-report").episodes == in_cluster.episodes


def test_to_names_the_folder_of_one_sweep(report: Command, in_cluster: records.Record, tmp_path: Path) -> None:
    assert report("sweep/rte", "-n", "nlp", "--to", tmp_path / "here").code == 0
    assert (tmp_path / "here" / "report.html").exists()
    for wrong in ([tmp_path / "here"], ["sweep/rte", "sweep/rte2"]):
        result = report(*wrong, "--to", tmp_path / "there")
        assert result.code == 2
        assert "--to: goes with one sweep/NAME" in result.err[0]


def test_a_folder_with_something_else_is_left_as_it_is(
    report: Command, in_cluster: records.Record, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    result = report("sweep/rte", "-n", "nlp", "--to", tmp_path / "notes")
    assert result.code == 2
    assert "holds something else: give a folder with --to" in result.err[0]
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["mine.txt"]
    other = records.finished()
    metadata = other.sweep.metadata.evolve(uid="another")
    written(tmp_path, "another", records.Record(other.sweep.evolve(metadata=metadata), other.episodes, other.cuts))
    assert report("sweep/rte", "-n", "nlp", "--to", tmp_path / "another").code == 2
