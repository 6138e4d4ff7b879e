"""What is on disk at any moment: a checkpoint and a best that are whole, whatever happened while they were written."""

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import Outcome
from seedsweep_trainer.checkpoints import attempt_folder as store_module
from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder
from seedsweep_trainer.checkpoints.checkpoint import Checkpoint, Progress
from seedsweep_trainer.checkpoints.pace import LOSS_SECONDS
from seedsweep_trainer.checkpoints.tensor_file import write_tensors
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.storage.durable import Written, broken
from seedsweep_trainer.storage.folders import LocalFolders, Stored, find_best, keep_best_only
from trainer.benches import IDENTITY, best, checkpoint, step_of
from trainer.episodes import Episode, kill, killed


def attempt(folder: Path, uid: str, **identity: str | int) -> AttemptFolder:
    return AttemptFolder(LocalFolders(folder), uid, IDENTITY | identity)


def kept_best(folder: Path, name: str) -> str:
    """Which best it is that attempt/best holds."""
    assert broken(folder / name) is None
    return (folder / name / "predictions.csv").read_text()


def checkpoints(folder: Path) -> list[str]:
    return sorted(f"{path.parent.name}/{path.name}" for path in folder.glob("*/evaluation-*"))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with two checkpoints: a's at step 20 and b's, which resumed from before it, at step 10."""
    attempt(tmp_path, "a").write_checkpoint(checkpoint(2))
    attempt(tmp_path, "b").write_checkpoint(checkpoint(1))
    return tmp_path


def test_a_checkpoint_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    nan = float("nan")
    state = {"x": torch.tensor([nan, -0.0, 1e-45]), "n": torch.tensor(3)}
    written = Checkpoint(Progress(7, (nan, 0.1), (0.5, 0.25)), {"w": torch.rand(3, 2)}, state)
    attempt(tmp_path, "a").write_checkpoint(written)
    read = attempt(tmp_path, "b").resume()
    assert read is not None
    assert str(read.progress) == str(written.progress)
    for theirs, ours in ((read.weights, written.weights), (read.state, written.state)):
        assert theirs.keys() == ours.keys()
        assert all(theirs[name].numpy().tobytes() == ours[name].numpy().tobytes() for name in ours)


def test_one_checkpoint_is_kept_whichever_attempt_wrote_it(tmp_path: Path) -> None:
    for uid, evaluation in (("a", 1), ("a", 2), ("b", 3)):
        attempt(tmp_path, uid).write_checkpoint(checkpoint(evaluation))
    assert checkpoints(tmp_path) == ["b/evaluation-3-step-30"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["b"]


def test_an_attempt_that_lives_on_touches_nothing_of_its_successor(tmp_path: Path) -> None:
    former = attempt(tmp_path, "a")
    former.write_best(best(1))
    former.write_checkpoint(checkpoint(1))
    successor = attempt(tmp_path, "b")
    assert step_of(successor.resume()) == 10
    (tmp_path / "b" / ".partial-evaluation-2-step-20").mkdir()
    before = set((tmp_path / "b").rglob("*"))
    former.write_best(best(3))
    former.write_checkpoint(checkpoint(3))
    assert set((tmp_path / "b").rglob("*")) == before
    assert kept_best(tmp_path, "b/best") == "row\n1\n"


def test_what_an_attempt_left_goes_with_the_first_checkpoint_of_its_successor(tmp_path: Path) -> None:
    former = attempt(tmp_path, "a")
    former.write_best(best(1))
    former.write_checkpoint(checkpoint(1))
    former.write_best(best(2))
    successor = attempt(tmp_path, "b")
    successor.resume()
    assert (tmp_path / "a").exists()
    successor.write_checkpoint(checkpoint(2))
    assert [entry.name for entry in tmp_path.iterdir()] == ["b"]
    assert kept_best(tmp_path, "b/best") == "row\n1\n"


def test_a_checkpoint_further_on_outlives_an_attempt_that_has_not_come_as_far(two: Path) -> None:
    assert checkpoints(two) == ["a/evaluation-2-step-20", "b/evaluation-1-step-10"]
    attempt(two, "b").write_checkpoint(checkpoint(2))
    assert checkpoints(two) == ["b/evaluation-2-step-20"]


def test_the_furthest_checkpoint_is_resumed_between_evaluations_too(tmp_path: Path) -> None:
    attempt(tmp_path, "a").write_checkpoint(checkpoint(1, step=14))
    attempt(tmp_path, "b").write_checkpoint(checkpoint(1, step=12))
    assert step_of(attempt(tmp_path, "c").resume()) == 14


def damage_by_truncating(folder: Path) -> None:
    for file in ("training.safetensors", "manifest.json"):
        os.truncate(folder / file, 5)


def damage_by_flipping_a_bit(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def damage_by_losing_a_file(folder: Path) -> None:
    (folder / "state.json").unlink()


def damage_by_emptying(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    "damage",
    [damage_by_truncating, damage_by_flipping_a_bit, damage_by_losing_a_file, damage_by_emptying],
)
def test_a_damaged_checkpoint_is_ignored_for_the_one_before(
    two: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(two / "a" / "evaluation-2-step-20")
    assert step_of(attempt(two, "c").resume()) == 10
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "a/evaluation-2-step-20 is ignored: " in warning


def test_a_checkpoint_whose_best_is_damaged_is_ignored(tmp_path: Path) -> None:
    writer = attempt(tmp_path, "a")
    writer.write_best(best(1))
    writer.write_checkpoint(checkpoint(1))
    damage_by_flipping_a_bit(tmp_path / "a" / "evaluation-1-step-10" / "best")
    assert attempt(tmp_path, "b").resume() is None


@pytest.mark.parametrize("name", list(IDENTITY))
def test_a_checkpoint_of_something_else_is_ignored_and_the_log_says_of_what(
    two: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert attempt(two, "c", **{name: 9}).resume() is None
    assert f"a/evaluation-2-step-20 is ignored: it has another {name}" in caplog.text


def test_nothing_is_resumed_in_a_new_folder(tmp_path: Path) -> None:
    assert attempt(tmp_path / "new", "a").resume() is None


def test_resuming_brings_back_the_best_of_that_moment(tmp_path: Path) -> None:
    first = attempt(tmp_path, "a")
    first.write_best(best(1))
    first.pass_rung(1)
    first.write_checkpoint(checkpoint(1))
    first.write_best(best(2))
    first.pass_rung(2)
    assert step_of(attempt(tmp_path, "b").resume()) == 10
    assert kept_best(tmp_path, "b/best") == kept_best(tmp_path, "b/best-to-1") == "row\n1\n"
    assert not (tmp_path / "b" / "best-to-2").exists()


def test_an_attempt_that_starts_anew_in_its_own_folder_has_no_best_of_its_earlier_life(tmp_path: Path) -> None:
    attempt(tmp_path, "a").write_best(best(1))
    assert attempt(tmp_path, "a").resume() is None
    assert not (tmp_path / "a" / "best").exists()


def test_a_later_best_leaves_the_one_up_to_a_rung(tmp_path: Path) -> None:
    writer = attempt(tmp_path, "a")
    writer.write_best(best(1))
    writer.pass_rung(2)
    writer.write_best(best(3))
    assert (kept_best(tmp_path, "a/best"), kept_best(tmp_path, "a/best-to-2")) == ("row\n3\n", "row\n1\n")


def test_a_rung_before_any_defined_score_keeps_nothing(tmp_path: Path) -> None:
    attempt(tmp_path, "a").pass_rung(1)
    assert list((tmp_path / "a").iterdir()) == []


def test_without_hard_links_copies_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    writer = attempt(tmp_path, "a")
    writer.write_best(best(1))
    writer.write_checkpoint(checkpoint(1))
    assert step_of(attempt(tmp_path, "b").resume()) == 10
    assert kept_best(tmp_path, "b/best") == "row\n1\n"


@pytest.mark.parametrize("file", ["model.safetensors", "training.safetensors"])
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = attempt(tmp_path, "a")
    writer.write_checkpoint(checkpoint(1))

    def fill_up(tensors: dict[str, torch.Tensor], path: Path) -> Written:
        written = write_tensors(tensors, path)
        if path.name == file:
            os.truncate(path, 10)
            raise OSError(errno.ENOSPC, "No space left on device")
        return written

    monkeypatch.setattr(store_module, "write_tensors", fill_up)
    with pytest.raises(OSError, match="No space left"):
        writer.write_checkpoint(checkpoint(2))
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["evaluation-1-step-10"]
    assert step_of(attempt(tmp_path, "b").resume()) == 10


def test_a_disk_that_loses_bytes_without_a_word_costs_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = attempt(tmp_path, "a")
    writer.write_checkpoint(checkpoint(1))

    def lose(tensors: dict[str, torch.Tensor], path: Path) -> Written:
        written = write_tensors(tensors, path)
        os.truncate(path, path.stat().st_size - 1)
        return written

    monkeypatch.setattr(store_module, "write_tensors", lose)
    with pytest.raises(OSError, match="does not have the 328 bytes"):
        writer.write_checkpoint(checkpoint(2))
    assert step_of(attempt(tmp_path, "b").resume()) == 10


@pytest.fixture
def die_before(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes this process die as by SIGKILL before its n-th flush, rename or removal."""

    def arm(count: int) -> None:
        calls = iter(range(count))

        def mortal(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                if next(calls, None) is None:
                    kill()
                return function(*args, **options)

            return call

        for name in ("fsync", "rename", "rmdir", "unlink"):
            monkeypatch.setattr(os, name, mortal(getattr(os, name)))
        monkeypatch.setattr(store_module, "write_tensors", mortal(write_tensors))

    return arm


def test_death_at_any_moment_of_writing_leaves_one_whole_state(
    tmp_path: Path, die_before: Callable[[int], None]
) -> None:
    """Wherever it strikes: what is resumed is the old state or the new one, best included."""
    old = tmp_path / "old"
    writer = attempt(old, "a")
    writer.write_best(best(1))
    writer.write_checkpoint(checkpoint(1))
    outcomes = []
    for count in range(200):
        folder = tmp_path / str(count)
        shutil.copytree(old, folder)

        def write(folder: Path = folder, count: int = count) -> None:
            writer = attempt(folder, "b")
            die_before(count)
            writer.write_best(best(2))
            writer.pass_rung(2)
            writer.write_checkpoint(checkpoint(2))

        died = killed(write)
        resumed = attempt(folder, "c").resume()
        assert step_of(resumed) in (10, 20)
        new = step_of(resumed) == 20
        assert kept_best(folder, "c/best") == ("row\n2\n" if new else "row\n1\n")
        assert (folder / "c" / "best-to-2").exists() == new
        # The next one clears away what was left half written.
        attempt(folder, "c").write_checkpoint(checkpoint(3))
        assert checkpoints(folder) == ["c/evaluation-3-step-30"]
        outcomes.append(new)
        if not died:
            break
    assert outcomes == sorted(outcomes)
    assert not died
    assert outcomes.count(False) > 5


def test_death_at_any_moment_of_freeing_leaves_the_wanted_weights(
    tmp_path: Path, die_before: Callable[[int], None]
) -> None:
    """They are within a checkpoint alone at first."""
    old = tmp_path / "old"
    writer = attempt(old, "a")
    writer.write_best(best(1))
    writer.write_checkpoint(checkpoint(1))
    writer.write_best(best(2))
    for count in range(100):
        folder = tmp_path / str(count)
        shutil.copytree(old, folder)

        def free(folder: Path = folder, count: int = count) -> None:
            die_before(count)
            keep_best_only(LocalFolders(folder), Stored(1))

        died = killed(free)
        found = find_best(LocalFolders(folder), Stored(1))
        assert kept_best(folder, str(found)) == "row\n1\n"
        assert keep_best_only(LocalFolders(folder), Stored(1))
        assert [entry.name for entry in (folder / "a").iterdir()] == ["best"]
        assert kept_best(folder, "a/best") == "row\n1\n"
        if not died:
            break
    assert not died
    assert count > 5


class Disk:
    """Which places are durable: their content or entries were flushed after the last change that was seen."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._flushed: set[tuple[int, int]] = set()
        fsync, rename = os.fsync, os.rename

        def flush(descriptor: int) -> None:
            fsync(descriptor)
            self._flushed.add(self._number(os.fstat(descriptor)))

        def move(source: Path, target: Path) -> None:
            rename(source, target)
            self._flushed.discard(self._number(Path(target).parent.stat()))

        patch.setattr(os, "fsync", flush)
        patch.setattr(os, "rename", move)

    def has(self, path: Path) -> bool:
        return self._number(path.stat()) in self._flushed

    @staticmethod
    def _number(about: os.stat_result) -> tuple[int, int]:
        return about.st_dev, about.st_ino


def _inside(folder: Path, below: Path) -> Iterator[Path]:
    yield from folder.rglob("*")
    yield from (parent for parent in (folder, *folder.parents) if parent.is_relative_to(below))


def test_a_checkpoint_is_durable_when_it_is_published(
    tmp_path: Path, fine_tuning: Callable[..., FineTuning], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    published = []
    # Often enough for one after every evaluation but the last.
    episode = Episode(tmp_path / "episodes" / "e1", fine_tuning(), rungs=(2,), step_seconds=LOSS_SECONDS / 4)

    def check(_: Reporter, evaluation: int) -> None:
        (newest,) = episode.folder.glob(f"*/evaluation-{evaluation}-*")
        published.append([path for path in _inside(newest, tmp_path) if not disk.has(path)])

    monkeypatch.setattr(Reporter, "checkpointed", check)
    assert episode.attempt("a")[0] is Outcome.DONE
    assert published == [[], [], []]
