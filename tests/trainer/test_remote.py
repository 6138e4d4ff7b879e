"""An episode's folders: the same on every back-end, and behind a URI too they are whole or left out with a reason."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
import torch
from fsspec.implementations.memory import MemoryFileSystem
from safetensors.torch import load_file

from host.s3 import S3Server
from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder
from seedsweep_trainer.storage.folders import FolderId, Stored, keep_best_only
from seedsweep_trainer.storage.uri import UriFiles
from trainer.benches import IDENTITY, Bench, best, checkpoint, step_of


@pytest.fixture(params=["file", "memory", "s3"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    name = f"{uuid4()}/wi1-do2"
    places = {"file": f"file://{tmp_path}/{name}", "memory": f"memory://{name}"}
    if request.param == "s3":
        yield Bench(request.getfixturevalue("s3").uri(name), tmp_path / "machines")
        return
    yield Bench(places[request.param], tmp_path / "machines")
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def on_s3(s3: S3Server, tmp_path: Path) -> tuple[Bench, Path]:
    """An episode on S3, and the folder of the server's disk that holds its objects."""
    name = f"{uuid4()}/wi1-do2"
    return Bench(s3.uri(name), tmp_path / "machines"), s3.bucket / name


def objects(place: Path, owner: str) -> list[Path]:
    return sorted((place / owner / "objects").iterdir())


def test_a_successor_finds_the_furthest_checkpoint_and_the_best_of_its_past(bench: Bench) -> None:
    first = bench.attempt("a")
    first.write_best(best(1))
    first.pass_rung(1)
    first.write_checkpoint(checkpoint(1))
    first.write_best(best(2))
    second = bench.attempt("b")
    resumed = second.resume()
    assert resumed is not None
    assert resumed.progress == checkpoint(1).progress
    assert torch.equal(resumed.weights["w"], checkpoint(1).weights["w"])
    assert torch.equal(resumed.state["m"], checkpoint(1).state["m"])
    second.write_checkpoint(checkpoint(3))
    assert bench.kept() == ["b/best", "b/best-to-1", "b/evaluation-3-step-30"]
    assert (bench.best(1), bench.best(2)) == ("b/best", None)


def test_one_checkpoint_is_kept(bench: Bench) -> None:
    writer = bench.attempt("a")
    for evaluation in (1, 2, 3):
        writer.write_checkpoint(checkpoint(evaluation))
    assert bench.kept() == ["a/evaluation-3-step-30"]


def test_a_checkpoint_further_on_outlives_an_attempt_that_has_not_come_as_far(bench: Bench) -> None:
    bench.attempt("a").write_checkpoint(checkpoint(2))
    successor = bench.attempt("b")
    successor.write_checkpoint(checkpoint(1))
    assert bench.kept() == ["a/evaluation-2-step-20", "b/evaluation-1-step-10"]
    successor.write_checkpoint(checkpoint(2))
    assert bench.kept() == ["b/evaluation-2-step-20"]


def test_two_attempts_that_write_at_once_both_keep_what_is_theirs(bench: Bench) -> None:
    """A node that was given up for lost trains on while the successor resumes and goes on."""
    lost = bench.attempt("a")
    lost.write_best(best(1))
    lost.write_checkpoint(checkpoint(1))
    successor = bench.attempt("b")
    assert step_of(successor.resume()) == 10

    def run(store: AttemptFolder, evaluations: range) -> None:
        for evaluation in evaluations:
            # The lost one may find its files gone, never those of the successor.
            try:
                store.write_best(best(evaluation))
                store.write_checkpoint(checkpoint(evaluation))
            except OSError:
                assert store is lost
                return

    threads = [
        threading.Thread(target=run, args=(lost, range(2, 6))),
        threading.Thread(target=run, args=(successor, range(2, 8))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {"b/best", "b/evaluation-7-step-70"} <= set(bench.kept())
    assert step_of(bench.attempt("c").resume()) == 70


def test_a_file_that_is_removed_as_it_arrives_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The successor clears away what a lost attempt writes: that is no missing bucket."""
    send = MemoryFileSystem.put_file
    sent = []

    def removed_at_first(self: MemoryFileSystem, local: str, remote: str) -> None:
        send(self, local, remote)
        sent.append(remote)
        if len(sent) == 1:
            self.rm_file(remote)

    monkeypatch.setattr(MemoryFileSystem, "put_file", removed_at_first)
    source = tmp_path / "weights"
    source.write_bytes(b"1234")
    place = UriFiles(f"memory://{uuid4()}")
    place.upload(source, "a/weights")
    assert len(sent) == 2
    assert place.read("a/weights") == b"1234"


@pytest.mark.parametrize("name", list(IDENTITY))
def test_a_checkpoint_of_something_else_is_ignored_for_the_one_before(
    bench: Bench, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.attempt("a").write_checkpoint(checkpoint(1))
    bench.attempt("b", **{name: 9}).write_checkpoint(checkpoint(1, step=14))
    bench.attempt("c").write_checkpoint(checkpoint(1, step=12))
    assert step_of(bench.attempt("d").resume()) == 12
    assert f"b/evaluation-1-step-14 is ignored: it has another {name}" in caplog.text


def test_freeing_all_but_the_best_weights_can_be_done_again(bench: Bench) -> None:
    writer = bench.attempt("a")
    writer.write_best(best(1))
    writer.pass_rung(1)
    writer.write_best(best(2))
    writer.write_checkpoint(checkpoint(2))
    for _ in range(2):
        assert keep_best_only(bench.folders(), Stored(1))
        assert bench.kept() == ["a/best-to-1"]
    with bench.folders().opened(FolderId("a", "best-to-1")) as folder:
        assert (folder / "predictions.csv").read_text() == "row\n1\n"


def test_best_weights_that_a_checkpoint_alone_holds_are_found_and_outlive_it(bench: Bench) -> None:
    writer = bench.attempt("a")
    writer.write_best(best(1))
    writer.write_checkpoint(checkpoint(1))
    writer.write_best(best(2))
    assert (bench.best(1), bench.best(2)) == ("a/evaluation-1-step-10/best", "a/best")
    folders = bench.folders()
    with folders.opened(FolderId("a", "evaluation-1-step-10/best")) as folder:
        assert (folder / "predictions.csv").read_text() == "row\n1\n"
    for _ in range(2):
        assert keep_best_only(bench.folders(), Stored(1))
        assert bench.kept() == ["a/best"]
    with bench.folders().opened(FolderId("a", "best")) as folder:
        assert (folder / "predictions.csv").read_text() == "row\n1\n"
        assert torch.equal(load_file(folder / "model.safetensors")["w"], best(1).weights["w"])


def test_best_weights_up_to_a_rung_that_a_checkpoint_alone_holds_are_found(bench: Bench) -> None:
    writer = bench.attempt("a")
    writer.write_best(best(1))
    writer.pass_rung(1)
    writer.write_best(best(2))
    writer.write_checkpoint(checkpoint(2))
    bench.folders().remove(FolderId("a", "best-to-1"))
    assert bench.best(1) == "a/evaluation-2-step-20/best-to-1"
    assert keep_best_only(bench.folders(), Stored(1))
    assert bench.kept() == ["a/best-to-1"]


def test_best_weights_that_are_not_those_asked_for_stay(bench: Bench) -> None:
    writer = bench.attempt("a")
    writer.write_best(best(1))
    writer.write_checkpoint(checkpoint(2))
    assert not keep_best_only(bench.folders(), Stored(5))
    assert bench.kept() == ["a/best"]


def test_nothing_stays_where_nothing_is_wanted(bench: Bench) -> None:
    bench.attempt("a").write_checkpoint(checkpoint(1))
    for _ in range(2):
        bench.folders().remove_all()
        assert bench.folders().owners() == set()


def test_neither_an_episode_nor_an_attempt_is_taken_for_one_whose_name_begins_like_it(
    bench: Bench, tmp_path: Path
) -> None:
    neighbour = Bench(f"{bench.place}0", tmp_path / "machines")
    neighbour.attempt("a").write_checkpoint(checkpoint(1))
    bench.attempt("a").write_checkpoint(checkpoint(1))
    bench.attempt("ab").write_checkpoint(checkpoint(2))
    assert bench.kept() == ["ab/evaluation-2-step-20"]
    bench.folders().remove_owner("a")
    assert bench.kept() == ["ab/evaluation-2-step-20"]
    bench.folders().remove_all()
    assert neighbour.kept() == ["a/evaluation-1-step-10"]


def test_equal_files_are_stored_once_and_replaced_ones_go(on_s3: tuple[Bench, Path]) -> None:
    bench, place = on_s3
    writer = bench.attempt("a")
    for evaluation in (1, 2):
        writer.write_best(best(evaluation))
        writer.write_checkpoint(checkpoint(evaluation))
    # The checkpoint's weights are the best ones: weights, optimizer, state, predictions, facts and two manifests.
    assert len(objects(place, "a")) == 7


def damage_by_truncating(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def damage_by_flipping_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [damage_by_truncating, damage_by_flipping_a_bit, Path.unlink])
@pytest.mark.parametrize("what", ["object", "manifest"])
def test_a_damaged_checkpoint_is_ignored_for_the_one_before(
    on_s3: tuple[Bench, Path], damage: Callable[[Path], None], what: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench, place = on_s3
    bench.attempt("a").write_checkpoint(checkpoint(2))
    bench.attempt("b").write_checkpoint(checkpoint(1))
    listed = place / "a" / "evaluation-2-step-20.json"
    weights = json.loads(listed.read_text())["files"]["training.safetensors"]
    damage(listed if what == "manifest" else place / "a" / "objects" / weights)
    assert step_of(bench.attempt("c").resume()) == 10
    if not (what == "manifest" and damage is Path.unlink):
        assert "a/evaluation-2-step-20 is ignored: " in caplog.text


def test_a_list_of_files_that_leads_out_of_the_folder_is_not_followed(on_s3: tuple[Bench, Path]) -> None:
    bench, place = on_s3
    bench.attempt("a").write_checkpoint(checkpoint(1))
    listed = place / "a" / "evaluation-1-step-10.json"
    listed.write_text(listed.read_text().replace("state.json", "../../state.json"))
    assert bench.attempt("b").resume() is None
