"""Storage behind a URI under faults: writers that die, servers that die and come back, or refuse."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest
import torch

from host.s3 import S3Server
from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import Message, Outcome
from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder
from seedsweep_trainer.checkpoints.checkpoint import Checkpoint
from seedsweep_trainer.endings import UNEXPECTED, explain
from seedsweep_trainer.errors import ConfigurationError, RefusedError, StorageError
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.storage import uri as uri_module
from seedsweep_trainer.storage.folders import FolderId, LocalFolders, Stored, keep_best_only
from seedsweep_trainer.storage.remote import RemoteFolders
from seedsweep_trainer.storage.uri import UriFiles
from seedsweep_trainer.training.loop import train
from trainer.benches import IDENTITY, AsObjects, Bench, best, checkpoint, step_of
from trainer.episodes import Episode, Watched, killed


class Dies(UriFiles):
    """Dies as by SIGKILL before its n-th request that changes anything."""

    left = 0

    def _write(self, action: Callable[[], object]) -> None:
        self._count()
        super()._write(action)

    def remove(self, path: str) -> None:
        self._count()
        super().remove(path)

    def _count(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


@pytest.mark.parametrize(("scheme", "every"), [("local", 1), ("s3", 4)])
def test_death_between_any_two_uploads_leaves_one_whole_state(
    scheme: str, every: int, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On S3 only every fourth moment: a forked client takes a second to start."""
    monkeypatch.setitem(fsspec.config.conf, "file", {"auto_mkdir": True})
    outcomes = []
    for count in range(0, 60, every):
        name = f"{uuid4()}/wi1-do2"
        bench = AsObjects(s3.uri(name) if scheme == "s3" else f"file://{tmp_path}/{name}", tmp_path / "machines")
        first = bench.attempt("a")
        first.write_best(best(1))
        first.write_checkpoint(checkpoint(1))

        def write(count: int = count, place: str = bench.place) -> None:
            target = Dies(place)
            target.left = count
            store = AttemptFolder(RemoteFolders(target, tmp_path / "dying" / str(count)), "b", IDENTITY)
            store.resume()
            store.write_best(best(2))
            store.write_checkpoint(checkpoint(2))

        died = killed(write)
        successor = bench.attempt("c")
        resumed = successor.resume()
        assert step_of(resumed) in (10, 20)
        new = step_of(resumed) == 20
        successor.write_checkpoint(checkpoint(3))
        assert bench.kept() == ["c/best", "c/evaluation-3-step-30"]
        assert (bench.best(1), bench.best(2)) == ((None, "c/best") if new else ("c/best", None))
        outcomes.append(new)
        if not died:
            break
    assert not died
    assert outcomes == sorted(outcomes)
    assert outcomes.count(False) > 5 / every


def test_death_at_any_moment_of_freeing_leaves_the_wanted_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are within a checkpoint alone at first."""
    monkeypatch.setitem(fsspec.config.conf, "file", {"auto_mkdir": True})
    for count in range(60):
        bench = AsObjects(f"file://{tmp_path}/{count}/wi1-do2", tmp_path / "machines")
        writer = bench.attempt("a")
        writer.write_best(best(1))
        writer.write_checkpoint(checkpoint(1))
        writer.write_best(best(2))

        def free(count: int = count, place: str = bench.place) -> None:
            target = Dies(place)
            target.left = count
            keep_best_only(RemoteFolders(target, tmp_path / "dying" / str(count)), Stored(1))

        died = killed(free)
        assert bench.best(1) in ("a/evaluation-1-step-10/best", "a/best")
        assert keep_best_only(bench.folders(), Stored(1))
        assert bench.kept() == ["a/best"]
        with bench.folders().opened(FolderId("a", "best")) as folder:
            assert (folder / "predictions.csv").read_text() == "row\n1\n"
        if not died:
            break
    assert not died
    assert count > 2


@pytest.fixture
def own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """One that a test may kill."""
    server = S3Server(tmp_path / "server")
    server.start()
    server.set_up(monkeypatch)
    yield server
    server.kill()


def test_a_server_that_is_killed_within_an_upload_and_comes_back_costs_only_time(
    own_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(own_server.uri("wi1-do2"), tmp_path / "machines")
    writer = bench.attempt("a")
    large = checkpoint(1)
    large = Checkpoint(large.progress, {"w": torch.rand(50_000)}, {"m": torch.rand(1_000_000)})
    within, killed_server, done = threading.Event(), threading.Event(), threading.Event()
    send, sent = socket.socket.send, 0

    def send_half(connection: socket.socket, data: bytes, *flags: int) -> int:
        """Stop in the middle of the second large object until the server has been killed."""
        nonlocal sent
        count = send(connection, data, *flags)
        sent += count
        if sent > 2_000_000:
            within.set()
            killed_server.wait(240)
        return count

    monkeypatch.setattr(socket.socket, "send", send_half)

    def write() -> None:
        writer.write_checkpoint(large)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert within.wait(120)
    assert len(list((own_server.bucket / "wi1-do2").glob("a/objects/*"))) == 2, "the weights and the state are there"
    own_server.kill()
    killed_server.set()
    assert not done.is_set()
    time.sleep(1)
    own_server.start()
    thread.join(240)
    assert done.is_set()
    resumed = bench.attempt("b").resume()
    assert resumed is not None
    assert torch.equal(resumed.state["m"], large.state["m"])


def test_a_server_that_stays_away_ends_the_attempt_with_what_to_check(
    own_server: S3Server, tmp_path: Path, fine_tuning: Callable[..., FineTuning], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uri_module, "PATIENCE_SECONDS", 1.0)
    own_server.kill()
    attempt = Attempt("a", 1, 2, fine_tuning(), checkpoints=own_server.uri("wi1-do2"), work=tmp_path)
    with pytest.raises(StorageError) as caught:
        train(attempt, Watched(None, lambda *_: None), threading.Event())
    code, reason = explain(caught.value, attempt.config)
    assert code == UNEXPECTED
    assert "has failed for 1 s: EndpointConnectionError" in reason
    assert f"check AWS_ENDPOINT_URL ({own_server.environment['AWS_ENDPOINT_URL']})" in reason


def with_environment(patch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """As for a process that starts with these."""
    for name, value in variables.items():
        patch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.parametrize(
    ("uri", "variables", "words"),
    [
        ("s3://none/x", {}, ["s3://none/x", "bucket does not exist", "make the bucket, or correct the URI"]),
        ("s3://bucket/x", {"AWS_SECRET_ACCESS_KEY": "wrong"}, ["signature", "check AWS_ACCESS_KEY_ID and"]),
        ("s3://bucket/x", {"AWS_ACCESS_KEY_ID": ""}, ["credentials", "check AWS_ACCESS_KEY_ID and"]),
        ("s4://bucket/x", {}, ["'s4://bucket/x' cannot be used: Protocol not known", "s3://BUCKET/FOLDER"]),
    ],
    ids=["bucket", "secret", "no credentials", "protocol"],
)
def test_what_storage_refuses_at_the_start_is_bad_configuration(
    s3: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uri: str,
    variables: dict[str, str],
    words: list[str],
) -> None:
    with_environment(monkeypatch, variables)
    with pytest.raises(ConfigurationError) as caught:
        Bench(uri, tmp_path).attempt("a")
    assert all(word in str(caught.value) for word in words), caught.value


def test_what_storage_refuses_later_is_no_configuration_of_the_sweep(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(s3.uri(str(uuid4())), tmp_path)
    bench.attempt("a").write_checkpoint(checkpoint(1))
    with_environment(monkeypatch, {"AWS_SECRET_ACCESS_KEY": "withdrawn"})
    with pytest.raises(RefusedError, match="signature") as caught:
        bench.folders().listed()
    assert explain(caught.value, None)[0] == UNEXPECTED


def test_a_folder_that_cannot_be_written_is_bad_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ConfigurationError, match=r"cannot be written: Permission denied; .*fsGroup"):
        LocalFolders(tmp_path / "claim").claim("a")


def run(episode: Episode, place: str, machine: Path, uid: str, **asked: Any) -> tuple[Outcome, Message]:
    """An attempt of the episode with its storage at `place`."""
    terminated = threading.Event()

    def watch(_: Watched, step: int) -> None:
        if step in asked.get("sigterm_at", ()):
            terminated.set()

    reporter = Watched(asked.get("stop_after"), watch)
    attempt = Attempt(uid, *episode.seeds, episode.config, episode.rungs, asked.get("stop_after"), place, machine / uid)
    return train(attempt, reporter, terminated), reporter.message


def test_an_episode_resumed_through_s3_ends_bit_for_bit_as_one_never_stopped(
    s3: S3Server, tmp_path: Path, fine_tuning: Callable[..., FineTuning]
) -> None:
    episode = Episode(tmp_path / "whole", fine_tuning(), rungs=(2,))
    expected = episode.attempt("only")[1]
    bench = Bench(s3.uri(f"{uuid4()}/wi1-do2"), tmp_path / "machines")
    assert run(episode, bench.place, tmp_path, "a", sigterm_at={3})[0] is Outcome.INTERRUPTED
    assert run(episode, bench.place, tmp_path, "b", stop_after=2)[0] is Outcome.STOPPED
    assert run(episode, bench.place, tmp_path, "c", sigterm_at={13})[0] is Outcome.INTERRUPTED
    outcome, message = run(episode, bench.place, tmp_path, "d")
    assert (outcome, message.steps_at_start, message.checkpoint) == (Outcome.DONE, 13, 3)
    assert (message.scores, message.losses) == (expected.scores, expected.losses)
    local = LocalFolders(episode.folder)
    weights = [kept for kept in local.listed() if not kept.is_checkpoint]
    assert [kept.name for kept in weights] == ["best", "best-to-2"]
    for kept in weights:
        with local.opened(kept) as mine, bench.folders().opened(FolderId("d", kept.name)) as theirs:
            files = sorted(file.relative_to(mine) for file in mine.rglob("*") if file.is_file())
            assert files == sorted(file.relative_to(theirs) for file in theirs.rglob("*") if file.is_file())
            assert all((mine / file).read_bytes() == (theirs / file).read_bytes() for file in files)


def test_an_outage_while_an_episode_trains_changes_nothing_of_it(
    own_server: S3Server, tmp_path: Path, fine_tuning: Callable[..., FineTuning]
) -> None:
    episode = Episode(tmp_path / "whole", fine_tuning(), rungs=(2,))
    expected = episode.attempt("only")[1]
    back = threading.Timer(2, own_server.start)

    def cut_off(_: Watched, step: int) -> None:
        if step == 7:
            own_server.kill()
            back.start()

    reporter = Watched(None, cut_off)
    place = own_server.uri("wi1-do2")
    attempt = Attempt("a", *episode.seeds, episode.config, episode.rungs, None, place, tmp_path / "machine")
    assert train(attempt, reporter, threading.Event()) is Outcome.DONE
    back.join()
    assert (reporter.message.scores, reporter.message.checkpoint) == (expected.scores, 2)
    resumed = Bench(place, tmp_path).attempt("b", **train_identity(episode)).resume()
    assert step_of(resumed) == 8


def train_identity(episode: Episode) -> dict[str, str | int]:
    """Of the checkpoints that the episode's attempt on the disk has left."""
    (state,) = episode.folder.glob("only/evaluation-*/state.json")
    identity: dict[str, str | int] = json.loads(state.read_text())["identity"]
    return identity


def test_a_checkpoint_is_published_only_once_it_is_there(
    s3: S3Server, tmp_path: Path, fine_tuning: Callable[..., FineTuning], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(s3.uri(f"{uuid4()}/wi1-do2"), tmp_path / "machines")
    seen = []

    def check(_: Watched, evaluation: int) -> None:
        (newest,) = [kept for kept in bench.folders().listed() if kept.is_checkpoint]
        with bench.folders().opened(newest):
            seen.append((evaluation, newest.step))

    monkeypatch.setattr(Watched, "checkpointed", check)
    run(Episode(tmp_path / "e", fine_tuning(), rungs=(2,)), bench.place, tmp_path, "a")
    assert seen == [(2, 8)]
