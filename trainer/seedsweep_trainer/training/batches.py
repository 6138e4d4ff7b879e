"""The training examples in the order that the data-order seed gives them, as the batches of each optimizer step."""

import numpy as np
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import Padding, Part, collate
from seedsweep_trainer.determinism.seeds import order


class Batches:
    """All epochs' batches; any step's can be asked for, so that an episode can resume anywhere."""

    def __init__(self, part: Part, padding: Padding, config: FineTuning, data_order: int) -> None:
        self._part = part
        self._padding = padding
        self._config = config
        self._data_order = data_order
        self._epoch = -1
        self._windows: list[list[np.ndarray]] = []

    def of(self, epoch: int, position: int) -> list[dict[str, torch.Tensor]]:
        """The batches, on CPU, of the optimizer step at this position (from 0) of this epoch (from 0)."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._windows = windows(order(self._data_order, epoch, len(self._part)), self._config)
        return [collate(self._part, indices, self._padding) for indices in self._windows[position]]


def windows(order: np.ndarray, config: FineTuning) -> list[list[np.ndarray]]:
    """One epoch's batches, grouped by the optimizer step they make up; the last of each may be short."""
    size, accumulation = config.batch_size, config.gradient_accumulation_steps
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return [batches[start : start + accumulation] for start in range(0, len(batches), accumulation)]
