"""What to type about a folder that holds a record, whoever made it."""

import shlex
from pathlib import Path

from seedsweep.report.record import REPORT
from seedsweep.terminal.last import NextStep


def see_report(directory: Path) -> NextStep:
    """Open the report."""
    report = shlex.quote(str(directory / REPORT))
    return NextStep("See the verdict, every curve, the cut and the statistics", [f"python -m webbrowser {report}"])


def load_winner(directory: Path) -> NextStep:
    """Load best/, and read what it is worth."""
    model, folder = "AutoModelForSequenceClassification", str(directory / "best")
    return NextStep(
        "Load the winner in Python", [f"from transformers import {model}", f"{model}.from_pretrained({folder!r})"]
    )


def read_card(directory: Path) -> NextStep:
    """Read the winner's scores and how it was chosen."""
    card = shlex.quote(str(directory / "best" / "README.md"))
    return NextStep("Read the winner's scores and how it was chosen, and publish that with it", [f"less {card}"])
