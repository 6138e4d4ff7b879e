"""How long a step and an evaluation take here, tried before anything is trained.

Little is tried, and what it took stands for the rest by the number of tokens: nearly all of the time is in proportion.
"""

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
from seedsweep_trainer.training.batches import Batches, padded
from seedsweep_trainer.training.step import Learner
from seedsweep_trainer.training.timetable import Timetable

TIMED_STEPS = 3
"""At most, after a first one, in which a library may still choose its kernels."""
TIMED_AT = (0.5, 0.25, 0.75)
"""Of a validation set by falling length: in the middle of its tokens, and at its quarters."""
ENOUGH_SECONDS = 0.4
"""After which no further step or batch is timed. A first step as long as this counts: kernels are chosen in less."""
SAMPLED_STEPS = 200
"""Of an epoch, whose order is random: how many tokens a step usually has."""


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
    steps = Timetable.of(config, len(data.train)).steps_per_epoch
    learner.model.train()
    taken: list[float] = []
    for step in range(min(1 + TIMED_STEPS, steps)):
        since = clock()
        learner.update(step, batches.of(0, step))
        _wait_for(learner.model.device)
        taken.append(clock() - since)
        if sum(taken) >= ENOUGH_SECONDS:
            break
    tokens = [batches.tokens(0, step) for step in range(min(SAMPLED_STEPS, steps))]
    first = 1 if len(taken) > 1 else 0
    return float(np.mean(tokens)) * sum(taken[first:]) / sum(tokens[first : len(taken)])


@torch.inference_mode()
def _seconds_of_an_evaluation(
    config: FineTuning, learner: Learner, padding: Padding, part: Part, clock: Callable[[], float]
) -> float:
    model = learner.model
    model.eval()  # type: ignore[no-untyped-call]
    batches = length_sorted_batches(part, config.evaluation_batch_size)
    tokens = np.array([padded([indices], part.lengths) for indices in batches])
    through = tokens.cumsum()
    chosen = dict.fromkeys(int(np.searchsorted(through, share * through[-1])) for share in TIMED_AT)
    taken: list[float] = []
    timed = 0
    with torch.autocast(model.device.type, learner.autocast, enabled=learner.autocast is not None):
        for i in chosen:
            since = clock()
            batch = collate(part, batches[i], padding)
            model(**{name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"})
            _wait_for(model.device)
            taken.append(clock() - since)
            timed += int(tokens[i])
            if sum(taken) >= ENOUGH_SECONDS:
                break
    return sum(taken) * int(through[-1]) / timed


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
