"""`seedsweep seeds` as it is typed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from seedsweep.codes import Exit, bad_input

SEEDS_HELP = """
Tell whether some weight initialisations are good on several tasks.

Each RECORD is the folder of a sweep over a grid of weight-init and data-order seeds: one task each, all with the same
model. Initialisations are matched by the recorded digest of their new tensors.

Exit codes: 0 tested; 11 not testable; 2 bad input.
"""
NOT_TESTABLE = 11


def _by(text: str) -> str:
    if text not in ("digest", "number"):
        raise bad_input(f"--by: {text[:60]!r} is not known: give digest or number")
    return text


def seeds_command(
    records: Annotated[list[Path], typer.Argument(metavar="RECORD", help="Records, one per task.")],
    by: Annotated[
        str,
        typer.Option(
            parser=_by,
            metavar="digest|number",
            help="Match initialisations by their tensors, or by the number of the weight-init seed.",
        ),
    ] = "digest",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
) -> None:
    """Look for good initialisations."""
    from seedsweep.studies.seeds.initializations import read_tasks, study_initializations
    from seedsweep.studies.seeds.words import study_json, study_lines

    by_number = by == "number"
    found = study_initializations(read_tasks(records, by_number=by_number))
    if as_json:
        print(json.dumps(study_json(found), indent=2, allow_nan=False))
    else:
        print("\n".join(study_lines(found, by_number=by_number)))
    raise typer.Exit(Exit.COMPLETE if found.agreement is not None else NOT_TESTABLE)
