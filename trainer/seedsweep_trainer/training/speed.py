"""How long a step and an evaluation take here, tried before anything is trained."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from transformers import PreTrainedModel

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import Padding, Part, TaskData, collate, length_sorted_batches
from seedsweep_trainer.determinism.fingerprint import passes_in_halves, settled
from seedsweep_trainer.determinism.generators import undisturbed
from seedsweep_trainer.training.batches import Batches
from seedsweep_trainer.training.step import Learner
from seedsweep_trainer.training.timetable import Timetable

TIMED_STEPS = 3
"""After a first one, in which a library may still choose its kernels."""
TIMED_BATCHES = 4
"""Of the validation set, from its longest to its shortest."""
MOST_SECONDS = 15.0
"""After which no further step is timed."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds, of one episode alone on its device."""

    step: float
    evaluation: float


def measure_speed(
    config: FineTuning,
    model: PreTrainedModel,
    padding: Padding,
    data: TaskData,
    clock: Callable[[], float] = perf_counter,
) -> Speed:
    """Train `model`, which is on its device and of no use afterwards, for some steps, and evaluate a few batches.

    Leaves out compilation, checkpoints, and the start of an attempt. Draws no random numbers that anyone would miss.
    """
    config = settled(config, model.device, None).evolve(compile=False)
    learner = Learner(model, config, Timetable.of(config, len(data.train)))
    with undisturbed(model.device):
        step = _seconds_of_a_step(config, learner, padding, data, clock)
        evaluation = _seconds_of_an_evaluation(config, learner, padding, data.validation, clock)
    return Speed(step, evaluation)


def _seconds_of_a_step(
    config: FineTuning, learner: Learner, padding: Padding, data: TaskData, clock: Callable[[], float]
) -> float:
    batches = Batches(data.train, padding, config, 0, halves=passes_in_halves(learner.model.device))
    timetable = Timetable.of(config, len(data.train))
    learner.model.train()
    taken: list[float] = []
    began = clock()
    for step in range(min(1 + TIMED_STEPS, timetable.steps_per_epoch)):
        since = clock()
        learner.update(step, batches.of(0, step))
        _wait_for(learner.model.device)
        taken.append(clock() - since)
        if clock() - began > MOST_SECONDS:
            break
    return float(np.mean(taken[1:] or taken))


@torch.inference_mode()
def _seconds_of_an_evaluation(
    config: FineTuning, learner: Learner, padding: Padding, part: Part, clock: Callable[[], float]
) -> float:
    """From a few batches, by the number of tokens that pass through the model."""
    model = learner.model
    model.eval()  # type: ignore[no-untyped-call]
    batches = length_sorted_batches(part, config.evaluation_batch_size)
    chosen = sorted(set(np.linspace(0, len(batches) - 1, TIMED_BATCHES).round().astype(int)))
    since = clock()
    with torch.autocast(model.device.type, learner.autocast, enabled=learner.autocast is not None):
        for i in chosen:
            batch = collate(part, batches[i], padding)
            model(**{name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"})
    _wait_for(model.device)
    tokens = [len(indices) * int(part.lengths[indices].max()) for indices in batches]
    return float((clock() - since) * sum(tokens) / sum(tokens[i] for i in chosen))


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
