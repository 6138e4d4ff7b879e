"""The generators that a step may draw from: torch's, and those of NumPy and Python, which some models use."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch

_MASK = 2**32 - 1
"""NumPy takes seeds of 32 bits only."""


def seed_all(seed: int) -> None:
    """Start all of them from one 64-bit seed."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed([seed & _MASK, seed >> 32])


def states(device: torch.device) -> dict[str, torch.Tensor]:
    """Where they are now, by name, as tensors that can be written to a file."""
    python, numpy = random.getstate(), np.random.get_state(legacy=False)
    assert isinstance(numpy, dict)
    found = {
        "rng/cpu": torch.get_rng_state(),
        "rng/python": torch.tensor(python[1], dtype=torch.int64),
        "rng/numpy": torch.tensor([numpy["state"]["pos"], *numpy["state"]["key"].tolist()], dtype=torch.int64),
        # A normal deviate that was drawn and not handed out yet; NaN for none.
        "rng/gauss": torch.tensor(
            [
                float("nan") if python[2] is None else python[2],
                numpy["gauss"] if numpy["has_gauss"] else float("nan"),
            ],
            dtype=torch.float64,
        ),
    }
    if device.type == "cuda":
        found["rng/cuda"] = torch.cuda.get_rng_state(device)
    return found


def restore(found: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Put them back to where they were; a checkpoint of an earlier release has torch's only."""
    torch.set_rng_state(found["rng/cpu"])
    if "rng/cuda" in found and device.type == "cuda":
        torch.cuda.set_rng_state(found["rng/cuda"], device)
    if "rng/gauss" not in found:
        return
    python_gauss, numpy_gauss = found["rng/gauss"].tolist()
    version = random.getstate()[0]
    random.setstate((version, tuple(found["rng/python"].tolist()), None if np.isnan(python_gauss) else python_gauss))
    position, *key = found["rng/numpy"].tolist()
    has_gauss = not np.isnan(numpy_gauss)
    np.random.set_state(
        ("MT19937", np.array(key, dtype=np.uint32), position, int(has_gauss), numpy_gauss if has_gauss else 0.0)
    )


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Whatever is drawn inside, they go on as if nothing had been."""
    before = states(device)
    try:
        yield
    finally:
        restore(before, device)
