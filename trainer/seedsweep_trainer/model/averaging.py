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
    sums: dict[str, torch.Tensor] = {}
    dtypes: dict[str, torch.dtype] = {}
    first, *others = sorted(members)
    with members[first]() as weights:
        for name, tensor in weights.items():
            _check_finite(first, name, tensor)
            dtypes[name] = tensor.dtype
            sums[name] = tensor.to(torch.float64 if tensor.is_floating_point() else tensor.dtype, copy=True)
    for member in others:
        with members[member]() as weights:
            _check_alike(first, sums, dtypes, member, weights)
            for name, tensor in weights.items():
                _check_finite(member, name, tensor)
                if tensor.is_floating_point():
                    sums[name] += tensor
                elif not torch.equal(sums[name], tensor):
                    raise NotAveragedError(f"{name} has no fractions and is another in {member} than in {first}")
    return {
        name: (total / len(members)).to(dtypes[name]) if dtypes[name].is_floating_point else total
        for name, total in sums.items()
    }


def _check_alike(first: str, sums: Weights, dtypes: Mapping[str, torch.dtype], member: str, weights: Weights) -> None:
    if lacking := sorted(sums.keys() ^ weights.keys()):
        raise NotAveragedError(f"{lacking[0]} is among the weights of only one of {first} and {member}")
    for name, tensor in weights.items():
        if tensor.shape != sums[name].shape:
            shapes = f"{list(sums[name].shape)} in {first} and {list(tensor.shape)} in {member}"
            raise NotAveragedError(f"{name} has the shape {shapes}")
        if tensor.dtype != dtypes[name]:
            raise NotAveragedError(f"{name} is {dtypes[name]} in {first} and {tensor.dtype} in {member}")


def _check_finite(member: str, name: str, tensor: torch.Tensor) -> None:
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise NotAveragedError(f"{name} of {member} is not finite")
