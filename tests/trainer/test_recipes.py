"""The two recipes: when they step and evaluate, at which learning rate, and by which arithmetic."""

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, get_linear_schedule_with_warmup

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import load_task
from seedsweep_trainer.determinism.seeds import order
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.model.pretrained import load_tokenizer
from seedsweep_trainer.training.batches import Batches, windows
from seedsweep_trainer.training.step import Learner, build_optimizer, learning_rate
from seedsweep_trainer.training.timetable import Timetable
from trainer.conftest import ARCHITECTURES

Make = Callable[..., FineTuning]
Batch = dict[str, torch.Tensor]
BETAS, EPSILON = (0.9, 0.999), 1e-6
CLIPPING = {"maxGradNorm": "0.05", "weightDecay": "0.1", "warmupPercent": 20}
"""So that gradients are clipped, and weight decay and warm-up are seen."""


def any_config(**fields: Any) -> FineTuning:
    """Of a data set that is not read."""
    return FineTuning.model_validate({"model": "m", "dataset": {"task": "rte", "path": "p"}} | fields)


def loaded(config: FineTuning) -> tuple[PreTrainedModel, list[Batch], Timetable]:
    """A model without dropout, the batches of a whole episode and its timetable."""
    tokenizer = load_tokenizer(config)
    data = load_task(config, tokenizer)
    timetable = Timetable.of(config, len(data.train))
    batches = Batches(data.train, tokenizer, config, data_order=2)
    steps = [batches.of(*divmod(step, timetable.steps_per_epoch)) for step in range(timetable.steps)]
    model, _ = load_model(config, data, tokenizer, 1)
    model.eval()
    return model, [batch for (batch,) in steps], timetable


def is_decayed(model: PreTrainedModel, name: str) -> bool:
    owner, _, kind = name.rpartition(".")
    return kind != "bias" and not isinstance(model.get_submodule(owner), torch.nn.LayerNorm)


def backward(model: PreTrainedModel, batch: Batch) -> None:
    model.zero_grad()
    logits = model(**{name: batch[name] for name in batch if name != "labels"}).logits
    cross_entropy(logits, batch["labels"]).backward()


def adamw(model: PreTrainedModel, batches: list[Batch], config: FineTuning, total: int) -> Iterator[None]:
    """A plain loop with torch's AdamW and transformers' schedule, by the library's rules."""
    decayed = [parameter for name, parameter in model.named_parameters() if is_decayed(model, name)]
    rest = [parameter for name, parameter in model.named_parameters() if not is_decayed(model, name)]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": float(config.weight_decay)},
            {"params": rest, "weight_decay": 0.0},
        ],
        lr=float(config.learning_rate),
        betas=BETAS,
        eps=EPSILON,
    )
    warmup = math.ceil(total * config.warmup_percent / 100)
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, total)
    for batch in batches:
        backward(model, batch)
        torch.nn.utils.clip_grad_norm_(model.parameters(), float(config.max_grad_norm))
        optimizer.step()
        schedule.step()
        yield


def warmup_linear(progress: float, warmup: float) -> float:
    return progress / warmup if progress < warmup else 1.0 - progress


def bert_adam(model: PreTrainedModel, batches: list[Batch], config: FineTuning, timetable: Timetable) -> Iterator[None]:
    """The authors' loop around BertAdam, written out: two schedules, no bias correction, each tensor clipped alone."""
    warmup, limit = config.warmup_percent / 100, float(config.max_grad_norm)
    first = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
    second = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
    for step, batch in enumerate(batches):
        in_epoch = step % timetable.steps_per_epoch
        rate = float(config.learning_rate) * warmup_linear(in_epoch / timetable.steps, warmup)
        rate *= warmup_linear(step / timetable.steps, warmup)
        backward(model, batch)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                assert parameter.grad is not None
                gradient = parameter.grad * min(1.0, limit / (parameter.grad.norm().item() + 1e-6))
                first[name] = BETAS[0] * first[name] + (1 - BETAS[0]) * gradient
                second[name] = BETAS[1] * second[name] + (1 - BETAS[1]) * gradient**2
                update = first[name] / (second[name].sqrt() + EPSILON)
                if is_decayed(model, name):
                    update += float(config.weight_decay) * parameter
                parameter.sub_(rate * update)
        yield


@pytest.mark.parametrize("recipe", ["stable", "dodge2020"])
def test_every_step_is_that_of_the_reference(recipe: str, fine_tuning: Make) -> None:
    config = fine_tuning("bert-without-dropout", recipe=recipe, **CLIPPING)
    model, batches, timetable = loaded(config)
    reference, start = copy.deepcopy(model), copy.deepcopy(model)
    if recipe == "stable":
        steps = adamw(reference, batches, config, timetable.steps)
    else:
        steps = bert_adam(reference, batches, config, timetable)
    learner = Learner(model, config, timetable)
    for step, (batch, _) in enumerate(zip(batches, steps, strict=True)):
        learner.update(step, [batch])
        for mine, theirs in zip(model.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=5e-6)
    moved = [(a - b).abs().max() for a, b in zip(model.parameters(), start.parameters(), strict=True)]
    assert max(moved) > 1e-3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_biases_and_normalisation_are_not_decayed(architecture: str, fine_tuning: Make) -> None:
    config = fine_tuning(architecture, weightDecay="0.1")
    model, *_ = loaded(config)
    decay = {
        parameter: group["weight_decay"]
        for group in build_optimizer(model, config).param_groups
        for parameter in group["params"]
    }
    matrices = (torch.nn.Linear, torch.nn.Embedding)
    for module in model.modules():
        for kind, parameter in module.named_parameters(recurse=False):
            if isinstance(module, torch.nn.LayerNorm) or kind.endswith("bias"):
                assert decay[parameter] == 0.0
            elif isinstance(module, matrices):
                assert decay[parameter] == 0.1
    assert len(decay) == len(list(model.parameters()))


def test_the_stable_rate_rises_over_a_tenth_of_all_steps_and_falls_to_zero_at_the_end() -> None:
    config = any_config(learningRate="2e-5")
    rates = [learning_rate(config, Timetable(10, 30, 3), step) for step in range(30)]
    assert rates[:4] == pytest.approx([0, 2e-5 / 3, 4e-5 / 3, 2e-5])
    assert rates[-1] == pytest.approx(2e-5 / 27)
    assert rates[3:] == sorted(rates[3:], reverse=True)


@pytest.mark.parametrize("recipe", ["stable", "dodge2020"])
@pytest.mark.parametrize("percent", [0, 10, 100])
def test_rates_are_between_zero_and_the_peak(recipe: str, percent: int) -> None:
    config = any_config(learningRate="2e-5", warmupPercent=percent, recipe=recipe)
    rates = [learning_rate(config, Timetable(7, 21, 3), step) for step in range(21)]
    assert all(0 <= rate <= 2e-5 for rate in rates)


def test_the_dodge2020_rate_warms_up_again_in_every_epoch() -> None:
    config = any_config(learningRate="1", recipe="dodge2020")
    rates = [learning_rate(config, Timetable(100, 300, 3), step) for step in range(300)]
    assert [rates[step] for step in (0, 100, 200)] == [0, 0, 0]
    # 15 steps into the second epoch: the optimizer's share of 1 - 115/300, and half of the loop's warm-up.
    assert rates[115] == pytest.approx((1 - 115 / 300) * 0.5)


shapes = st.fixed_dictionaries(
    {
        "epochs": st.integers(1, 6),
        "batchSize": st.integers(1, 9),
        "gradientAccumulationSteps": st.integers(1, 5),
        "evaluationsPerEpoch": st.integers(1, 12),
    }
)


@given(shapes, st.integers(1, 200))
def test_the_last_evaluation_follows_the_last_step_and_no_two_the_same(shape: dict[str, int], count: int) -> None:
    config = any_config(**shape)
    try:
        timetable = Timetable.of(config, count)
    except ConfigurationError:
        assert len(windows(order(0, 0, count), config)) < config.evaluations_per_epoch
        return
    steps = [timetable.step_of(evaluation) for evaluation in range(1, timetable.evaluations + 1)]
    assert steps == sorted(set(steps))
    assert steps[0] >= 1
    assert steps[-1] == timetable.steps
    assert all(timetable.steps_per_epoch * epoch in steps for epoch in range(1, config.epochs + 1))


@given(shapes, st.integers(1, 200))
def test_windows_hold_every_example_of_an_epoch_once_and_full_but_for_the_last(
    shape: dict[str, int], count: int
) -> None:
    config = any_config(**{**shape, "evaluationsPerEpoch": 1})
    taken = order(0, 0, count)
    epoch = windows(taken, config)
    assert [i for window in epoch for batch in window for i in batch] == taken.tolist()
    assert len(epoch) == Timetable.of(config, count).steps_per_epoch
    sizes = [len(batch) for window in epoch for batch in window]
    assert set(sizes[:-1]) <= {config.batch_size}
    assert 1 <= sizes[-1] <= config.batch_size
    assert {len(window) for window in epoch[:-1]} <= {config.gradient_accumulation_steps}


def test_an_evaluation_that_falls_between_steps_follows_the_later_one() -> None:
    assert [Timetable(7, 7, 3).step_of(evaluation) for evaluation in (1, 2, 3)] == [3, 5, 7]


def test_more_evaluations_than_steps_are_refused_with_the_most_that_fit() -> None:
    with pytest.raises(ConfigurationError, match=r"evaluationsPerEpoch 9 is more than the 8 .* set it to at most 8"):
        Timetable.of(any_config(batchSize=8, evaluationsPerEpoch=9), 60)
