"""Real parts that a machine may lack: a test without one is skipped and says so, or fails where CI requires it."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def lack(part: str, missing: str) -> NoReturn:
    """Skip for want of a part; fail if SEEDSWEEP_REQUIRE, a comma-separated list, names it."""
    if part in os.environ.get("SEEDSWEEP_REQUIRE", "").split(","):
        pytest.fail(f"{part} is required here, but there is no {missing}")
    pytest.skip(f"no {missing}")


def node_js() -> str:
    """The program of Node.js."""
    found = shutil.which("node")
    if found is None:
        lack("javascript", "node, the program of Node.js")
    return found


def glue(task: str) -> Path:
    """The folder with a GLUE task's train.tsv and dev.tsv."""
    default = Path(__file__).parents[2] / ".." / "shared" / "data" / "glue"
    folder = Path(os.environ.get("SEEDSWEEP_GLUE", default)) / task
    if not (folder / "train.tsv").exists():
        lack("glue", f"{task}/train.tsv in SEEDSWEEP_GLUE or ../shared/data/glue")
    return folder


def seed_runs(name: str) -> Path:
    """A file with recorded runs of others, such as bertlarge/RTE.csv."""
    default = Path(__file__).parents[2] / ".." / "shared" / "data" / "seeds"
    path = Path(os.environ.get("SEEDSWEEP_SEED_RUNS", default)) / name
    if not path.exists():
        lack("seeds", f"{name} in SEEDSWEEP_SEED_RUNS or ../shared/data/seeds")
    return path
