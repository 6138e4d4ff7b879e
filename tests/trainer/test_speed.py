"""How long a step and an evaluation take: a few of each stand for all, by their share of the tokens."""

from collections.abc import Callable
from itertools import chain, count

import numpy as np
import pytest
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import length_sorted_batches
from seedsweep_trainer.determinism.fingerprint import passes_in_halves
from seedsweep_trainer.inputs import Inputs, prepare_inputs
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.training.batches import Batches
from seedsweep_trainer.training.speed import Speed, measure_speed
from seedsweep_trainer.training.timetable import Timetable

Make = Callable[..., FineTuning]


def measured(config: FineTuning, clock: Callable[[], float]) -> tuple[Speed, Inputs]:
    with prepare_inputs(config, storage=None) as inputs:
        model, _ = load_model(config, inputs.data, inputs.padding, weight_init=0, folder=inputs.folder)
        return measure_speed(config, model, inputs.padding, inputs.data, clock), inputs


def tokens_of_steps(config: FineTuning, inputs: Inputs) -> list[int]:
    """Of each step of the first epoch, with padding, counted in what passes through the model."""
    batches = Batches(inputs.data.train, inputs.padding, config, 0, halves=passes_in_halves(torch.device("cpu")))
    steps = Timetable.of(config, len(inputs.data.train)).steps_per_epoch
    return [sum(batch["input_ids"].numel() for batch in batches.of(0, step)) for step in range(steps)]


def tokens_of_evaluation(config: FineTuning, inputs: Inputs) -> list[int]:
    """Of each batch, with padding."""
    validation = inputs.data.validation
    batches = length_sorted_batches(validation, config.evaluation_batch_size)
    return [len(chosen) * int(validation.lengths[chosen].max()) for chosen in batches]


def test_a_few_steps_but_the_first_and_a_few_batches_stand_for_all_tokens(fine_tuning: Make) -> None:
    config = fine_tuning(evaluationBatchSize=4)
    # Read before and after each step and each batch.
    steps, batches = [(0.0, 0.3), (1.0, 1.05), (2.0, 2.1)], [(3.0, 3.1), (4.0, 4.5)]
    ticks = chain.from_iterable(steps + batches)
    found, inputs = measured(config, lambda: next(ticks))
    tokens = tokens_of_steps(config, inputs)
    assert len(set(tokens[1:3])) > 1
    assert found.step == pytest.approx(0.15 * np.mean(tokens) / sum(tokens[1:3]))
    evaluated = tokens_of_evaluation(config, inputs)
    middle, quarter = (
        next(i for i in range(len(evaluated)) if sum(evaluated[: i + 1]) >= share * sum(evaluated))
        for share in (0.5, 0.25)
    )
    assert middle > quarter
    assert found.evaluation == pytest.approx(0.6 * sum(evaluated) / (evaluated[middle] + evaluated[quarter]))
    assert next(ticks, None) is None


def test_a_slow_machine_is_not_kept_busy_for_long(fine_tuning: Make) -> None:
    config = fine_tuning()
    hours = count(0.0, 3600.0)
    found, inputs = measured(config, lambda: next(hours))
    tokens = tokens_of_steps(config, inputs)
    assert found.step == pytest.approx(3600.0 * np.mean(tokens) / tokens[0])
    assert next(hours) / 3600.0 == 4


def test_nobody_misses_the_random_numbers_that_it_draws(fine_tuning: Make) -> None:
    config = fine_tuning()
    with prepare_inputs(config, storage=None) as inputs:
        model, _ = load_model(config, inputs.data, inputs.padding, weight_init=0, folder=inputs.folder)
        torch.manual_seed(7)
        before = torch.get_rng_state()
        measure_speed(config, model, inputs.padding, inputs.data)
    assert torch.equal(torch.get_rng_state(), before)
