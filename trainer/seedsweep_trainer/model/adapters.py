"""The average of several LoRA adapters: its product B A is the mean of theirs.

The product of the mean factors is something else. But the mean of p products of rank r is one product of rank p r: the
members' A below one another, times their B side by side, at a p-th of the scale. Because the scale divides and not a
factor, A and B keep every bit of the members' in any dtype.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from seedsweep_trainer.model.adapter_config import average_config
from seedsweep_trainer.model.averaging import NotAveragedError, Opener, Sums, Weights, read_each


class _Factor(NamedTuple):
    """One of the two factors of a layer's product."""

    rank_axis: int
    """The axis that counts the ranks: A has the shape (rank, inputs, ...) and B (outputs, rank, ...)."""
    partner: str
    """The name of the other factor."""


_FACTORS = {
    ".lora_A.weight": _Factor(0, ".lora_B.weight"),
    ".lora_B.weight": _Factor(1, ".lora_A.weight"),
    ".lora_embedding_A": _Factor(0, ".lora_embedding_B"),
    ".lora_embedding_B": _Factor(1, ".lora_embedding_A"),
}
"""By how their names end."""
_BIAS = ".lora_B.bias"


def average_adapters(
    members: Mapping[str, Opener], configs: Mapping[str, bytes]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The weights and configuration of one adapter that changes the model as the members' do on average.

    `members` opens the tensors of adapter_model.safetensors as PEFT saves them, `configs` has the contents of
    adapter_config.json; both by the members' names, of which there is at least one. For p members, r and its patterns
    grow p times, and the scale becomes p times smaller. All tensors that are not factors, such as a head in
    modules_to_save, are averaged as `average` does. Each member is opened once, in the order of the names. In memory
    are the result, one member, and 8 bytes for each parameter that is not a factor's.

    Raises NotAveragedError for what is not plain LoRA, for members that differ in more than their values, and for
    values that are not finite.
    """
    config = average_config(sorted(members), configs)
    factors, biases, others = _Factors(len(members)), Sums(), Sums()

    def take(member: str, weights: Weights) -> None:
        _check_plain(member, weights)
        factors.add({name: tensor for name, tensor in weights.items() if _factor(name)})
        biases.add(member, {name: tensor for name, tensor in weights.items() if name.endswith(_BIAS)})
        others.add(member, {name: tensor for name, tensor in weights.items() if not _is_lora(name)})

    read_each(members, take)
    return factors.joined | _finite(biases.totals()) | others.means(), config


class _Factors:
    """The members' A below one another, and their B side by side."""

    def __init__(self, members: int) -> None:
        self._members = members
        self._added = 0
        self.joined: dict[str, torch.Tensor] = {}

    def add(self, factors: Weights) -> None:
        for name, tensor in factors.items():
            factor = _factor(name)
            assert factor is not None
            axis, rank = factor.rank_axis, tensor.shape[factor.rank_axis]
            if name not in self.joined:
                shape = list(tensor.shape)
                shape[axis] = rank * self._members
                self.joined[name] = torch.empty(shape, dtype=tensor.dtype)
            self.joined[name].narrow(axis, self._added * rank, rank).copy_(tensor)
        self._added += 1


def _factor(name: str) -> _Factor | None:
    for ending, factor in _FACTORS.items():
        if name.endswith(ending):
            return factor._replace(partner=name.removesuffix(ending) + factor.partner)
    return None


def _is_lora(name: str) -> bool:
    return any(part.startswith("lora_") for part in name.split("."))


def _check_plain(member: str, weights: Weights) -> None:
    """Refuse tensors of LoRA's variants, and factors that are not whole."""
    for name in filter(_is_lora, weights):
        factor, tensor = _factor(name), weights[name]
        if not tensor.is_floating_point() or not (factor or name.endswith(_BIAS)):
            raise NotAveragedError(f"{name} of {member} is not a tensor of plain LoRA")
        if factor is None:
            continue
        if factor.partner not in weights:
            raise NotAveragedError(f"{name} of {member} has no {factor.partner}")
        if not _rank(tensor, factor.rank_axis) == _rank(weights[factor.partner], 1 - factor.rank_axis) > 0:
            shapes = f"{list(tensor.shape)} and {list(weights[factor.partner].shape)}"
            # As in a convolution with groups, or where only a shard was saved.
            raise NotAveragedError(f"{name} and {factor.partner} of {member} have no rank in common: {shapes}")


def _rank(tensor: torch.Tensor, axis: int) -> int:
    return tensor.shape[axis] if tensor.dim() > 1 else 0


def _finite(biases: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The sums of biases: the scale, a p-th of the members', multiplies them too."""
    for name, total in biases.items():
        if not total.isfinite().all():
            raise NotAveragedError(f"the sum of {name} over the members is too large for {total.dtype}")
    return biases
