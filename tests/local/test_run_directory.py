"""The folder of a run holds whole files or none, and one runner."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inputs import sweeps
from seedsweep.api.cut import CutData
from seedsweep.api.episode import EpisodeId, EpisodeStatus, RungScore
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.status import Best, SweepStatus
from seedsweep.engine.decisions import RecordCut, RecordEpisode
from seedsweep.engine.layout import Layout
from seedsweep.files import create_whole, write_whole
from seedsweep.local.checks.same_sweep import differences
from seedsweep.local.directory.ledger import Ledger
from seedsweep.local.directory.run_directory import RunDirectory, RunDirectoryError, remove_tree

SWEEP = parse_sweep(sweeps.FINE_TUNING)
LAYOUT = Layout.of(SWEEP)
EPISODE = EpisodeId(1, 0)
CUT = CutData(sweep="demo", bracket=0, rung=0, evaluation=6, keep=2, rank_by="best", ranked=[])


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "out")
    directory.make()
    return directory


def ledger(directory: RunDirectory) -> Ledger:
    return Ledger(directory, SWEEP, LAYOUT)


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("write", [write_whole, create_whole])
def test_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], object]
) -> None:
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_file_is_created_once(tmp_path: Path) -> None:
    assert create_whole(tmp_path / "file", b"first")
    assert not create_whole(tmp_path / "file", b"second")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"first")]


def test_removed_folder_is_gone(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    remove_tree(tmp_path / "folder")
    remove_tree(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_runner_is_free_once_what_it_started_has_ended(directory: RunDirectory) -> None:
    code = (
        "import subprocess, sys\nfrom pathlib import Path\n"
        "from seedsweep.local.directory.run_directory import RunDirectory\n"
        "with RunDirectory(Path(sys.argv[1])).lock() as lock:\n"
        "    child = [sys.executable, '-c', 'import sys; sys.stdin.read()']\n"
        "    subprocess.Popen(child, pass_fds=(lock,))\n"
    )
    heir = subprocess.Popen([sys.executable, "-c", code, str(directory.root)], stdin=subprocess.PIPE)
    assert heir.wait() == 0
    assert heir.stdin is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seedsweep.local.directory.run_directory.LOCK_PATIENCE_SECONDS", 0)
        with pytest.raises(RunDirectoryError, match="at work in this folder"), directory.lock():
            pass
        heir.stdin.close()
        patch.setattr("seedsweep.local.directory.run_directory.LOCK_PATIENCE_SECONDS", 120)
        with directory.lock() as lock:
            assert lock


def test_folder_that_was_not_needed_is_taken_back(directory: RunDirectory) -> None:
    directory.fresh_log("check").touch()
    with directory.lock():
        directory.unmake()
    assert not directory.root.exists()


def test_folder_with_a_record_or_with_files_of_others_is_not_taken_back(directory: RunDirectory) -> None:
    (directory.root / "notes.txt").touch()
    directory.unmake()
    assert [path.name for path in directory.root.iterdir()] == ["notes.txt"]
    directory.make()
    ledger(directory)
    log = directory.fresh_log("check")
    log.touch()
    directory.unmake()
    assert log.exists()


def test_record_is_read_back_as_it_was_written(directory: RunDirectory) -> None:
    written = ledger(directory)
    status = EpisodeStatus(
        scores=[0.1, None, 0.30000001192092896], rung_scores=[RungScore(rung=0, evaluation=6, score=None)]
    )
    written.write([RecordEpisode(EPISODE, status, durable=True), RecordCut(CUT)])
    written.publish(SweepStatus(phase="Running", evaluations=20, steps=40))
    found = ledger(directory)
    assert found.episodes == {EPISODE: status}
    assert found.cuts == {(0, 0): CUT}
    assert found.status == written.status


def test_cut_is_never_written_again_and_holds_up_what_rests_on_another(directory: RunDirectory) -> None:
    first, second = ledger(directory), ledger(directory)
    assert first.write([RecordCut(CUT)]) is None
    assert second.write([RecordCut(CUT.evolve(keep=3))]) == frozenset()
    assert second.cuts == {(0, 0): CUT}
    assert ledger(directory).cuts == {(0, 0): CUT}


def test_what_did_not_change_is_not_written(directory: RunDirectory) -> None:
    written = ledger(directory)
    status = EpisodeStatus(scores=[0.5])
    written.write([RecordEpisode(EPISODE, status, durable=True)])
    written.publish(SweepStatus(phase="Running"))
    before = {path: path.stat().st_mtime_ns for path in directory.root.rglob("*.*")}
    written.write([RecordEpisode(EPISODE, EpisodeStatus(scores=[0.5]), durable=True)])
    written.publish(SweepStatus(phase="Running"))
    assert {path: path.stat().st_mtime_ns for path in directory.root.rglob("*.*")} == before


def test_curves_are_complete_and_exact(directory: RunDirectory) -> None:
    written = ledger(directory)
    written.write([RecordEpisode(EPISODE, EpisodeStatus(scores=[0.5, None], losses=[0.25, 1.5]), durable=True)])
    written.publish(SweepStatus(evaluations=20, steps=50))
    assert directory.curves_file.read_text() == (
        "episode,weight_init,data_order,evaluation,step,score,loss\nwi1-do0,1,0,1,3,0.5,0.25\nwi1-do0,1,0,2,5,,1.5\n"
    )


@pytest.mark.parametrize("field", ["parallelism", "progressDeadlineSeconds", "maxFailedEpisodes"])
def test_run_may_go_on_with_other_budgets(field: str) -> None:
    assert differences(SWEEP, parse_sweep(sweeps.changed(f"spec.{field}", 7)), "out") == []


def test_run_may_go_on_where_a_default_was_written_down() -> None:
    assert differences(SWEEP, parse_sweep(sweeps.changed("spec.trainer.fineTuning.batchSize", 16)), "out") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("spec.export", {"uri": "/copies/best"}), ("spec.storage.retentionPolicy", {"whenFinished": "KeepAll"})],
)
def test_run_may_go_on_with_another_export_and_retention_until_the_winner_is_handed_over(
    field: str, value: object
) -> None:
    stored = sweeps.changed("spec.storage", {"uri": "s3://bucket/runs"})
    recorded, wanted = parse_sweep(stored), parse_sweep(sweeps.changed(field, value, stored))
    assert differences(recorded, wanted, "out") == []
    best = Best(episode="wi1-do0", weight_init=1, data_order=0, score=0.5, evaluation=3)
    assert differences(recorded.evolve(status=SweepStatus(best=best)), wanted, "out") == []
    over = SweepStatus(best=best.evolve(weights="out/best"))
    (problem,) = differences(recorded.evolve(status=over), wanted, "out")
    assert problem.path.startswith(field)


@pytest.mark.parametrize(
    ("path", "value", "old"),
    [
        ("spec.trainer.fineTuning.learningRate", "1e-5", "'2e-5'"),
        ("spec.trainer.fineTuning.dropoutSeed", 1, "'nothing'"),
        ("metadata.name", "other", "'demo'"),
    ],
)
def test_run_does_not_go_on_with_another_sweep(path: str, value: object, old: str) -> None:
    (problem,) = differences(SWEEP, parse_sweep(sweeps.changed(path, value)), "out")
    assert (problem.path, problem.value) == (path, value)
    assert f"recorded with ({old})" in problem.remedy
    assert "--out" in problem.remedy
