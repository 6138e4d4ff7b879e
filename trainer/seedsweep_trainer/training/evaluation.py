"""What a model answers for one part of the data."""

import numpy as np
import torch
from transformers import PreTrainedModel

from seedsweep_trainer.data.tasks import Padding, Part, collate, length_sorted_batches
from seedsweep_trainer.determinism.generators import undisturbed
from seedsweep_trainer.model.masks import settled_mask


class Evaluation:
    """Asks a model about all examples of a part, in the same batches every time."""

    def __init__(self, part: Part, padding: Padding, batch_size: int) -> None:
        self._part = part
        self._padding = padding
        self._order = length_sorted_batches(part, batch_size)
        self._batches: list[dict[str, torch.Tensor]] = []
        """On the model's device, from the first time on."""

    def _on_device(self, model: PreTrainedModel) -> list[dict[str, torch.Tensor]]:
        if not self._batches:
            for indices in self._order:
                batch = collate(self._part, indices, self._padding)
                del batch["labels"]
                if model.device.type != "cpu":
                    batch = settled_mask(model, batch)
                self._batches.append({name: tensor.to(model.device) for name, tensor in batch.items()})
        return self._batches

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
            collected = [model(**batch).logits.float() for batch in self._on_device(model)]
        answers = torch.cat(collected).cpu().numpy()
        in_order = np.empty_like(answers)
        in_order[np.concatenate(self._order)] = answers
        return in_order
