"""`seedsweep plan` in this process, and histories for it."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from host.commands import seedsweep
from inputs import records


def planned(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """The JSON that it prints."""
    capsys.readouterr()
    assert seedsweep("plan", *arguments, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The text that it prints."""
    capsys.readouterr()
    assert seedsweep("plan", *arguments) == 0
    return capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What it says when it plans nothing."""
    capsys.readouterr()
    assert seedsweep("plan", *arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.strip().count("\n") == 0
    return error.strip()


def imported(folder: Path, *, runs: int = 24, failing: float = 0.6, sign: int = 1, evaluations: int = 10) -> Path:
    """A record of runs that something else trained; those that fail stay where they began."""
    rows = ["seed,evaluation,score"]
    for seed in range(runs):
        chance = random.Random(seed)
        height = 0.0 if chance.random() < failing else 0.2
        for e in range(1, evaluations + 1):
            score = 0.5 + height * (1 - 0.6**e) + (chance.gauss(0, 0.01) if height else 0)
            rows.append(f"{seed},{e},{sign * score:.4f}")
    folder.mkdir(exist_ok=True)
    (folder / "runs.csv").write_text("\n".join(rows) + "\n")
    goal = ("--goal", "maximize" if sign > 0 else "minimize")
    baseline = f"--baseline={sign * 0.5}"
    assert (
        seedsweep("import", folder / "runs.csv", "--to", folder / "record", *goal, baseline, "--name", "made-up") == 0
    )
    return folder / "record"


def written(folder: Path, record: records.Record) -> Path:
    folder.mkdir()
    return records.write(folder, record)


def with_status(record: records.Record, place: int, **changes: object) -> records.Record:
    """One episode has come to something else."""
    record.episodes[place] = record.episodes[place].evolve(status=record.episodes[place].status.evolve(**changes))
    return record
