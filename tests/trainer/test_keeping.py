"""When an attempt writes what: checkpoints that cost little, and best weights that are there whatever ends it."""

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import Outcome
from seedsweep_trainer.checkpoints import saving
from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder
from seedsweep_trainer.checkpoints.host_copy import HostCopies
from seedsweep_trainer.checkpoints.pace import LOSS_SECONDS, PARTS, Spent, is_due
from seedsweep_trainer.checkpoints.saving import Clock
from seedsweep_trainer.checkpoints.tensor_file import write_tensors
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.jobs.hand_over import hand_over
from seedsweep_trainer.storage.durable import broken, file_digest
from seedsweep_trainer.storage.folders import LocalFolders, Stored, find_best, keep_best_only
from trainer.episodes import Episode, Watched, kill, killed

Make = Callable[..., FineTuning]
BY_LOSS = {"metric": {"name": "loss", "goal": "minimize"}}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was written, in order."""
    calls: list[str] = []
    for name in ("write_best", "pass_rung", "write_checkpoint"):
        real = getattr(AttemptFolder, name)

        def spy(store: AttemptFolder, what: Any, real: Any = real, name: str = name) -> None:
            calls.append(name)
            real(store, what)

        monkeypatch.setattr(AttemptFolder, name, spy)
    return calls


def checkpoints(episode: Episode) -> list[str]:
    """Those of attempt a."""
    return [path.name for path in (episode.folder / "a").glob("evaluation-*")]


@pytest.mark.parametrize(
    ("since", "cost", "due"),
    [
        (Spent(59.9, 59.9), Spent(), False),
        (Spent(60.0, 0.0), Spent(), True),
        (Spent(60.0, 60.0), Spent(3.0, 3.0), True),
        (Spent(60.0, 60.0), Spent(3.1, 0.0), False),
        (Spent(60.0, 60.0), Spent(0.0, 3.1), False),
        # A busy machine: of a minute this process got six seconds.
        (Spent(60.0, 6.0), Spent(0.0, 1.0), False),
        (Spent(200.0, 20.0), Spent(0.0, 1.0), True),
    ],
)
def test_a_checkpoint_is_due_after_a_minute_or_once_its_cost_is_a_twentieth(
    since: Spent, cost: Spent, due: bool
) -> None:
    assert is_due(since, cost) == due


@pytest.mark.parametrize("dearest", [0.1, 3.0, 30.0])
def test_checkpoints_cost_at_most_a_twentieth_of_the_time_beside_the_last_one(dearest: float) -> None:
    draw = random.Random(1)
    time, since, spent, cost = 0.0, 0.0, 0.0, 0.0
    longest = 0.0
    while time < 20_000:
        time += draw.uniform(0.01, 0.5)
        if is_due(Spent(time - since), Spent(cost)):
            longest = max(longest, time - since)
            cost = draw.uniform(0, dearest)
            time += cost
            since, spent = time, spent + cost
    assert spent - cost <= time / PARTS
    assert longest <= max(LOSS_SECONDS, PARTS * dearest) + 1


@pytest.mark.parametrize(("copying", "writing", "saved_at"), [(0, 0, [4, 8, 12]), (2, 0, [4, 10]), (0, 5, [4, 11])])
def test_what_training_waited_for_and_the_writers_processor_time_are_the_cost(
    tmp_path: Path,
    fine_tuning: Make,
    written: list[str],
    monkeypatch: pytest.MonkeyPatch,
    copying: float,
    writing: float,
    saved_at: list[int],
) -> None:
    """Each copy takes two seconds and each write five: the next one is due after 20 times as much."""
    seconds = {"now": 0.0, "writer": 0.0}
    real_copy, real_write = HostCopies.take, AttemptFolder.write_checkpoint

    def slow_copy(*arguments: Any) -> Any:
        seconds["now"] += copying
        return real_copy(*arguments)

    def slow_write(*arguments: Any) -> None:
        seconds["writer"] += writing
        real_write(*arguments)

    monkeypatch.setattr(HostCopies, "take", slow_copy)
    monkeypatch.setattr(AttemptFolder, "write_checkpoint", slow_write)
    clock = Clock(lambda: seconds["now"], lambda: seconds["now"], lambda: seconds["writer"])
    monkeypatch.setattr("trainer.episodes.Clock", lambda **_: clock)
    saved: list[int] = []

    def step(reporter: Watched, number: int) -> None:
        seconds["now"] += 15
        saved.append(written.count("write_checkpoint"))

    episode = Episode(tmp_path / "e", fine_tuning(), step_seconds=1.0)
    monkeypatch.setattr(saving, "best_evaluation", lambda *_: None)
    assert episode.attempt("a", at_step=step)[0] is Outcome.DONE
    # The first one after a minute; the next one after another minute, were it not for its cost.
    assert [step for step, (before, after) in enumerate(pairwise(saved), 1) if after > before] == saved_at


def test_an_episode_of_seconds_writes_a_checkpoint_at_its_rung_alone(
    tmp_path: Path, fine_tuning: Make, written: list[str]
) -> None:
    episode = Episode(tmp_path / "e", fine_tuning(**BY_LOSS), rungs=(2,))
    outcome, message = episode.attempt("a")
    assert (outcome, message.checkpoint) == (Outcome.DONE, 2)
    assert written.count("write_checkpoint") == written.count("pass_rung") == 1
    assert written.count("write_best") <= 2
    assert checkpoints(episode) == ["evaluation-2-step-8"]


def test_nothing_of_the_optimizer_is_written_after_the_last_step(tmp_path: Path, fine_tuning: Make) -> None:
    episode = Episode(tmp_path / "e", fine_tuning(**BY_LOSS), rungs=(4,))
    assert episode.attempt("a", stop_after=4)[0] is Outcome.DONE
    assert sorted(path.name for path in (tmp_path / "e" / "a").iterdir()) == ["best", "best-to-4"]


def test_a_crash_costs_about_a_minute(tmp_path: Path, fine_tuning: Make) -> None:
    episode = Episode(tmp_path / "e", fine_tuning(evaluationsPerEpoch=1), step_seconds=25.0)
    assert killed(lambda: episode.attempt("a", at_step=lambda _, step: kill() if step == 15 else None))
    _, message = episode.attempt("b")
    assert message.steps_at_start == 12


def test_the_best_weights_of_a_lost_future_are_those_that_are_trained_again(tmp_path: Path, fine_tuning: Make) -> None:
    whole = Episode(tmp_path / "whole", fine_tuning(**BY_LOSS), rungs=(2,))
    _, expected = whole.attempt("only")
    assert expected.scores[2] < min(expected.scores[:2]), "evaluation 3 is a best one"
    lost = Episode(tmp_path / "lost", fine_tuning(**BY_LOSS), rungs=(2,), step_seconds=1.0)
    assert killed(lambda: lost.attempt("a", at_step=lambda _, step: kill() if step == 13 else None))
    assert find_best(LocalFolders(lost.folder), Stored(3)) is None
    _, message = lost.attempt("b")
    assert (message.steps_at_start, message.scores) == (8, expected.scores)
    best = expected.scores.index(min(expected.scores)) + 1
    weights = []
    for episode in (whole, lost):
        found = find_best(LocalFolders(episode.folder), Stored(best))
        assert found is not None
        weights.append(file_digest(episode.folder / str(found) / "model.safetensors"))
    assert weights[0] == weights[1]


def test_the_winner_of_resumed_attempts_is_handed_over(tmp_path: Path, fine_tuning: Make) -> None:
    episode = Episode(tmp_path / "e", fine_tuning(**BY_LOSS), rungs=(2,))
    assert killed(lambda: episode.attempt("a", at_step=lambda _, step: kill() if step == 7 else None))
    episode.attempt("b", stop_after=2)
    episode.attempt("c", sigterm_at={9})
    _, message = episode.attempt("d")
    found = find_best(LocalFolders(episode.folder), Stored(message.scores.index(min(message.scores)) + 1))
    assert found is not None
    hand_over(episode.config, episode.folder / str(found), tmp_path / "best")
    assert broken(tmp_path / "best") is None


@pytest.mark.parametrize("end", ["diverges", "fails"])
def test_the_best_weights_are_there_however_an_attempt_ends(tmp_path: Path, fine_tuning: Make, end: str) -> None:
    episode = Episode(tmp_path / "e", fine_tuning(**BY_LOSS))

    def spoil(reporter: Watched, step: int) -> None:
        if step < 10:
            return
        if end == "diverges":
            with torch.no_grad():
                episode.learners[-1].loss_sum.fill_(float("nan"))
        else:
            raise ZeroDivisionError("as in a step")

    if end == "diverges":
        assert episode.attempt("a", at_step=spoil)[0] is Outcome.DIVERGED
    else:
        with pytest.raises(ZeroDivisionError):
            episode.attempt("a", at_step=spoil)
    assert find_best(LocalFolders(episode.folder), Stored(2)) is not None


def test_a_failed_episodes_best_up_to_its_last_checkpoint_is_handed_over(tmp_path: Path, fine_tuning: Make) -> None:
    episode = Episode(tmp_path / "e", fine_tuning(**BY_LOSS), step_seconds=7.5)

    def fail(reporter: Watched, step: int) -> None:
        if step == 13:
            scores.extend(reporter.message.scores)
            raise ZeroDivisionError("as in a step")

    scores: list[float] = []
    with pytest.raises(ZeroDivisionError):
        episode.attempt("a", at_step=fail)
    assert checkpoints(episode) == ["evaluation-2-step-8"]
    assert scores[2] < min(scores[:2]), "evaluation 3 is a best one"
    counted = scores.index(min(scores[:2])) + 1
    assert keep_best_only(LocalFolders(episode.folder), Stored(counted))
    assert checkpoints(episode) == []
    found = find_best(LocalFolders(episode.folder), Stored(counted))
    hand_over(episode.config, episode.folder / str(found), tmp_path / "best")
    assert broken(tmp_path / "best") is None


def test_a_checkpoint_that_could_not_be_written_is_told_when_the_attempt_fails_before_it_is_missed(
    tmp_path: Path, fine_tuning: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Event()

    def refuse(*_: object) -> None:
        failing.wait()
        raise OSError(28, "No space left on device")

    def fail(_: Watched, step: int) -> None:
        if step == 13:
            failing.set()
            raise ZeroDivisionError("as in a step")

    monkeypatch.setattr(AttemptFolder, "write_checkpoint", refuse)
    episode = Episode(tmp_path / "e", fine_tuning(**BY_LOSS), rungs=(2,))
    with pytest.raises(ZeroDivisionError):
        episode.attempt("a", at_step=fail)
    assert find_best(LocalFolders(episode.folder), Stored(3)) is not None
    assert caplog.text.count("could not be written: [Errno 28] No space left on device") == 1


def test_a_failed_write_ends_the_attempt_at_its_next_step(
    tmp_path: Path, fine_tuning: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AttemptFolder, "write_checkpoint", refuse)
    steps: list[int] = []
    episode = Episode(tmp_path / "e", fine_tuning(), rungs=(2,), step_seconds=1.0)
    with pytest.raises(OSError, match="No space left"):
        episode.attempt("a", at_step=lambda _, step: steps.append(step))
    assert steps[-1] == 9


def test_copies_are_of_the_moment_they_were_taken_in() -> None:
    weights = {"w": torch.ones(3), "transposed": torch.arange(6.0).reshape(2, 3).t()}
    copy = HostCopies(torch.device("cpu")).take(weights)
    weights["w"] += 1
    assert copy.wait()["w"].tolist() == [1, 1, 1]
    assert copy.wait()["transposed"].is_contiguous()


@pytest.mark.parametrize(
    "dtype",
    [
        *("float64", "float32", "float16", "bfloat16", "complex64"),
        *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
        *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"),
    ],
)
def test_a_tensor_file_is_what_was_given_and_hashed_as_it_is(tmp_path: Path, dtype: str) -> None:
    values = torch.tensor([[0.0, -1.5, 3.0], [1.0, 0.0, 2.0]]).abs().to(getattr(torch, dtype))
    tensors = {"b": values, "a": torch.tensor(2.5), "none": torch.zeros(0), "bytes": torch.ones(3, dtype=torch.uint8)}
    written = write_tensors(tensors, tmp_path / "file")
    assert written == (file_digest(tmp_path / "file"), (tmp_path / "file").stat().st_size)
    read = load_file(tmp_path / "file")
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert (read[name].dtype, read[name].shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(read[name].reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8))


def test_a_tensor_that_the_format_cannot_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"layer\.phase is complex128, which cannot be kept"):
        write_tensors({"layer.phase": torch.zeros(1, dtype=torch.complex128)}, tmp_path / "file")
