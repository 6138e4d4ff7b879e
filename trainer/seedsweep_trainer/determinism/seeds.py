"""Random streams derived by hashing, so that equal seeds for different purposes do not make equal numbers.

Nothing else in the trainer draws random numbers: what an episode becomes is a function of its seeds.
"""

import hashlib
import json
from typing import Literal

import numpy as np

Purpose = Literal["weight-init", "data-order", "dropout"]


def stream(purpose: Purpose, seed: int, *path: str | int) -> int:
    """The 64-bit seed of the stream for this purpose, seed and (such as an epoch or a tensor's name) place."""
    text = json.dumps([purpose, seed, *path])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order in which an epoch (from 0) takes `count` examples: int64, shape (count,).

    Raw bits of a counter-based generator are sorted, because numpy keeps those the same in all its versions, and its
    shuffles not (NEP 19).
    """
    bits = np.random.Philox(key=stream("data-order", seed, epoch)).random_raw(count)
    return np.argsort(bits, kind="stable")
