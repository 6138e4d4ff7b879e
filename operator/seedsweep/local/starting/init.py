"""`seedsweep init`: write a first sweep, which `seedsweep check` finds nothing wrong with."""

import os
from dataclasses import dataclass
from pathlib import Path

from seedsweep.api.sweep import sweep_name
from seedsweep.codes import bad_input
from seedsweep.local.starting.columns import Found, find_columns
from seedsweep.local.starting.sweep_text import Draft, data_text, task_text
from seedsweep.local.starting.table import read_rows
from seedsweep.new_file import write_new

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


def write_first_sweep(request: Request) -> Found | None:
    """Write the file, which must be new; returns what was found in a file of examples. Raises CommandError."""
    if (request.data is None) == (request.task is None):
        raise bad_input("--data, --task: give --data FILE for a file of yours, or --task NAME for a task of GLUE")
    found = None
    if request.data is not None:
        found = find_columns(*read_rows(request.data), request.data, text=request.text, label=request.label)
        text = data_text(_draft(request, request.data.stem, request.data), found)
    else:
        text = _task(request, request.task or "")
    write_new("--to", request.to, text.encode())
    return found


def _task(request: Request, task: str) -> str:
    if task not in TASKS:
        raise bad_input(f"--task: {task!r} is not known: give one of {', '.join(TASKS)}")
    if request.path is None:
        raise bad_input("--path: say where the task's train.tsv and dev.tsv are: give their folder")
    return task_text(_draft(request, task, request.path), task)


def _draft(request: Request, name: str, source: Path) -> Draft:
    return Draft(
        sweep_name(name) or "sweep", request.model, Path(os.path.relpath(source, request.to.parent)).as_posix()
    )
