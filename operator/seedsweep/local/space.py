"""Whether the disk has room for the checkpoints of a sweep."""

import shutil
from pathlib import Path

from seedsweep.api.checks import Problem
from seedsweep.engine.layout import Layout

OPTIMIZER_MOMENTS = 2
"""Tensors of the weights' size that Adam keeps beside them."""


def needed_bytes(layout: Layout, places: int, weights: int) -> int:
    """Most that a sweep's checkpoints take at once.

    Those who can still resume (as many as live or are kept at a cut) have weights and optimizer, the living a second
    one while it replaces the first. All of these, and who has finished, have their best weights, once more for every
    rung to come. The winner is copied at the end.

    Args:
        weights: bytes of a model's weights in fp32.
    """
    paused = sum(ladder[0].keep for ladder in layout.rungs if ladder)
    sizes = [sum(1 for bracket in layout.bracket_of.values() if bracket == b) for b in range(len(layout.rungs))]
    survivors = sum(ladder[-1].keep if ladder else size for ladder, size in zip(layout.rungs, sizes, strict=True))
    rungs = max(len(ladder) for ladder in layout.rungs)
    resumable = (paused + 2 * places) * (1 + OPTIMIZER_MOMENTS)
    best = (max(survivors, paused) + places) * (1 + rungs)
    return (resumable + best + 1) * weights


def space_problems(folder: Path, needed: int) -> list[Problem]:
    """Too little room where `folder` is, or will be."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free >= needed:
        return []
    remedy = (
        f"has {_gigabytes(free)} free where the checkpoints of this sweep may take {_gigabytes(needed)}: "
        "free some, give another folder with --out, or lower parallelism or keep"
    )
    return [Problem("--out", str(folder), remedy)]


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
