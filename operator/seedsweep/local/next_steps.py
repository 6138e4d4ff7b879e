"""What to type when a run has ended, or was interrupted."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from seedsweep.api.status import SweepStatus
from seedsweep.report.facts import casualties
from seedsweep.report.record import Record
from seedsweep.terminal import NextStep
from seedsweep.terminal.folder import read_card, see_report, use_winner


def next_steps(file: Path, directory: Path, record: Record) -> Iterator[NextStep]:
    """In the run's folder; `file` is the sweep's, as it was typed."""
    status, run = record.sweep.status or SweepStatus(), f"seedsweep run {shlex.quote(str(file))}"
    crashed = [lost for lost in casualties(record.episodes) if lost.outcome == "failed" and lost.attempts]
    if crashed:
        log = directory / "logs" / f"{crashed[0].episode}-{crashed[0].attempts - 1}.log"
        yield NextStep(f"Read why {crashed[0].episode} failed", [f"less {shlex.quote(str(log))}"])
    if status.completion_time is None:
        again = "the same `seedsweep run` again: nothing that is on record is trained twice"
        yield NextStep("Go on from here", [again])
    elif status.hand_over_failed:
        again = "the same `seedsweep run` again, once the cause is removed: nothing is trained again"
        yield NextStep("Hand the winner over again", [again])
    elif status.phase == "Failed":
        yield NextStep("Start anew", [f"{run} --out ANOTHER_FOLDER"])
    yield see_report(directory)
    best = status.best
    if best is None:
        return
    if best.weights is not None:
        yield use_winner(directory, record.sweep)
        if (directory / "best" / "README.md").exists():
            yield read_card(directory)
    if any(episode.status.sampled for episode in record.episodes):
        # No two runs are sampled alike.
        return
    yield NextStep(
        "Train the winner again, alone and fully, and compare it bit for bit",
        [f"{run} --out {shlex.quote(str(directory))} --episode {best.episode}"],
    )
