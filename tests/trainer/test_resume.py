"""An episode that was interrupted ends bit for bit as one that was not: its curve, weights, optimizer and best."""

import csv
import errno
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from seedsweep.api.finetuning import FineTuning
from seedsweep.api.provenance import PartCounts, Provenance, parse_provenance
from seedsweep.contract.message import Message, Outcome, decode_message, encode_message
from seedsweep_trainer.checkpoints import attempt_folder as store
from seedsweep_trainer.checkpoints.answers import best_evaluation
from seedsweep_trainer.checkpoints.tensor_file import write_tensors
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.storage.durable import Written
from seedsweep_trainer.training.loop import train
from trainer.episodes import Episode, Watched, kill, killed

Make = Callable[..., FineTuning]
RUNGS = (2,)


@pytest.fixture
def episode(tmp_path: Path, fine_tuning: Make) -> Callable[..., Episode]:
    """Makes episodes of the tiny BERT: 16 steps, evaluated after 4, 8, 12 and 16, with a cut at the second."""

    def make(name: str, **fields: Any) -> Episode:
        return Episode(tmp_path / name, fine_tuning(**fields), RUNGS)

    return make


def uninterrupted(episode: Episode) -> tuple[Message, dict[str, str]]:
    outcome, message = episode.attempt("only")
    assert outcome is Outcome.DONE
    return message, episode.record()


@pytest.mark.parametrize(
    "steps",
    [(3,), (4,), (8,), (15,), (1, 2, 3), (4, 5, 11, 12)],
    ids=["within an interval", "after an evaluation", "between epochs", "before the last step", "at once", "often"],
)
def test_an_episode_ends_the_same_after_sigterm(episode: Callable[..., Episode], steps: tuple[int, ...]) -> None:
    expected, expected_record = uninterrupted(episode("whole"))
    parts = episode("parts")
    for step in steps:
        outcome, message = parts.attempt(f"until-{step}", sigterm_at={step})
        assert (outcome, message.steps_done) == (Outcome.INTERRUPTED, step)
    outcome, message = parts.attempt("last")
    assert outcome is Outcome.DONE
    assert message.steps_at_start == steps[-1]
    assert (message.scores, message.losses) == (expected.scores, expected.losses)
    assert parts.record() == expected_record


@pytest.mark.parametrize(
    "fields",
    [
        {"recipe": "dodge2020"},
        {"gradientAccumulationSteps": 2, "batchSize": 4},
        {"precision": "bf16"},
        {"dropoutSeed": 7},
        {"architecture": "albert"},
        {"metric": {"name": "loss", "goal": "minimize"}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_an_episode_ends_the_same_in_every_recipe(episode: Callable[..., Episode], fields: dict[str, Any]) -> None:
    expected, expected_record = uninterrupted(episode("whole", **fields))
    parts = episode("parts", **fields)
    parts.attempt("until-2", sigterm_at={2})
    # After an epoch's first step dodge2020 goes on without dropout.
    parts.attempt("until-5", sigterm_at={5})
    assert parts.attempt("to-the-rung", stop_after=2)[0] is Outcome.STOPPED
    parts.attempt("until-15", sigterm_at={15})
    outcome, message = parts.attempt("last")
    assert outcome is Outcome.DONE
    assert (message.scores, message.losses) == (expected.scores, expected.losses)
    assert parts.record() == expected_record


def test_an_attempt_on_other_hardware_goes_on_in_the_precision_of_its_checkpoint(
    episode: Callable[..., Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    expected, expected_record = uninterrupted(episode("whole", precision="auto"))
    moved = episode("moved", precision="auto")
    moved.attempt("fast", sigterm_at={3})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": False})
    _, message = moved.attempt("slow")
    assert (message.steps_at_start, message.scores, message.losses) == (3, expected.scores, expected.losses)
    assert moved.record() == expected_record
    assert moved.learners[-1].autocast is torch.bfloat16


def test_a_survivor_of_the_rung_goes_on_where_it_stopped(episode: Callable[..., Episode]) -> None:
    expected, expected_record = uninterrupted(episode("whole"))
    survivor = episode("survivor")
    outcome, stopped = survivor.attempt("first", stop_after=2)
    assert (outcome, stopped.checkpoint, stopped.scores) == (Outcome.STOPPED, 2, expected.scores[:2])
    outcome, message = survivor.attempt("second")
    assert (outcome, message.steps_at_start, message.scores) == (Outcome.DONE, 8, expected.scores)
    assert survivor.record() == expected_record


def test_a_resumed_attempt_publishes_the_whole_curve_before_its_first_step(episode: Callable[..., Episode]) -> None:
    stopped = episode("one")
    expected = stopped.attempt("first", stop_after=2)[1]
    told: list[Message] = []
    stopped.attempt("second", sigterm_at={9}, at_step=lambda reporter, _step: told.append(reporter.message))
    assert (told[0].scores, told[0].losses, told[0].checkpoint) == (expected.scores, expected.losses, 2)


@pytest.mark.parametrize(("step_seconds", "resumed_at"), [(0.0, 8), (15.0, 12), (20.0, 11), (60.0, 13)])
def test_an_episode_killed_between_checkpoints_repeats_what_was_lost(
    episode: Callable[..., Episode], step_seconds: float, resumed_at: int
) -> None:
    fields = {"metric": {"name": "loss", "goal": "minimize"}}
    expected, expected_record = uninterrupted(episode("whole", **fields))
    lost = replace(episode("lost", **fields), step_seconds=step_seconds)

    def kill_at_14(reporter: Watched, step: int) -> None:
        # The rung's checkpoint may still be on its way to the disk.
        while step == 14 and reporter.message.checkpoint < 2:
            time.sleep(0.01)
        if step == 14:
            kill()

    assert killed(lambda: lost.attempt("first", at_step=kill_at_14))
    outcome, message = lost.attempt("second")
    assert (outcome, message.steps_at_start, message.scores) == (Outcome.DONE, resumed_at, expected.scores)
    assert lost.record() == expected_record


def test_dropout_is_part_of_what_is_resumed(episode: Callable[..., Episode]) -> None:
    record = uninterrupted(episode("own"))[1]
    other = uninterrupted(episode("other", dropoutSeed=7))[1]
    assert record["weights"] != other["weights"]


def test_a_full_disk_ends_the_attempt_and_leaves_the_checkpoint_before(
    episode: Callable[..., Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected_record = uninterrupted(episode("whole"))[1]
    full = replace(episode("full"), step_seconds=15.0)

    def fill_up(tensors: dict[str, torch.Tensor], file: Path) -> Written:
        if "evaluation-3" in str(file):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_tensors(tensors, file)

    with monkeypatch.context() as patched:
        patched.setattr(store, "write_tensors", fill_up)
        with pytest.raises(OSError, match="No space left"):
            full.attempt("first")
    outcome, message = full.attempt("second")
    assert (outcome, message.steps_at_start) == (Outcome.DONE, 8)
    assert full.record() == expected_record


def test_the_best_is_kept_overall_and_up_to_each_rung_with_its_predictions(episode: Callable[..., Episode]) -> None:
    kept = episode("kept", metric={"name": "loss", "goal": "minimize"})
    message = kept.attempt("only")[1]
    for folder, scores in (("best", message.scores), ("best-to-2", message.scores[:2])):
        facts = json.loads((kept.folder / "only" / folder / "best.json").read_text())
        evaluation = scores.index(min(scores)) + 1
        assert (facts["evaluation"], facts["step"], facts["score"]) == (evaluation, 4 * evaluation, min(scores))
        rows = list(csv.DictReader((kept.folder / "only" / folder / "predictions.csv").read_text().splitlines()))
        outputs = torch.tensor([[float(row["bad"]), float(row["good"])] for row in rows])
        labels = torch.tensor([("bad", "good").index(row["label"]) for row in rows])
        assert sorted(int(row["row"]) for row in rows) == list(range(30))
        assert torch.nn.functional.cross_entropy(outputs, labels).item() == pytest.approx(min(scores), rel=1e-5)


def test_a_checkpoint_of_other_base_weights_is_not_resumed(episode: Callable[..., Episode], tmp_path: Path) -> None:
    first = episode("parts")
    model = tmp_path / "model"
    shutil.copytree(first.config.model, model)
    moved = replace(first, config=first.config.evolve(model=str(model)))
    moved.attempt("a", stop_after=2)
    weights = load_file(model / "model.safetensors")
    save_file({name: tensor + 0.5 for name, tensor in weights.items()}, model / "model.safetensors", {"format": "pt"})
    _, message = moved.attempt("b")
    assert message.steps_at_start == 0


def test_an_attempt_tells_what_it_was_trained_from(episode: Callable[..., Episode]) -> None:
    _, message = episode("f1", metric={"name": "f1", "goal": "maximize"}).attempt("a", stop_after=1)
    found = parse_provenance(message.info.provenance)
    assert found is not None
    assert found.base_weights is not None
    assert (found.model_commit, found.dataset_commit, found.positive_label) == (None, None, "good")
    assert found.examples.test == 30
    assert found.truncated.train is not None
    _, other = episode("accuracy").attempt("a", stop_after=1)
    again = parse_provenance(other.info.provenance)
    assert again is not None
    assert (again.positive_label, again.base_weights) == (None, found.base_weights)


def test_the_longest_curve_of_our_own_trainer_fits_with_its_losses(episode: Callable[..., Episode]) -> None:
    _, message = episode("whole").attempt("a", stop_after=1)
    longest = Provenance(
        base_weights="a" * 16,
        model_commit="b" * 40,
        dataset_commit="c" * 40,
        examples=PartCounts(train=10**7, validation=10**5, test=10**5),
        truncated=PartCounts(train=10**7, validation=10**5, test=10**5),
        positive_label="entailment",
    )
    info = replace(
        message.info, episode="wi2147483647-do2147483647", uid="x" * 36, level="L3", provenance=longest.to_text()
    )
    full = replace(
        message, info=info, scores=(0.5,) * 300, losses=(0.5,) * 300, evaluations_planned=300, steps_planned=10**7
    )
    decoded = decode_message(encode_message(full).decode())
    assert decoded is not None
    assert decoded.losses == full.losses


def test_without_storage_an_attempt_trains_the_same_and_keeps_nothing(episode: Callable[..., Episode]) -> None:
    expected = uninterrupted(episode("whole"))[0]
    nowhere, reporter = episode("nowhere"), Reporter()
    assert train(Attempt("only", *nowhere.seeds, nowhere.config), reporter, Event()) is Outcome.DONE
    assert (reporter.message.scores, reporter.message.checkpoint) == (expected.scores, 0)
    assert not nowhere.folder.exists()


def test_a_diverged_episode_says_at_which_evaluation(episode: Callable[..., Episode]) -> None:
    outcome, message = episode("diverged", learningRate="1e30").attempt("only")
    assert outcome is Outcome.DIVERGED
    assert message.scores == ()


@pytest.mark.parametrize(
    ("scores", "goal", "best"),
    [
        ([0.5, 0.75, 0.75], "maximize", 2),
        ([0.5, 0.25, 0.25], "minimize", 2),
        ([float("nan"), 0.1], "maximize", 2),
        ([float("nan")], "maximize", None),
        ([], "minimize", None),
    ],
)
def test_the_earliest_best_defined_evaluation_wins(scores: list[float], goal: Any, best: int | None) -> None:
    assert best_evaluation(scores, goal) == best
