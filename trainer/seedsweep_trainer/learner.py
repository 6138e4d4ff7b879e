"""What training changes, and how one optimizer step changes it."""

from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy, mse_loss
from transformers import PreTrainedModel

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.fingerprint import autocast_dtype
from seedsweep_trainer.masks import settled_mask
from seedsweep_trainer.optimizer import build_optimizer, clip_gradients, learning_rate
from seedsweep_trainer.timetable import Timetable


class Learner:
    """A model with its optimizer. Nothing in a step waits for the device."""

    def __init__(self, model: PreTrainedModel, config: FineTuning, timetable: Timetable) -> None:
        """`model` is on its device already."""
        if config.compile:
            # Else the first shapes that a process meets, which a resumed one does not, decide on the kernels.
            model.compile(dynamic=True)
        self.model = model
        self.optimizer = build_optimizer(model, config)
        self.loss_sum = torch.zeros((), device=model.device)
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
        settled = settled_mask(self.model, batch)
        return {
            name: tensor.contiguous().pin_memory().to(self.model.device, non_blocking=True)
            for name, tensor in settled.items()
        }


def summed_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in nats, or squared error for one output, summed over a batch; in fp32."""
    if logits.shape[-1] == 1:
        return mse_loss(logits.squeeze(-1).float(), labels, reduction="sum")
    return cross_entropy(logits.float(), labels, reduction="sum")
