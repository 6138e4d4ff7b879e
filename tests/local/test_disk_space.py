"""A disk without room is told before the start where that can be known, and ends a run cleanly where it cannot."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from host.needs import lack
from inputs.fake_sweeps import FakeSweep, outcome
from local.conftest import Command
from seedsweep.local.checks.disk_space import space_problems


def test_too_little_room_is_told_with_what_is_needed_and_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    (problem,) = space_problems(tmp_path / "not" / "there", 5_000_000_000)
    assert (problem.path, problem.value) == ("--out", str(tmp_path / "not" / "there"))
    assert "has 2.0 MB free where the checkpoints of this sweep may take 5.0 GB" in problem.remedy


def test_enough_room_is_no_problem(tmp_path: Path) -> None:
    assert space_problems(tmp_path, 1) == []


@pytest.mark.parametrize("writes", [3, 12, 25])
def test_disk_that_fills_up_stops_the_run_and_the_same_command_goes_on(
    seedsweep: Command, fake_sweep: FakeSweep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, writes: int
) -> None:
    alone = FakeSweep(tmp_path / "alone")
    alone.folder.mkdir()
    assert seedsweep(*alone.arguments()).code == 0
    sync, left = os.fsync, [writes]

    def fills_up(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fills_up)
        stopped = seedsweep(*fake_sweep.arguments())
    assert stopped.code == 1
    assert "cannot be written: [Errno 28] No space left on device" in stopped.out
    assert "the same command goes on" in stopped.out
    assert seedsweep(*fake_sweep.arguments()).code == 0
    assert outcome(fake_sweep.record) == outcome(alone.record)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        lack("mount", "right to mount a small file system: needs root on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_run_on_a_disk_that_is_really_full_stops_with_its_reason(seedsweep: Command, tiny_disk: Path) -> None:
    sweep = FakeSweep(tiny_disk)
    result = seedsweep(*sweep.arguments())
    assert result.code == 1
    assert "No space left on device" in result.out
    assert not list(tiny_disk.rglob(".*.partial"))
