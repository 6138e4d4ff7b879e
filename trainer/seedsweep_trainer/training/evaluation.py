"""What a model answers for one part of the data."""

from functools import cached_property

import numpy as np
import torch
from transformers import PreTrainedModel

from seedsweep_trainer.data.tasks import Padding, Part, collate, length_sorted_batches
from seedsweep_trainer.determinism.generators import undisturbed


class Evaluation:
    """Asks a model about all examples of a part, in the same batches every time."""

    def __init__(self, part: Part, padding: Padding, batch_size: int) -> None:
        self._part = part
        self._padding = padding
        self._order = length_sorted_batches(part, batch_size)

    @cached_property
    def _batches(self) -> list[dict[str, torch.Tensor]]:
        batches = [collate(self._part, indices, self._padding) for indices in self._order]
        return [{name: tensor for name, tensor in batch.items() if name != "labels"} for batch in batches]

    @torch.inference_mode()
    def outputs(self, model: PreTrainedModel, autocast: torch.dtype | None) -> np.ndarray:
        """Logits, or predicted values, in the order of the part: float32, shape (n, labels).

        Draws no random numbers that training would miss. Leaves the model in evaluation mode.
        """
        device = model.device
        model.eval()  # type: ignore[no-untyped-call]
        with (
            undisturbed(device),
            torch.autocast(device.type, autocast, enabled=autocast is not None),
        ):
            collected = [
                model(**{name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}).logits.float()
                for batch in self._batches
            ]
        answers = torch.cat(collected).cpu().numpy()
        in_order = np.empty_like(answers)
        in_order[np.concatenate(self._order)] = answers
        return in_order
