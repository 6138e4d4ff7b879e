"""A copy of all that training depends on, taken between two optimizer steps, and put back bit for bit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from transformers import PreTrainedModel

from seedsweep.contract.protocol import as_published
from seedsweep_trainer.determinism import generators


class Learner(Protocol):
    """What training changes, as far as a checkpoint holds it."""

    @property
    def model(self) -> PreTrainedModel:
        """With the weights."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Of that model's parameters."""

    @property
    def loss_sum(self) -> torch.Tensor:
        """Of all losses so far."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an episode has come. The step alone tells the epoch and the position in it."""

    step: int = 0
    scores: tuple[float, ...] = ()
    """Of evaluation 1, 2, ...; as published, NaN where undefined."""
    losses: tuple[float, ...] = ()

    @property
    def evaluation(self) -> int:
        """The latest evaluation; 0 before the first."""
        return len(self.scores)

    def stepped(self) -> "Progress":
        """One optimizer step further."""
        return replace(self, step=self.step + 1)

    def evaluated(self, score: float, loss: float) -> "Progress":
        """One evaluation further."""
        return replace(self, scores=(*self.scores, as_published(score)), losses=(*self.losses, as_published(loss)))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An episode between two optimizer steps."""

    progress: Progress
    weights: Mapping[str, torch.Tensor]
    """On CPU, by name."""
    state: Mapping[str, torch.Tensor]
    """On CPU: the optimizer's, the random number generators' and the loss."""


def take(learner: Learner, progress: Progress) -> Checkpoint:
    """A copy of everything that the next step depends on, beside the configuration and the seeds."""
    state = {"loss_sum": learner.loss_sum, **generators.states(learner.model.device)}
    for name, parameter in learner.model.named_parameters():
        for key, tensor in learner.optimizer.state.get(parameter, {}).items():
            state[f"optimizer/{name}/{key}"] = tensor
    return Checkpoint(progress, copy_weights(learner.model), _copy(state))


def copy_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """All weights, on CPU, by name."""
    return _copy(model.state_dict())


def restore(checkpoint: Checkpoint, learner: Learner) -> None:
    """Put everything back; the generators of this process are set too."""
    learner.model.load_state_dict(checkpoint.weights)
    learner.loss_sum.copy_(checkpoint.state["loss_sum"])
    for name, parameter in learner.model.named_parameters():
        prefix = f"optimizer/{name}/"
        entries = {
            key.removeprefix(prefix): tensor.to(parameter.device)
            for key, tensor in checkpoint.state.items()
            if key.startswith(prefix)
        }
        if entries:
            learner.optimizer.state[parameter] = entries
    generators.restore(checkpoint.state, learner.model.device)


def _copy(tensors: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
