"""Copies of a model's tensors in the host's memory, taken while training goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True, slots=True, eq=False)
class HostCopy:
    """The tensors as they were at one moment."""

    tensors: Mapping[str, torch.Tensor]
    """By name; to be read once `ready` has been waited for."""
    ready: torch.cuda.Event | None = None
    """Reached when a GPU has copied all of them; None: they are there. Until then the originals must not change."""
    sources: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """The originals, which have to live until then."""

    def wait(self) -> Mapping[str, torch.Tensor]:
        """The tensors, once they are there."""
        if self.ready is not None:
            self.ready.synchronize()
        return self.tensors


class HostCopies:
    """Takes copies: of a GPU's tensors on a stream of its own, into pinned memory that is used again."""

    def __init__(self, device: torch.device) -> None:
        self._stream = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._spare: list[Mapping[str, torch.Tensor]] = []

    @property
    def of_a_gpu(self) -> bool:
        """Whether a GPU trains, and so not the processor."""
        return self._stream is not None

    def take(self, tensors: Mapping[str, torch.Tensor]) -> HostCopy:
        """A copy of this moment: what was queued on the device before is in it."""
        sources = {name: tensor.detach() for name, tensor in tensors.items()}
        if self._stream is None:
            return HostCopy({name: tensor.clone().contiguous() for name, tensor in sources.items()})
        buffers = self._buffers(sources)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for name, tensor in sources.items():
                buffers[name].copy_(tensor, non_blocking=True)
            ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
            ready.record()
        return HostCopy(buffers, ready, sources)

    def give_back(self, copy: HostCopy) -> None:
        """Nobody reads this copy any more: a later one may take its place."""
        if copy.ready is not None:
            self._spare.append(copy.tensors)

    def _buffers(self, sources: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        for i, buffers in enumerate(self._spare):
            if buffers.keys() == sources.keys():
                return self._spare.pop(i)
        return {
            name: torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for name, tensor in sources.items()
        }
