"""One optimizer step, and the two recipes' optimizers and learning rates.

`stable` follows Mosbach et al. 2021. `dodge2020` follows the code of Dodge et al. 2020
(github.com/dodgejesse/bert_on_stilts) with its BertAdam, down to what was hardly meant: see `learning_rate`.
"""

import math
from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy, mse_loss
from transformers import PreTrainedModel

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism.fingerprint import autocast_dtype
from seedsweep_trainer.model.masks import settled_mask
from seedsweep_trainer.training.timetable import Timetable

_BETAS = (0.9, 0.999)
_EPSILON = 1e-6
"""BERT's own, and that of both papers."""
_UNBIASED_STEP = 1e6
"""So many steps in, 1 - beta^step is exactly 1 in floating point."""


class Learner:
    """A model with its optimizer. Nothing in a step waits for the device."""

    def __init__(self, model: PreTrainedModel, config: FineTuning, timetable: Timetable) -> None:
        """`model` is on its device already."""
        if config.compile:
            # Else the first shapes that a process meets, which a resumed one does not, decide on the kernels.
            model.compile(dynamic=True)
        self.model = model
        self.optimizer = build_optimizer(model, config)
        # A small loss late in a long training would be lost in a sum of 32 bits, which is all that MPS has.
        precise = torch.float32 if model.device.type == "mps" else torch.float64
        self.loss_sum = torch.zeros((), device=model.device, dtype=precise)
        """Of all losses so far: not finite from the first one on that was not."""
        self.autocast = autocast_dtype(config, model.device)
        self._config = config
        self._timetable = timetable
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._copied: torch.cuda.Event | None = None

    def update(self, step: int, batches: Sequence[dict[str, torch.Tensor]]) -> None:
        """Update the weights after `step` updates by the mean loss over all examples of these batches."""
        examples = sum(len(batch["labels"]) for batch in batches)
        for batch in batches:
            inputs = self._to_device(batch)
            labels = inputs.pop("labels")
            with torch.autocast(self.model.device.type, self.autocast, enabled=self.autocast is not None):
                logits = self.model(**inputs).logits
            loss = summed_loss(logits, labels) / examples
            loss.backward()  # type: ignore[no-untyped-call]
            self.loss_sum += loss.detach()
        clip_gradients(self._config, self._parameters)
        if self._copied is not None:
            torch.cuda.current_stream().wait_event(self._copied)
            self._copied = None
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self._config, self._timetable, step)
        self.optimizer.step()
        self.optimizer.zero_grad()

    @property
    def learning_rate(self) -> float:
        """Of the last update."""
        return float(self.optimizer.param_groups[0]["lr"])

    def change_nothing_before(self, copied: torch.cuda.Event | None) -> None:
        """Let the device, not this process, wait for a copy of weights and optimizer before they change."""
        self._copied = copied

    def is_finite(self) -> bool:
        """Whether all losses so far and all weights are finite; waits for the device."""
        # Not the largest weight, which takes the CPU many times as long as the Euclidean norm.
        norm = torch.nn.utils.get_total_norm([p.detach() for p in self._parameters])
        return bool(torch.isfinite(self.loss_sum + norm))

    def _to_device(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if self.model.device.type == "cpu":
            return dict(batch)
        inputs = settled_mask(self.model, batch)
        return {
            name: tensor.contiguous().pin_memory().to(self.model.device, non_blocking=True)
            for name, tensor in inputs.items()
        }


def summed_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in nats, or squared error for one output, summed over a batch; in fp32."""
    if logits.shape[-1] == 1:
        return mse_loss(logits.squeeze(-1).float(), labels, reduction="sum")
    return cross_entropy(logits.float(), labels, reduction="sum")


def build_optimizer(model: torch.nn.Module, config: FineTuning) -> torch.optim.AdamW:
    """AdamW with decoupled weight decay, on all weights but biases and normalisation; lr is set at every step.

    In recipe dodge2020 without bias correction: its step count begins where the correction has become exactly 1.
    """
    decayed: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (rest if parameter.ndim < 2 or name.endswith("bias") else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": float(config.weight_decay)},
        {"params": rest, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=_BETAS, eps=_EPSILON, fused=True)
    if config.recipe == "dodge2020":
        for parameter in (*decayed, *rest):
            optimizer.state[parameter] = {
                "step": torch.tensor(_UNBIASED_STEP, dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }
    return optimizer


def learning_rate(config: FineTuning, timetable: Timetable, step: int) -> float:
    """The learning rate of the update after `step` updates, 0 <= step < S.

    stable: from 0 up over the first `warmupPercent` of S, then straight down to 0 at S.
    dodge2020: their loop and their optimizer each applied a schedule that drops by its own share when the warm-up
    ends; the two multiply, and the loop's one starts again with every epoch, still measured against all S steps.
    (Their S was rounded down to whole batches; a last step with a rate below 0 is not reproduced.)
    """
    peak, total = float(config.learning_rate), timetable.steps
    if config.recipe == "dodge2020":
        share = config.warmup_percent / 100
        return peak * _bert_adam(step / total, share) * _bert_adam(step % timetable.steps_per_epoch / total, share)
    warmup = math.ceil(total * config.warmup_percent / 100)
    rise = step / warmup if warmup else 1.0
    return peak * min(rise, (total - step) / max(1, total - warmup))


def clip_gradients(config: FineTuning, parameters: list[torch.nn.Parameter]) -> None:
    """Scale gradients down to a norm of `maxGradNorm`: in dodge2020 each tensor by itself, as BertAdam did."""
    limit = float(config.max_grad_norm)
    if config.recipe == "dodge2020":
        for parameter in parameters:
            torch.nn.utils.clip_grad_norm_(parameter, limit)
    else:
        torch.nn.utils.clip_grad_norm_(parameters, limit)


def _bert_adam(progress: float, warmup: float) -> float:
    """BertAdam's warmup_linear."""
    return progress / warmup if progress < warmup else 1.0 - progress
