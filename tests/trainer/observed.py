"""An episode trained in this process, with its every optimizer step written down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

import pytest
import torch
from transformers import PreTrainedModel

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import Message, Outcome
from seedsweep_trainer.jobs.train import train_attempt
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.training import loop
from seedsweep_trainer.training.step import Learner
from seedsweep_trainer.training.timetable import Timetable

Weights = dict[str, torch.Tensor]


@dataclass
class Observed:
    """What an episode started from, went through and came to."""

    outcome: Outcome = Outcome.RUNNING
    message: Message = field(init=False)
    published: dict[str, float] = field(init=False)
    """The last value of each metric, by its name."""
    initial: Weights = field(init=False)
    """The weights before the first step."""
    final: Weights = field(init=False)
    fed: list[list[list[list[int]]]] = field(default_factory=list)
    """For each optimizer step, for each batch, for each example: its token ids, with padding."""
    generator: list[bytes] = field(default_factory=list)
    """The state of the random number generator before each step: equal states drop out the same."""
    training: list[bool] = field(default_factory=list)
    """Whether dropout was on in each step."""


def observed(
    monkeypatch: pytest.MonkeyPatch,
    config: FineTuning,
    seeds: tuple[int, int] = (1, 2),
    before_step: Callable[[int, Learner], None] = lambda _step, _learner: None,
    storage: str | None = None,
) -> Observed:
    """Train from a weight-init and a data-order seed; `before_step` is called with the number of steps done."""
    seen = Observed()

    class Observing(Learner):
        def __init__(self, model: PreTrainedModel, config: FineTuning, timetable: Timetable) -> None:
            super().__init__(model, config, timetable)
            seen.initial = copy_weights(model)

        def update(self, step: int, batches: Sequence[dict[str, torch.Tensor]]) -> None:
            before_step(step, self)
            seen.generator.append(torch.get_rng_state().numpy().tobytes())
            seen.training.append(self.model.training)
            seen.fed.append([batch["input_ids"].tolist() for batch in batches])
            super().update(step, batches)
            seen.final = copy_weights(self.model)

    monkeypatch.setattr(loop, "Learner", Observing)
    reporter = Reporter()
    seen.outcome = train_attempt(Attempt("only", *seeds, config, storage=storage), reporter, Event())
    reporter.finish(seen.outcome)
    seen.message = reporter.message
    seen.published = {family.name: family.samples[-1].value for family in reporter.collect() if family.samples}
    return seen


def copy_weights(model: PreTrainedModel) -> Weights:
    """As they are at this moment."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def different(one: Weights, other: Weights) -> set[str]:
    """Names of the tensors that are not bit for bit the same."""
    assert one.keys() == other.keys()
    return {name for name, tensor in one.items() if not torch.equal(tensor, other[name])}


def by_step(fed: Sequence[Sequence[Sequence[Sequence[int]]]]) -> list[list[tuple[int, ...]]]:
    """The examples of each step, sorted: a step is the same however they pass through the model."""
    return [sorted(examples([batches])) for batches in fed]


def examples(fed: Sequence[Sequence[Sequence[Sequence[int]]]]) -> list[tuple[int, ...]]:
    """The examples of some steps in the order in which they were fed, without padding (token 0)."""
    return [tuple(token for token in ids if token) for batches in fed for batch in batches for ids in batch]
