"""Writes safetensors files, hashed on the way. The library's own writer copies every tensor while others must wait."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from seedsweep_trainer.durable import Written

_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ALIGNMENT = 8


def write_tensors(tensors: Mapping[str, torch.Tensor], file: Path) -> Written:
    """Write contiguous tensors on the CPU by their names; says what the file must hold."""
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
        facts[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    header = json.dumps(facts, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    yield memoryview(len(header).to_bytes(8, "little") + header)
    for _, tensor in ordered:
        yield tensor.reshape(-1).view(torch.uint8).numpy().data
