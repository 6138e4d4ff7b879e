"""`seedsweep plan` as it is typed."""

import json
import math
import re
from pathlib import Path
from typing import Annotated

import typer

from seedsweep.codes import bad_input

PLAN_HELP = """
Plan a sweep: how many seeds to start, when to cut, and how many to keep, for a budget of full runs.

With records of your own full runs, plans are chosen on one half of the seeds and evaluated on the other. A cut is
recommended only if the interval of its gain over as many full runs excludes 0. Without a record, the command gives the
rule of thumb and the evidence for it.

Exit codes: 0 planned, whether a cut pays or not; 1 a file cannot be written; 2 bad input.
"""
_FORMATS = (".svg", ".png", ".pdf")


# What an option refuses is said here: typer has words of its own, and no remedy.


def _whole_number(option: str, text: str, remedy: str) -> int:
    if re.fullmatch("0*[1-9][0-9]{0,8}", text) is None:
        raise bad_input(f"{option}: {text[:60]!r} is no whole number from 1 to 999999999: {remedy}")
    return int(text)


def _budget(text: str) -> int:
    return _whole_number("--budget", text, "give what the sweep may cost, in full runs")


def _gpus(text: str) -> int:
    return _whole_number("--gpus", text, "give how many there are")


def _best_value(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise bad_input(f"--best-value: {text[:60]!r} is no number: give the best score there is, like 1")
    return value


def _figure(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in _FORMATS:
        raise bad_input(f"--figure: {text[:200]!r} is none of .svg, .png and .pdf: give a name that ends so")
    return path


def plan_command(
    budget: Annotated[
        int | None,
        typer.Option(
            parser=_budget,
            metavar="B",
            help="What all episodes together may cost, in full runs. Required.",
            show_default=False,
        ),
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RECORD",
            help="The folder of a run or an import without early stopping; may be repeated.",
            show_default="none: the rule of thumb",
        ),
    ] = None,
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="RECORD", help="More records for --history.", show_default=False)
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(parser=_gpus, metavar="K", help="Estimate the time on K GPUs.", show_default=False),
    ] = None,
    best_value: Annotated[
        float | None,
        typer.Option(
            parser=_best_value,
            metavar="SCORE",
            help="The metric's best value, for relative error reductions.",
            show_default="from the records",
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the plan as a sweep.yaml; the file must be new.", show_default=False),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            parser=_figure,
            metavar="FILE.svg|png|pdf",
            help="Draw the gain by budget; the file must be new, and needs --history.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON, for scripts.")] = False,
) -> None:
    """Plan a sweep."""
    from seedsweep.studies.plan import answer, histories, sweep_file, wording
    from seedsweep.studies.plan.as_json import json_of

    if budget is None:
        raise bad_input("--budget: say what the sweep may cost, in full runs: for example --budget 8")
    records = [*(history or []), *(more or [])]
    if figure is not None and not records:
        raise bad_input("--figure: the rule of thumb has no curve: give --history, too")
    if best_value is not None and not records:
        raise bad_input("--best-value: says nothing without --history: give both, or neither")
    if figure is not None:
        from seedsweep.parts import require

        # Before anything is written.
        require("report")
    found = answer.answer(budget, histories.read_histories(records), gpus=gpus, best_value=best_value)
    if write is not None:
        sweep_file.write_sweep(found, write)
    if figure is not None:
        from seedsweep.studies.plan.drawing import write_figure

        write_figure(found, figure)
    print(json.dumps(json_of(found), indent=2) if as_json else wording.text_of(found), end="\n" if as_json else "")
