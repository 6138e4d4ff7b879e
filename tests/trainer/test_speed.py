"""How long a step and an evaluation take: the mean of a few steps, and a few batches' share of all tokens."""

from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import length_sorted_batches
from seedsweep_trainer.inputs import Inputs, prepare_inputs
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.training import speed
from seedsweep_trainer.training.speed import Speed, measure_speed

Make = Callable[..., FineTuning]


def measured(config: FineTuning, clock: Callable[[], float]) -> tuple[Speed, Inputs]:
    with prepare_inputs(config, storage=None) as inputs:
        model, _ = load_model(config, inputs.data, inputs.padding, weight_init=0, folder=inputs.folder)
        return measure_speed(config, model, inputs.padding, inputs.data, clock), inputs


def test_the_first_step_does_not_count_and_batches_stand_for_all_tokens(
    fine_tuning: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = fine_tuning(evaluationBatchSize=4)
    # Read once before the steps, at the beginning and the end of each and once more, and around the evaluation.
    ticks = iter([0.0, *(0.0, 9.0, 1.0), *(1.0, 3.0, 3.0), *(3.0, 7.0, 7.0), 7.0, 8.5])
    monkeypatch.setattr(speed, "TIMED_STEPS", 2)
    found, inputs = measured(config, lambda: next(ticks))
    validation = inputs.data.validation
    tokens = [len(chosen) * validation.lengths[chosen].max() for chosen in length_sorted_batches(validation, 4)]
    assert found.step == 3.0
    chosen = [tokens[i] for i in np.linspace(0, len(tokens) - 1, 4).round().astype(int)]
    assert found.evaluation == pytest.approx(1.5 * sum(tokens) / sum(chosen))


def test_a_slow_machine_is_not_kept_busy_for_long(fine_tuning: Make) -> None:
    hours = count(0.0, 3600.0)
    found, _ = measured(fine_tuning(), lambda: next(hours))
    assert found.step == 3600.0
    assert next(hours) / 3600.0 == 6


def test_nobody_misses_the_random_numbers_that_it_draws(fine_tuning: Make) -> None:
    config = fine_tuning()
    with prepare_inputs(config, storage=None) as inputs:
        model, _ = load_model(config, inputs.data, inputs.padding, weight_init=0, folder=inputs.folder)
        torch.manual_seed(7)
        before = torch.get_rng_state()
        measure_speed(config, model, inputs.padding, inputs.data)
    assert torch.equal(torch.get_rng_state(), before)
