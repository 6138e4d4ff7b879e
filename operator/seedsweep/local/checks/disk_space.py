"""Whether the disk has room for the checkpoints of a sweep."""

import shutil
from pathlib import Path

from seedsweep.api.checks import Problem
from seedsweep.engine.questions.footprint import in_words


def space_problems(folder: Path, needed: int) -> list[Problem]:
    """Too little room where `folder` is, or will be."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free >= needed:
        return []
    remedy = (
        f"has {in_words(free)} free where the checkpoints of this sweep may take {in_words(needed)}: "
        "free some, give another folder with --out, or lower parallelism or keep"
    )
    return [Problem("--out", str(folder), remedy)]
