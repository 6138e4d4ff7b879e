"""Writes safetensors files, hashed on the way. The library's own writer copies every tensor while others must wait."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.storage.durable import Written

_DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2": "F8_E5M2",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
    "complex64": "C64",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
"""The format's names, by those of torch, which lacks some in its older releases."""
_ALIGNMENT = 8


def write_tensors(tensors: Mapping[str, torch.Tensor], file: Path) -> Written:
    """Write contiguous tensors on the CPU by their names; says what the file must hold.

    Raises ConfigurationError for a tensor that the format cannot hold.
    """
    digest, size = hashlib.sha256(), 0
    # Without a buffer of its own: the large blocks go as they are.
    with file.open("wb", buffering=0) as stream:
        for block in _blocks(tensors):
            digest.update(block)
            size += len(block)
            while len(block):
                block = block[stream.write(block) :]
    return Written(digest.hexdigest(), size)


def _blocks(tensors: Mapping[str, torch.Tensor]) -> Iterator[memoryview]:
    # Largest elements first, so that each tensor lies where its numbers may be read in place.
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    facts, end = {}, 0
    for name, tensor in ordered:
        start, end = end, end + tensor.nbytes
        facts[name] = {"dtype": _dtype(name, tensor), "shape": list(tensor.shape), "data_offsets": [start, end]}
    header = json.dumps(facts, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    yield memoryview(len(header).to_bytes(8, "little") + header)
    for _, tensor in ordered:
        yield tensor.reshape(-1).view(torch.uint8).numpy().data


def _dtype(name: str, tensor: torch.Tensor) -> str:
    theirs = str(tensor.dtype).removeprefix("torch.")
    if theirs not in _DTYPES:
        remedy = f"use a model with one of {', '.join(_DTYPES)}"
        raise ConfigurationError(f"model: {name} is {theirs}, which cannot be kept in a safetensors file; {remedy}")
    return _DTYPES[theirs]
