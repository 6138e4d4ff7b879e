"""All that training depends on between two optimizer steps: where it is, and how it is put back bit for bit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from transformers import PreTrainedModel

from seedsweep.contract.message import as_published
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

    @property
    def autocast(self) -> torch.dtype | None:
        """Of matrix products; None for fp32 throughout."""

    def change_nothing_before(self, copied: torch.cuda.Event | None) -> None:
        """Let the device, not this process, wait for a copy of weights and optimizer before they change."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an episode has come. The step alone tells the epoch and the position in it."""

    step: int = 0
    scores: tuple[float, ...] = ()
    """Of evaluation 1, 2, ...; as published, NaN where undefined."""
    losses: tuple[float, ...] = ()
    loss_sum: float = 0.0
    """Of the training losses of all steps up to the latest evaluation; NaN where an earlier release did not keep it."""

    @property
    def evaluation(self) -> int:
        """The latest evaluation; 0 before the first."""
        return len(self.scores)

    def stepped(self) -> "Progress":
        """One optimizer step further."""
        return replace(self, step=self.step + 1)

    def evaluated(self, score: float, loss: float, loss_sum: float) -> "Progress":
        """One evaluation further."""
        scores, losses = (*self.scores, as_published(score)), (*self.losses, as_published(loss))
        return replace(self, scores=scores, losses=losses, loss_sum=loss_sum)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An episode between two optimizer steps."""

    progress: Progress
    weights: Mapping[str, torch.Tensor]
    """On CPU, by name."""
    state: Mapping[str, torch.Tensor]
    """On CPU: the optimizer's, the random number generators' and the loss."""
    precision: str | None = None
    """In which it was trained, `fp32` or `bf16`; None: an earlier release did not say."""


def weights_of(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """All weights by name, as they are used."""
    weights: dict[str, torch.Tensor] = model.state_dict()
    return weights


def state_of(learner: Learner) -> dict[str, torch.Tensor]:
    """Everything else that the next step depends on, beside the configuration and the seeds, as it is used."""
    # The sum goes on while it is copied.
    state = {"loss_sum": learner.loss_sum.clone(), **generators.states(learner.model.device)}
    for name, parameter in learner.model.named_parameters():
        for key, tensor in learner.optimizer.state.get(parameter, {}).items():
            state[f"optimizer/{name}/{key}"] = tensor
    return state


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
