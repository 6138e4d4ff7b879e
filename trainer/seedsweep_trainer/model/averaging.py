"""The mean of several models' weights: the same bits in whichever order they come."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import torch

Weights = Mapping[str, torch.Tensor]
Opener = Callable[[], AbstractContextManager[Weights]]
"""Opens a member's weights, so that no more than one member's have to be at hand."""


class NotAveragedError(Exception):
    """Weights that have no mean; the message says whose and why."""


def average(members: Mapping[str, Opener]) -> dict[str, torch.Tensor]:
    """The mean of each tensor, summed in float64 in the order of the members' names; at least one member.

    A tensor without fractions, such as a table of positions, must be the same in all. Raises NotAveragedError, also for
    weights of other names, shapes or dtypes than the first member's and for those that are not finite.
    """
    sums = Sums()
    read_each(members, sums.add)
    return sums.means()


def read_each(members: Mapping[str, Opener], take: Callable[[str, Weights], None]) -> None:
    """Open each member's weights once, in the order of their names, and hand them over with its name.

    They are on loan: the next member is opened after `take` is done with them. Raises NotAveragedError for weights of
    other names, shapes or dtypes than the first member's and for those that are not finite.
    """
    first = min(members)
    kinds: dict[str, tuple[torch.Size, torch.dtype]] = {}
    for member in sorted(members):
        with members[member]() as weights:
            if member == first:
                kinds = {name: (tensor.shape, tensor.dtype) for name, tensor in weights.items()}
            _check_alike(first, kinds, member, weights)
            for name, tensor in weights.items():
                if tensor.is_floating_point() and not tensor.isfinite().all():
                    raise NotAveragedError(f"{name} of {member} is not finite")
            take(member, weights)


class Sums:
    """The sum of each tensor over the members so far, in float64; tensors without fractions have to be equal."""

    def __init__(self) -> None:
        self._members: list[str] = []
        self._sums: dict[str, torch.Tensor] = {}
        self._dtypes: dict[str, torch.dtype] = {}

    def add(self, member: str, weights: Weights) -> None:
        """Add weights of the same names, shapes and dtypes as the first member's; they may be released afterwards."""
        for name, tensor in weights.items():
            if name not in self._sums:
                self._dtypes[name] = tensor.dtype
                self._sums[name] = tensor.to(torch.float64 if tensor.is_floating_point() else tensor.dtype, copy=True)
            elif tensor.is_floating_point():
                self._sums[name] += tensor.to(torch.float64)
            elif not torch.equal(self._sums[name], tensor):
                first = self._members[0]
                raise NotAveragedError(f"{name} has no fractions and is another in {member} than in {first}")
        self._members.append(member)

    def means(self) -> dict[str, torch.Tensor]:
        """The members' mean of each tensor, in its own dtype."""
        return self._divided_by(len(self._members))

    def totals(self) -> dict[str, torch.Tensor]:
        """The sum of each tensor, in its own dtype, which it may exceed: then it is not finite."""
        return self._divided_by(1)

    def _divided_by(self, divisor: int) -> dict[str, torch.Tensor]:
        return {
            name: (total / divisor).to(self._dtypes[name]) if self._dtypes[name].is_floating_point else total
            for name, total in self._sums.items()
        }


def _check_alike(
    first: str, kinds: Mapping[str, tuple[torch.Size, torch.dtype]], member: str, weights: Weights
) -> None:
    if lacking := sorted(kinds.keys() ^ weights.keys()):
        raise NotAveragedError(f"{lacking[0]} is among the weights of only one of {first} and {member}")
    for name, tensor in weights.items():
        shape, dtype = kinds[name]
        if tensor.shape != shape:
            raise NotAveragedError(
                f"{name} has the shape {list(shape)} in {first} and {list(tensor.shape)} in {member}"
            )
        if tensor.dtype != dtype:
            raise NotAveragedError(f"{name} is {dtype} in {first} and {tensor.dtype} in {member}")
