"""Which examples each optimizer step takes, in which order and shape."""

import numpy as np
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import Padding, Part, collate
from seedsweep_trainer.determinism.seeds import order


class Batches:
    """All epochs' batches; any step's can be asked for, so that an episode can resume anywhere.

    The curve's rule: an optimizer step takes the same examples whatever hardware trains, and the mean of their losses.
    Where the CPU trains, for which padding is work like any other, a batch of examples of different lengths passes
    through the model as two halves, the longer ones first. GPUs, for which small batches are no faster, take batches
    whole.
    """

    def __init__(
        self, part: Part, padding: Padding, config: FineTuning, data_order: int, *, halves: bool = False
    ) -> None:
        """`halves`: batches pass in two halves where that saves much padding."""
        self._part = part
        self._lengths = np.diff(part.offsets)
        self._halves = halves
        self._padding = padding
        self._config = config
        self._data_order = data_order
        self._epoch = -1
        self._windows: list[list[np.ndarray]] = []

    def of(self, epoch: int, position: int) -> list[dict[str, torch.Tensor]]:
        """The batches, on CPU, of the optimizer step at this position (from 0) of this epoch (from 0)."""
        return [collate(self._part, indices, self._padding) for indices in self._passes(epoch, position)]

    def tokens(self, epoch: int, position: int) -> int:
        """How many tokens pass through the model in that step, padding included."""
        return padded(self._passes(epoch, position), self._lengths)

    def _passes(self, epoch: int, position: int) -> list[np.ndarray]:
        if epoch != self._epoch:
            self._epoch = epoch
            self._windows = windows(order(self._data_order, epoch, len(self._part)), self._config)
        passes = self._windows[position]
        if self._halves:
            passes = [half for batch in passes for half in halved(batch, self._lengths)]
        return passes


def halved(batch: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """The batch by falling length in two halves where these have a tenth fewer tokens, padding included; else whole."""
    by_length = batch[np.argsort(-lengths[batch], kind="stable")]
    halves = np.array_split(by_length, 2)
    if len(batch) < 2 or 10 * padded(halves, lengths) > 9 * padded([batch], lengths):
        return [batch]
    return halves


def padded(passes: list[np.ndarray], lengths: np.ndarray) -> int:
    """How many tokens these batches of positions have, padding included, where `lengths` are those of all examples."""
    return sum(len(indices) * int(lengths[indices].max()) for indices in passes)


def windows(order: np.ndarray, config: FineTuning) -> list[list[np.ndarray]]:
    """One epoch's batches, grouped by the optimizer step they make up; the last of each may be short."""
    size, accumulation = config.batch_size, config.gradient_accumulation_steps
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return [batches[start : start + accumulation] for start in range(0, len(batches), accumulation)]
