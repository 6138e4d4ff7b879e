"""Without POSIX, as on Windows, what needs no training works, and what does says so in one line."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inputs import records
from seedsweep.cli import main
from seedsweep.codes import Exit
from seedsweep.report.record import read_record, write_record

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart.yaml"
WITHOUT_POSIX = """
import signal, subprocess, sys
for name in ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in ("SIGKILL", "SIGCHLD", "SIGHUP"):
    delattr(signal, name)
from seedsweep.cli import main
main(sys.argv[1:])
"""


def without_posix(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", WITHOUT_POSIX, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def on_windows(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`seedsweep` there; returns its exit code. Only our own code is deceived: libraries are imported by then."""
    for module in ("check", "clean", "rerun", "run"):
        importlib.import_module(f"seedsweep.local.{module}")
    monkeypatch.setattr(sys, "platform", "win32")

    def run(*arguments: object) -> int:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return int(ended.value.code or 0)

    return run


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return records.write(make(tmp_path / "record"), records.fully_trained())


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_what_trains_nothing_needs_no_posix(record: Path) -> None:
    for arguments in (
        ("check", QUICKSTART, "--no-trainer"),
        ("plan", "--budget", 4, "--write", record / "sweep.yaml"),
        ("report", record),
        ("wait", f"{record}/"),
    ):
        done = without_posix(*arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert (record / "report.html").exists()
    other = records.write(make(record.parent / "other"), records.fully_trained(5))
    done = without_posix("compare", record, other)
    assert done.stdout, done.stderr


def test_a_file_is_checked_and_only_training_is_left_out(
    on_windows: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_windows("check", QUICKSTART) == 0
    said = capsys.readouterr().out
    assert "no problem found" in said
    assert "Model and data were not loaded: that needs Linux or macOS" in said


def test_a_record_of_a_cluster_is_written_whole(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    copy = make(tmp_path / "copy")
    write_record(copy, read_record(record))
    assert read_record(copy).sweep == read_record(record).sweep


@pytest.mark.parametrize("arguments", [["run"], ["run", "--episode", "wi0-do0"], ["clean"]])
def test_what_needs_posix_says_so_before_it_does_anything(
    on_windows: Callable[..., int], record: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    before = sorted(record.rglob("*"))
    command, *options = arguments
    target = [record] if command == "clean" else [QUICKSTART, "--out", record, *options]
    assert on_windows(command, *target) == Exit.BAD_INPUT
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"seedsweep {command} needs Linux or macOS: on Windows use it in WSL (`wsl --install`), or train on a cluster\n"
    )
    assert sorted(record.rglob("*")) == before


def test_an_output_that_knows_few_characters_gets_a_mark_for_each_other(tmp_path: Path) -> None:
    file = tmp_path / "naïve.yaml"
    file.write_text(QUICKSTART.read_text())
    program = [sys.executable, "-c", "from seedsweep.cli import main; main()", "check", "naïve.yaml", "--for-cluster"]
    done = subprocess.run(
        program, cwd=tmp_path, capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 0
    assert b"na?ve.yaml: no problem found" in done.stdout
