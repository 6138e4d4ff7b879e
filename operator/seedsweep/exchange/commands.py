"""`seedsweep import` and `seedsweep export` as they are typed."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, cast

import typer

from seedsweep.codes import CommandError, Exit, bad_input

IMPORT_HELP = """
Make a record of another trainer's runs, for `seedsweep report` and the other commands that read records.

SOURCE is a table with one row per evaluation (.csv, .tsv, .parquet), the CSV export of a W&B panel, a
trainer_state.json of transformers' Trainer, or a folder with such files or with TensorBoard event files, one run per
folder. Undefined scores (empty cells, NaN) and failed runs are kept. Nothing is written unless everything can be read.

Exit codes: 0 imported; 1 the folder cannot be written; 2 bad input.
"""

EXPORT_HELP = """
Write a record as one Parquet table, one row per evaluation, for pandas and `datasets`.

Exit codes: 0 exported; 1 the file cannot be written; 2 bad input.
"""


# What an option refuses is said here: typer has words of its own, and no remedy.


def _goal(text: str) -> str:
    if text not in ("maximize", "minimize"):
        raise bad_input(
            f"--goal: {text!r} is no direction: give maximize where a higher score is better, else minimize"
        )
    return text


def _short(text: str) -> str:
    if text not in ("failed", "diverged"):
        raise bad_input(
            f"--short: {text!r} is not known: give failed where short runs crashed, diverged where they diverged"
        )
    return text


def _evaluations(text: str) -> int:
    if re.fullmatch("0*[1-9][0-9]{0,8}", text) is None:
        raise bad_input(f"--evaluations: {text[:60]!r} is no whole number from 1: give how many to take of each run")
    return int(text)


def _baseline(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise bad_input(f"--baseline: {text[:60]!r} is no number: give the score of a constant answer") from None


def import_command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A table, or a file or folder of runs.")],
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder to create; new or empty. Required.", show_default=False),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            parser=_goal,
            metavar="maximize|minimize",
            help="Which scores are better. Required, except for tables written by `seedsweep export`.",
            show_default=False,
        ),
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="The scores: a column, a key of log_history, or a tag. May be repeated for a table: the first "
            "with values counts.",
            show_default="score",
        ),
    ] = None,
    loss: Annotated[str | None, typer.Option(metavar="COLUMN", help="Validation losses.", show_default=False)] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Seeds, if one drives everything.", show_default="seed")
    ] = None,
    weight_init: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Weight-init seeds.", show_default="weight_init")
    ] = None,
    data_order: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Data-order seeds.", show_default="data_order")
    ] = None,
    evaluation: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Evaluation numbers, from 0 or 1.", show_default="evaluation"),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Optimizer steps; they order evaluations without numbers.", show_default="step"
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Make one record per value; may be repeated."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Read only rows with this value; may be repeated."),
    ] = None,
    seeds_in: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Pattern of the seeds in run names: with {seed}, or {weight_init} and {data_order}.",
            show_default="seed-{seed}, wi{weight_init}-do{data_order} and the like",
        ),
    ] = None,
    number_runs: Annotated[
        bool, typer.Option("--number-runs", help="Seeds are not known: number the runs from 0.")
    ] = False,
    skip_empty: Annotated[
        bool, typer.Option("--skip-empty", help="Skip rows without a score, instead of counting it as undefined.")
    ] = False,
    evaluations: Annotated[
        int | None,
        typer.Option(parser=_evaluations, metavar="N", help="Take at most this many of each run.", show_default="all"),
    ] = None,
    short: Annotated[
        str | None,
        typer.Option(
            parser=_short,
            metavar="failed|diverged",
            help="What happened to runs that are shorter than others.",
            show_default="they are refused",
        ),
    ] = None,
    baseline: Annotated[
        float | None,
        typer.Option(
            parser=_baseline,
            metavar="SCORE",
            help="Score of a constant answer: runs no better have failed.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the metric.", show_default="the name of the scores")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the record.", show_default="that of SOURCE")
    ] = None,
) -> None:
    """Import runs."""
    from seedsweep.exchange import build, importing, told
    from seedsweep.exchange.tables import Columns

    if to is None:
        raise bad_input("--to: say where the record goes: give the name of a new folder")
    columns = Columns(
        score=tuple(score or ()),
        loss=loss,
        seed=seed,
        weight_init=weight_init,
        data_order=data_order,
        evaluation=evaluation,
        step=step,
        by=tuple(by or ()),
        where=importing.parse_where(where or []),
        skip_empty=skip_empty,
        number_runs=number_runs,
    )
    request = importing.Request(
        source=source,
        to=to,
        goal=cast(told.Goal | None, goal),
        metric=metric,
        name=name,
        columns=columns,
        seeds_in=seeds_in,
        baseline=baseline,
        evaluations=evaluations,
        short=cast(build.Short | None, short),
    )
    try:
        found = importing.import_runs(request, datetime.now(UTC))
    except OSError as error:
        raise _unwritable(to, error) from error
    for imported in found:
        print(f"{imported.folder}: {imported.size}")
        for note in imported.notes:
            print(f"  {note}")
    more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
    print(f"Next: seedsweep report {found[0].folder}{more}")


def export_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The run's folder.")],
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The .parquet file to write. Required.", show_default=False)
    ] = None,
) -> None:
    """Export a record."""
    from seedsweep.exchange.export import export_record
    from seedsweep.report.record import read_record

    if to is None:
        raise bad_input("--to: say where the table goes: give the name of a new .parquet file")
    try:
        rows = export_record(read_record(directory), to)
    except OSError as error:
        raise _unwritable(to, error) from error
    print(f"{to}: {rows:,} evaluations")


def _unwritable(path: Path, error: OSError) -> CommandError:
    return CommandError(f"{path}: cannot be written ({error.strerror or error}): give another place", Exit.FAILED)
