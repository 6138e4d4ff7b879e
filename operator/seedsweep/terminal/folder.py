"""What to type about a folder that holds a record, whoever made it."""

import shlex
from pathlib import Path

from seedsweep.api.sweep import SeedSweep
from seedsweep.report.record import REPORT
from seedsweep.terminal.last import NextStep

PAIR_TASKS = frozenset({"mrpc", "rte"})
"""The GLUE tasks about two sentences."""


def see_report(directory: Path) -> NextStep:
    """Open the report."""
    report = _quoted(directory / REPORT)
    return NextStep("See the verdict, every curve, the cut and the statistics", [f"python -m webbrowser {report}"])


def use_winner(directory: Path, sweep: SeedSweep) -> NextStep:
    """Ask the model in best/ about an input of the kind that it was trained on, or look at a custom trainer's files."""
    if sweep.spec.trainer.fine_tuning is None:
        return NextStep("See the winner's files, as the trainer stored them", [f"ls {_quoted(directory / 'best')}"])
    dataset = sweep.spec.trainer.fine_tuning.dataset
    pairs = dataset.task in PAIR_TASKS or dataset.columns.text_pair is not None
    asked = "{'text': 'a sentence', 'text_pair': 'another'}" if pairs else "'a sentence'"
    # The pipeline returns the value of a regression under this name.
    meaning = " (`score` is the value)" if dataset.kind == "regression" else ""
    model = f"pipeline('text-classification', {str(directory / 'best')!r}, truncation=True)"
    lines = ["from transformers import pipeline", f"ask = {model}", f"print(ask({asked}))"]
    return NextStep(f"Use the winner in Python{meaning}", lines)


def read_card(directory: Path) -> NextStep:
    """Read the winner's scores and how it was chosen."""
    card = _quoted(directory / "best" / "README.md")
    return NextStep("Read the winner's scores and how it was chosen, and publish that with it", [f"less {card}"])


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
