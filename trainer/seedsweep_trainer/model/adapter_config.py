"""The configuration of an average of LoRA adapters: which adapters have one, and with which rank and scale."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt, ValidationError

from seedsweep_trainer.model.averaging import NotAveragedError

_FILE = "adapter_config.json"
_NOT_PLAIN = (
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "layer_replication",
    "megatron_config",
    "monteclora_config",
    "target_parameters",
    "use_bdlora",
    "use_dora",
    "use_qalora",
    "velora_config",
)
"""Fields that, where they are set, add something else to the weights than scale * B A, or lay out A and B otherwise."""

_EXPECTED = {
    "peft_type": '"LORA"',
    "r": "a whole number of at least 1",
    "lora_alpha": "a number",
    "use_rslora": "true or false",
    "rank_pattern": "names with whole numbers of at least 1",
    "alpha_pattern": "names with numbers",
    "init_lora_weights": 'one that leaves the base weights alone (true, false, "gaussian", "eva" or "orthogonal")',
}


class _Lora(BaseModel):
    """What rank and scale come from; each field as PEFT defines it."""

    model_config = ConfigDict(strict=True)

    peft_type: Literal["LORA"]
    r: PositiveInt
    lora_alpha: FiniteFloat
    use_rslora: bool = False
    rank_pattern: dict[str, PositiveInt] | None = None
    alpha_pattern: dict[str, FiniteFloat] | None = None
    # The others change the base weights, and by another amount at another rank.
    init_lora_weights: bool | Literal["gaussian", "eva", "orthogonal"] = True


def average_config(members: Sequence[str], files: Mapping[str, bytes]) -> dict[str, Any]:
    """The configuration of the members' average: that of the first, with `len(members)` times its rank.

    The scale, alpha / r or alpha / sqrt(r), becomes as many times smaller. `files` has the members' adapter_config.json
    by their names. Raises NotAveragedError for a missing or invalid file, for other adapters than plain LoRA, and for
    files that differ in more than how a list gives the same names.
    """
    configs = {member: _read(member, files) for member in members}
    first, *others = members
    for member in others:
        _check_same(first, configs[first], member, configs[member])
    count, config = len(members), configs[first]
    config["r"] *= count
    if ranks := config.get("rank_pattern"):
        config["rank_pattern"] = {name: rank * count for name, rank in ranks.items()}
    # Otherwise the rank alone makes the scale as many times smaller.
    if config.get("use_rslora"):
        config["lora_alpha"] /= math.sqrt(count)
        if alphas := config.get("alpha_pattern"):
            config["alpha_pattern"] = {name: alpha / math.sqrt(count) for name, alpha in alphas.items()}
    return config


def _read(member: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    if member not in files:
        raise NotAveragedError(f"{member} has no {_FILE}")
    try:
        config = json.loads(files[member])
    except (ValueError, RecursionError) as error:
        raise NotAveragedError(f"{_FILE} of {member} is not JSON") from error
    if not isinstance(config, dict):
        raise NotAveragedError(f"{_FILE} of {member} is not an object")
    try:
        _Lora.model_validate(config)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        found = json.dumps(config[field]) if field in config else "missing"
        raise NotAveragedError(
            f"{field} in {_FILE} of {member} is {found}; an average needs {_EXPECTED[field]}"
        ) from error
    if not_plain := [field for field in _NOT_PLAIN if config.get(field)]:
        raise NotAveragedError(f"{not_plain[0]} is set in {_FILE} of {member}; an average needs plain LoRA")
    return config


def _check_same(first: str, config: Mapping[str, Any], member: str, other: Mapping[str, Any]) -> None:
    for field in sorted(config.keys() | other.keys()):
        here, there = _as_text(config.get(field)), _as_text(other.get(field))
        if here != there:
            raise NotAveragedError(f"{field} in {_FILE} is {here} in {first} and {there} in {member}")


def _as_text(value: Any) -> str:
    """As JSON. PEFT writes sets of names as lists, in an order that differs between processes, and may repeat names."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        value = sorted(set(value))
    return json.dumps(value, sort_keys=True)
