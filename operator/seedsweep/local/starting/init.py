"""`seedsweep init`: write a first sweep, which `seedsweep check` finds nothing wrong with."""

import os
from dataclasses import dataclass
from pathlib import Path

from seedsweep.codes import CommandError, Exit, bad_input
from seedsweep.files import create_whole
from seedsweep.local.starting.columns import find_columns
from seedsweep.local.starting.sweep_text import Draft, data_text, name_of, task_text
from seedsweep.local.starting.table import read_rows

TASKS = ("cola", "mrpc", "rte", "sst2")


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed."""

    to: Path
    model: str
    data: Path | None = None
    text: str = ""
    label: str = ""
    task: str | None = None
    path: Path | None = None


def write_first_sweep(request: Request) -> None:
    """Write the file, which must be new; raises CommandError."""
    if (request.data is None) == (request.task is None):
        raise bad_input("--data, --task: give --data FILE for a file of yours, or --task NAME for a task of GLUE")
    text = _task(request) if request.task is not None else _data(request)
    try:
        is_new = create_whole(request.to, text.encode())
    except OSError as error:
        raise CommandError(
            f"--to: {request.to} cannot be written ({error.strerror}): give another place", Exit.FAILED
        ) from error
    if not is_new:
        raise bad_input(f"--to: {request.to} is there already: give another name, or remove it")


def _task(request: Request) -> str:
    if request.task not in TASKS:
        raise bad_input(f"--task: {request.task!r} is not known: give one of {', '.join(TASKS)}")
    if request.path is None:
        raise bad_input("--path: say where the task's train.tsv and dev.tsv are: give their folder")
    return task_text(_draft(request, request.task, request.path), request.task)


def _data(request: Request) -> str:
    assert request.data is not None
    found = find_columns(*read_rows(request.data), text=request.text, label=request.label)
    return data_text(_draft(request, request.data.stem, request.data), found)


def _draft(request: Request, name: str, source: Path) -> Draft:
    return Draft(name_of(name), request.model, Path(os.path.relpath(source, request.to.parent)).as_posix())
