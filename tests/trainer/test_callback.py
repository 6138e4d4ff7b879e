"""SeedSweepCallback in real trainings by transformers' Trainer, of a tiny random model."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EarlyStoppingCallback,
    EvalPrediction,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from host.ports import free_port
from seedsweep.contract.message import Message, Outcome, decode_message
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.reporting.callback import SeedSweepCallback

EXAMPLES = 16


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of an attempt; returns where its termination message is."""
    log = tmp_path / "termination-log"
    for name, value in {
        Env.CONTRACT: "1",
        Env.EPISODE: "wi0-do0",
        Env.ATTEMPT_UID: "a",
        Env.WORK_DIR: str(tmp_path),
        Env.CHECKPOINT_DIR: str(tmp_path / "checkpoints"),
        Env.TERMINATION_LOG: str(log),
        Env.METRICS_HOST: "127.0.0.1",
        Env.METRICS_PORT: str(free_port()),
    }.items():
        monkeypatch.setenv(name, value)
    return log


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    assert isinstance(prediction.predictions, np.ndarray)
    return {"accuracy": float(np.mean(prediction.predictions.argmax(-1) == prediction.label_ids))}


def trainer(folder: Path, *, weights: bool = False, **arguments: Any) -> Trainer:
    """Four steps in each of three epochs, evaluated after each epoch unless the arguments say otherwise."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        max_position_embeddings=16,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    model = BertForSequenceClassification(config)
    ids = torch.randint(5, 50, (EXAMPLES, 8)).tolist()
    data = datasets.Dataset.from_dict({"input_ids": ids, "labels": [row[0] % 2 for row in ids]})
    defaults: dict[str, Any] = {
        "output_dir": str(folder / "checkpoints" / "a"),
        "num_train_epochs": 3,
        "per_device_train_batch_size": 4,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "metric_for_best_model": "accuracy",
        "greater_is_better": True,
        "learning_rate": 0.01,
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
    made = Trainer(
        model=model,
        args=TrainingArguments(**(defaults | arguments)),
        train_dataset=data,
        eval_dataset=data,
        compute_metrics=accuracy,
    )
    made.add_callback(SeedSweepCallback(weights=weights))
    return made


def last_words(log: Path) -> Message:
    message = decode_message(log.read_text())
    assert message is not None
    return message


@contextmanager
def refused(log: Path, says: str) -> Iterator[None]:
    """That the process ends as for a bad configuration, which is not tried again, and says why."""
    with pytest.raises(SystemExit) as end:
        yield
    assert end.value.code == ExitCode.BAD_CONFIGURATION
    message = last_words(log)
    assert message.outcome == Outcome.FAILED
    assert says in message.reason


def logged(trained: Trainer, name: str) -> list[float]:
    return [entry[name] for entry in trained.state.log_history if name in entry]


def test_every_evaluation_is_reported_with_its_loss(sweep: Path, tmp_path: Path) -> None:
    trained = trainer(tmp_path)
    trained.train()
    message = last_words(sweep)
    assert message.outcome == Outcome.DONE
    assert (message.evaluations_planned, message.steps_planned, message.steps_done) == (3, 12, 12)
    assert message.scores == pytest.approx(logged(trained, "eval_accuracy"))
    assert message.losses == pytest.approx(logged(trained, "eval_loss"))
    assert message.checkpoint == 3


def test_metric_may_be_named_with_its_prefix(sweep: Path, tmp_path: Path) -> None:
    trained = trainer(tmp_path, metric_for_best_model="eval_loss", greater_is_better=False)
    trained.train()
    assert last_words(sweep).scores == pytest.approx(logged(trained, "eval_loss"))


@pytest.mark.parametrize(
    ("arguments", "evaluations"),
    [
        ({"eval_steps": 4}, 3),
        ({"eval_steps": 5}, 3),
        ({"eval_steps": 5, "eval_delay": 6}, 2),
        ({"eval_steps": 0.25, "max_steps": 8}, 4),
        ({"eval_strategy": "epoch", "eval_delay": 2}, 2),
        ({"eval_strategy": "epoch", "num_train_epochs": 1.5}, 2),
    ],
)
def test_planned_evaluations_are_those_that_come(
    sweep: Path, tmp_path: Path, arguments: dict[str, Any], evaluations: int
) -> None:
    trainer(tmp_path, **({"eval_strategy": "steps", "save_strategy": "no"} | arguments)).train()
    message = last_words(sweep)
    assert len(message.scores) == message.evaluations_planned == evaluations


def test_stops_after_the_asked_evaluation_and_resumes_with_the_whole_curve(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(Env.STOP_AFTER, "1")
    trainer(tmp_path).train()
    paused = last_words(sweep)
    assert (paused.outcome, len(paused.scores), paused.checkpoint) == (Outcome.STOPPED, 1, 1)

    monkeypatch.delenv(Env.STOP_AFTER)
    monkeypatch.setenv(Env.METRICS_PORT, str(free_port()))
    trainer(tmp_path).train(resume_from_checkpoint=get_last_checkpoint(str(tmp_path / "checkpoints" / "a")))
    resumed = last_words(sweep)
    assert resumed.outcome == Outcome.DONE
    assert resumed.steps_at_start == paused.steps_done == 4
    assert len(resumed.scores) == 3
    assert resumed.scores[:1] == paused.scores
    assert resumed.losses is not None
    assert resumed.losses[:1] == paused.losses


def test_the_model_of_the_best_evaluation_is_stored_as_from_pretrained_loads_it(sweep: Path, tmp_path: Path) -> None:
    training = trainer(tmp_path, weights=True)
    scores = iter([0.5, 0.75, 0.75])
    training.compute_metrics = lambda _: {"accuracy": next(scores)}
    kept: list[dict[str, torch.Tensor]] = []

    class Copies(TrainerCallback):
        def on_evaluate(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **about: Any
        ) -> None:
            kept.append({name: tensor.clone() for name, tensor in about["model"].state_dict().items()})

    training.add_callback(Copies())
    training.train()
    best = tmp_path / "checkpoints" / "a" / "best"
    facts = json.loads((best / "best.json").read_text())
    assert (facts["evaluation"], facts["score"]) == (2, 0.75)
    found = BertForSequenceClassification.from_pretrained(best).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in kept[1].items())
    assert not all(torch.equal(kept[2][name], tensor) for name, tensor in kept[1].items())


def test_checkpoints_elsewhere_are_not_promised_to_last(sweep: Path, tmp_path: Path) -> None:
    trainer(tmp_path, output_dir=str(tmp_path / "scratch")).train()
    assert last_words(sweep).checkpoint == 0


def test_evaluations_of_the_scripts_own_are_not_reported(sweep: Path, tmp_path: Path) -> None:
    trained = trainer(tmp_path, eval_on_start=True)
    trained.train()
    trained.evaluate()
    assert len(last_words(sweep).scores) == 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"metric_for_best_model": None}, "metric_for_best_model is None"),
        ({"eval_strategy": "no"}, "eval_strategy is 'no'"),
    ],
)
def test_training_without_a_score_to_report_is_refused(
    sweep: Path, tmp_path: Path, arguments: dict[str, Any], complaint: str
) -> None:
    with refused(sweep, complaint):
        trainer(tmp_path, **({"save_strategy": "no"} | arguments)).train()


def test_outside_a_sweep_training_is_as_without_it(tmp_path: Path) -> None:
    assert Env.CONTRACT not in os.environ
    trained = trainer(tmp_path)
    trained.train()
    assert len(logged(trained, "eval_accuracy")) == 3


def test_outside_a_sweep_what_is_wrong_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="eval_strategy is 'no'"):
        trainer(tmp_path, eval_strategy="no", save_strategy="no").train()


class Evaluating(TrainerCallback):
    """Has the training data scored at a step, as a script does that wants its accuracy too."""

    def __init__(self, trained: Trainer, step: int, prefix: str) -> None:
        self.trained, self.step, self.prefix = trained, step, prefix

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if state.global_step == self.step:
            self.trained.evaluate(metric_key_prefix=self.prefix)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> TrainerControl | None:
        if state.global_step != self.step:
            return None
        due = deepcopy(control)
        self.trained.compute_metrics = lambda _: {"accuracy": 0.123}
        self.trained.evaluate(metric_key_prefix=self.prefix)
        self.trained.compute_metrics = accuracy
        return due


@pytest.mark.parametrize("step", [2, 4], ids=["between evaluations", "at an evaluation"])
def test_a_score_of_other_data_is_never_taken_for_that_of_the_evaluation(
    sweep: Path, tmp_path: Path, step: int
) -> None:
    trained = trainer(tmp_path)
    trained.add_callback(Evaluating(trained, step, "eval"))
    with refused(sweep, f"eval_accuracy was evaluated after step {step} beside what eval_strategy asks for"):
        trained.train()


@pytest.mark.parametrize("step", [2, 4])
def test_other_data_may_be_scored_under_a_name_of_its_own(sweep: Path, tmp_path: Path, step: int) -> None:
    trained = trainer(tmp_path)
    trained.add_callback(Evaluating(trained, step, "train"))
    trained.train()
    assert last_words(sweep).scores == pytest.approx(logged(trained, "eval_accuracy"))


def test_a_second_training_is_refused_as_it_begins(sweep: Path, tmp_path: Path) -> None:
    trained = trainer(tmp_path, num_train_epochs=1)
    trained.train()
    with refused(sweep, "a training begins after another has reported 1 evaluations"):
        trained.train()


def test_a_training_that_began_before_any_score_may_begin_again(sweep: Path, tmp_path: Path) -> None:
    trained = trainer(tmp_path, auto_find_batch_size=True)
    step, made = trained.training_step, iter(range(100))

    def out_of_memory_once(*arguments: Any) -> torch.Tensor:
        if next(made) == 1:
            raise RuntimeError("CUDA out of memory.")
        return step(*arguments)

    trained.training_step = out_of_memory_once  # type: ignore[method-assign, assignment]
    trained.train()
    message = last_words(sweep)
    assert (message.outcome, len(message.scores)) == (Outcome.DONE, 3)


class Endless(torch.utils.data.IterableDataset[Any]):
    """Data that has no length."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)


def test_epochs_without_a_length_cannot_be_planned(sweep: Path, tmp_path: Path) -> None:
    trained = trainer(tmp_path, max_steps=10)
    trained.train_dataset = Endless(trained.train_dataset)
    with refused(sweep, "eval_strategy 'epoch' leaves open how often"):
        trained.train()


def test_script_and_sweep_rank_by_one_metric(sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Env.METRIC, '{"name": "f1", "goal": "maximize"}')
    trained = trainer(tmp_path)
    trained.compute_metrics = lambda _: {"accuracy": 0.5, "f1": 0.4}
    with refused(sweep, "metric_for_best_model is 'accuracy', but the sweep's metric.name is 'f1'"):
        trained.train()


def test_of_several_evaluation_sets_the_one_with_the_metric_counts(sweep: Path, tmp_path: Path) -> None:
    trained = trainer(tmp_path, metric_for_best_model="eval_matched_accuracy")
    trained.eval_dataset = dict.fromkeys(("mismatched", "matched", "other"), trained.eval_dataset)
    trained.train()
    message = last_words(sweep)
    assert (message.outcome, message.evaluations_planned) == (Outcome.DONE, 3)
    assert message.scores == pytest.approx(logged(trained, "eval_matched_accuracy"))
    assert message.losses == pytest.approx(logged(trained, "eval_matched_loss"))


def test_training_that_chooses_to_end_early_is_done_and_says_so(sweep: Path, tmp_path: Path) -> None:
    trained = trainer(tmp_path, load_best_model_at_end=True)
    trained.add_callback(EarlyStoppingCallback(early_stopping_patience=1, early_stopping_threshold=1.0))
    trained.train()
    message = last_words(sweep)
    assert (message.outcome, len(message.scores), message.evaluations_planned) == (Outcome.DONE, 2, 3)
    assert message.reason == "the training chose to end after evaluation 2 of 3"


class EndedBetween(TrainerCallback):
    """Asks for the end at a step, as Trainer's own callback does on SIGTERM."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        control.should_training_stop |= state.global_step == self.step


@pytest.mark.parametrize("step", [6, 8])
def test_training_that_is_ended_by_anything_else_was_interrupted(sweep: Path, tmp_path: Path, step: int) -> None:
    trained = trainer(tmp_path)
    trained.add_callback(EndedBetween(step))
    trained.train()
    assert last_words(sweep).outcome == Outcome.INTERRUPTED


def test_training_whose_weights_are_no_longer_finite_has_diverged(sweep: Path, tmp_path: Path) -> None:
    trained = trainer(tmp_path, learning_rate=1e30, max_grad_norm=0, warmup_steps=6, optim="sgd")
    trained.train()
    message = last_words(sweep)
    assert message.outcome == Outcome.DIVERGED
    assert message.diverged_at == len(message.scores) + 1


@pytest.mark.parametrize("metric", [np.float32(0.5), torch.tensor(0.5), True])
def test_metrics_may_be_numbers_of_any_kind(sweep: Path, tmp_path: Path, metric: Any) -> None:
    trained = trainer(tmp_path)
    trained.compute_metrics = lambda _: {"accuracy": metric}
    trained.train()
    assert last_words(sweep).scores == (float(metric),) * 3


def test_metric_that_is_no_number_is_refused(sweep: Path, tmp_path: Path) -> None:
    trained = trainer(tmp_path, save_strategy="no")
    trained.compute_metrics = lambda _: {"accuracy": [0.5, 0.6]}
    with refused(sweep, "eval_accuracy is [0.5, 0.6]: compute_metrics has to return"):
        trained.train()


@pytest.mark.parametrize(("goal", "agrees"), [("maximize", True), ("minimize", False)])
def test_script_and_sweep_agree_on_the_direction(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goal: str, agrees: bool
) -> None:
    monkeypatch.setenv(Env.METRIC, f'{{"name": "accuracy", "goal": "{goal}"}}')
    trained = trainer(tmp_path, greater_is_better=True)
    if agrees:
        trained.train()
        return
    with refused(sweep, "greater_is_better is True, but the sweep's metric.goal is 'minimize'"):
        trained.train()


@pytest.mark.parametrize(
    "saving", [{"save_strategy": "no"}, {"save_strategy": "best"}, {"save_strategy": "steps", "save_steps": 1000}]
)
def test_a_checkpoint_is_kept_at_the_asked_evaluation_whatever_else_is_saved(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saving: dict[str, Any]
) -> None:
    monkeypatch.setenv(Env.STOP_AFTER, "2")
    trained = trainer(tmp_path, eval_strategy="steps", eval_steps=3, **saving)
    trained.train()
    message = last_words(sweep)
    assert (message.outcome, len(message.scores), message.checkpoint) == (Outcome.STOPPED, 2, 2)
    assert get_last_checkpoint(str(tmp_path / "checkpoints" / "a")) == str(tmp_path / "checkpoints/a/checkpoint-6")


@pytest.mark.parametrize("saving", ["best", "steps"])
def test_checkpoints_that_may_lack_an_evaluation_are_refused_where_the_script_promises_to_resume(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saving: str
) -> None:
    trained = trainer(tmp_path, save_strategy=saving)
    trained.pop_callback(SeedSweepCallback)
    monkeypatch.setenv(Env.METRICS_PORT, str(free_port()))
    trained.add_callback(SeedSweepCallback(level="L2"))
    with refused(sweep, f"save_strategy '{saving}'"):
        trained.train()


class KilledError(Exception):
    """The end of a process."""


class KilledInEvaluation(TrainerCallback):
    """Ends the process in the evaluation after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_prediction_step(self, args: TrainingArguments, state: TrainerState, *_: object, **__: object) -> None:
        if state.global_step == self.step:
            raise KilledError


@pytest.mark.parametrize("step", [4, 12], ids=["inside", "last"])
def test_a_checkpoint_from_before_the_evaluation_of_its_epoch_is_not_resumed_from(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    trained = trainer(tmp_path, save_strategy="steps", save_steps=4)
    trained.add_callback(KilledInEvaluation(step))
    with pytest.raises(KilledError):
        trained.train()
    monkeypatch.setenv(Env.METRICS_PORT, str(free_port()))
    again = trainer(tmp_path, save_strategy="steps", save_steps=4)
    with refused(sweep, f"the checkpoint at step {step} was saved before the evaluation"):
        again.train(resume_from_checkpoint=get_last_checkpoint(str(tmp_path / "checkpoints" / "a")))


def test_a_checkpoint_inside_an_epoch_is_resumed_from(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trainer(tmp_path, save_strategy="steps", save_steps=6)
    trained.add_callback(EndedBetween(7))
    trained.train()
    monkeypatch.setenv(Env.METRICS_PORT, str(free_port()))
    again = trainer(tmp_path, save_strategy="steps", save_steps=6)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoints" / "a" / "checkpoint-6"))
    assert len(last_words(sweep).scores) == 3
