"""`seedsweep compare` as it is typed."""

import json
import math
from enum import IntEnum
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console

from seedsweep.codes import bad_input

COMPARE_HELP = """
Tell whether record B is better than record A by more than seeds alone explain.

A and B are folders written by `seedsweep run`, `fetch` or `import`: A is the baseline, B the change. Neither may have a
cut. Models and settings may differ; the metric, its goal and the data must not.

Exit codes: 0 B is better; 10 B is worse; 11 cannot tell; 12 the difference, if any, is smaller than --smallest; 2 bad
input.
"""


class Compared(IntEnum):
    """How `seedsweep compare` ends where it compares: apart from the codes of all commands."""

    BETTER = 0
    WORSE = 10
    CANNOT_TELL = 11
    SMALLER = 12


def _score(text: str) -> str:
    if text == "test":
        raise bad_input(
            "--score: a record has a test score only for its winner, which says nothing about seeds: import the test "
            "scores of all runs with `seedsweep import --score COLUMN`, and compare these records"
        )
    if text not in ("best", "final"):
        raise bad_input(f"--score: {text[:60]!r} is not known: give best or final")
    return text


def _smallest(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        message = f"--smallest: {text[:60]!r} is no number above 0: give a difference of scores, like 0.005"
        raise bad_input(message)
    return value


def compare_command(
    a: Annotated[Path, typer.Argument(metavar="A", help="The record of the baseline.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The record of the change.")],
    score: Annotated[
        str,
        typer.Option(
            parser=_score, metavar="best|final", help="Of each run: its best validation score, or its last one."
        ),
    ] = "best",
    smallest: Annotated[
        float | None,
        typer.Option(
            parser=_smallest,
            metavar="D",
            help="The smallest difference that matters: tell whether it is ruled out, and how many runs would find it.",
            show_default=False,
        ),
    ] = None,
    paired: Annotated[
        bool,
        typer.Option("--paired", help="Treat equal numbers as equal seeds, even if no digest on record shows it."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
) -> None:
    """Compare two records."""
    from seedsweep.report.statistics.analysis import Score
    from seedsweep.studies.compare import comparison, sameness
    from seedsweep.studies.compare.words import comparison_json, comparison_text
    from seedsweep.studies.reading import read_full_runs

    kind = cast(Score, score)
    arms = [comparison.Arm(str(folder), *read_full_runs(folder, kind)) for folder in (a, b)]
    records = [arm.record for arm in arms]
    sameness.check_comparable((a, records[0]), (b, records[1]))
    pairs, why = sameness.are_pairs(records[0], records[1], by_number=paired)
    remarks = [f"{why[0].upper()}{why[1:]}.", *sameness.doubts(*records)]
    found = comparison.compare(*arms, score=kind, paired=pairs, smallest=smallest)
    if as_json:
        print(json.dumps(comparison_json(found, remarks), indent=2, allow_nan=False))
    else:
        Console().print(comparison_text(found, remarks))
    raise typer.Exit(Compared[found.verdict.name])
