"""The files of an average of weights that a custom trainer stores.

Each *.safetensors file has the mean of the survivors' tensors, a LoRA adapter the one that acts as theirs do on
average. All other files are the winner's.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from seedsweep.api.housekeeping import Member
from seedsweep_trainer.jobs.average import Survivors, opened_best
from seedsweep_trainer.jobs.hand_over_folder import copy_files
from seedsweep_trainer.model.adapters import average_adapters
from seedsweep_trainer.model.averaging import NotAveragedError, Opener, Weights, average

_SUFFIX = ".safetensors"
_ADAPTER, _ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"

Tensors = Mapping[str, torch.Tensor]


def write_average(survivors: Survivors, best: Path, to: Path) -> None:
    """Fill the empty folder `to`; `best` is the winner's. Raises NotAveragedError, and then writes nothing."""
    names = _tensor_files(best)
    if not names:
        raise NotAveragedError(f"the winner's weights are in no *{_SUFFIX} file")
    is_adapter = (best / _ADAPTER_CONFIG).exists() and _ADAPTER in names
    plain = [name for name in names if not (is_adapter and name == _ADAPTER)]
    files = _averaged(survivors, best, plain) if plain else {}
    config = None
    if is_adapter:
        files[_ADAPTER], config = average_adapters(_openers(survivors, best, [_ADAPTER]), _configs(survivors, best))
    copy_files(best, to)
    for name, tensors in files.items():
        with safe_open(best / name, framework="pt") as file:
            # It names the framework, without which transformers does not load the file.
            metadata = file.metadata()
        save_file(dict(tensors), to / name, metadata)
    if config is not None:
        (to / _ADAPTER_CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _averaged(survivors: Survivors, best: Path, names: Sequence[str]) -> dict[str, Tensors]:
    """The mean of each tensor, by file."""
    means = average(_openers(survivors, best, names))
    prefixes = {name: _prefix(name, names) for name in names}
    return {
        name: {key.removeprefix(prefix): tensor for key, tensor in means.items() if key.startswith(prefix)}
        for name, prefix in prefixes.items()
    }


def _configs(survivors: Survivors, best: Path) -> dict[str, bytes]:
    """The contents of each member's adapter_config.json."""
    found = {}
    for member in survivors.members:
        with _opened(survivors, member, best) as folder:
            if not (folder / _ADAPTER_CONFIG).exists():
                raise NotAveragedError(f"{_ADAPTER_CONFIG} is not among the files of {member.episode}")
            found[member.episode] = (folder / _ADAPTER_CONFIG).read_bytes()
    return found


def _openers(survivors: Survivors, best: Path, names: Sequence[str]) -> dict[str, Opener]:
    """What opens the tensors of these files, by member."""
    return {member.episode: partial(_loaded, survivors, member, best, names) for member in survivors.members}


@contextmanager
def _loaded(survivors: Survivors, member: Member, best: Path, names: Sequence[str]) -> Iterator[Weights]:
    with _opened(survivors, member, best) as folder:
        yield {_prefix(name, names) + key: tensor for name in names for key, tensor in load_file(folder / name).items()}


@contextmanager
def _opened(survivors: Survivors, member: Member, best: Path) -> Iterator[Path]:
    """A member's folder, which has the same files with tensors as the winner's."""
    with opened_best(survivors, member, best) as folder:
        if lacking := sorted(set(_tensor_files(folder)) ^ set(_tensor_files(best))):
            raise NotAveragedError(f"{lacking[0]} is among the files of only one of {member.episode} and the winner")
        yield folder


def _prefix(file: str, files: Sequence[str]) -> str:
    """Of the names of a file's tensors: two files may have tensors of one name."""
    return f"{file}: " if len(files) > 1 else ""


def _tensor_files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name.endswith(_SUFFIX))
