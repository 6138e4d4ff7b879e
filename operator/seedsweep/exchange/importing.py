"""`seedsweep import`: what others recorded becomes the folder that `seedsweep report` reads, whole or not at all."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from seedsweep.exchange.build import About, Short, build_record
from seedsweep.exchange.names import group_name, record_name, unique_name
from seedsweep.exchange.points import ImportProblemError, Point
from seedsweep.exchange.runs import EVENTS, STATE, Named, find_boards, find_states, read_boards, read_states
from seedsweep.exchange.tables import SUFFIXES, Columns, Group, read_rows, read_table
from seedsweep.exchange.told import Goal, Told
from seedsweep.exchange.wandb import is_panel, read_panel
from seedsweep.report.record import Record, write_record
from seedsweep.report.words import counted

MAX_RECORDS = 1_000
"""Of one import."""


@dataclass(frozen=True)
class Request:
    """What was typed."""

    source: Path
    to: Path
    goal: Goal | None
    metric: str | None = None
    """Absent: the name of the column of scores."""
    name: str | None = None
    """Absent: that of the source."""
    columns: Columns = field(default_factory=Columns)
    seeds_in: str | None = None
    baseline: float | None = None
    evaluations: int | None = None
    short: Short | None = None


@dataclass(frozen=True)
class Imported:
    """A record that was written."""

    folder: Path
    record: Record
    notes: tuple[str, ...]

    @property
    def size(self) -> str:
        """How much there is, in words."""
        planned = self.record.sweep.spec.trainer.evaluations or 0
        return f"{counted(len(self.record.episodes), 'run')} of {counted(planned, 'evaluation')}"


def import_runs(request: Request, now: datetime) -> list[Imported]:
    """Read the source and write its records: one in the folder, or one below it for each combination of --by.

    Raises:
        ImportProblemError: nothing was written; the message says why and what to do.
        OSError: the folder cannot be written.
    """
    if request.baseline is not None and not math.isfinite(request.baseline):
        raise ImportProblemError(
            "--baseline: is no finite number: give the score of a constant answer, or leave it out"
        )
    _check_place(request.to)
    if request.to.exists() and (not request.to.is_dir() or any(request.to.iterdir())):
        raise ImportProblemError(f"--to: {request.to} is there and not empty: give a new folder")
    groups, told = _read(request)
    if len(groups) > MAX_RECORDS:
        raise ImportProblemError(
            f"--by: gives {len(groups):,} records, more than {MAX_RECORDS:,}: choose rows with --where, or name other "
            "columns"
        )
    base = request.name or request.source.resolve().stem
    records: dict[str, tuple[Record, list[str]]] = {}
    for group in sorted(groups):
        name = group_name(base, group, {record.sweep.metadata.name for record, _ in records.values()})
        folder = unique_name(record_name("-".join(group)), records) if group else ""
        about = About(
            name=name,
            metric=request.metric or told[group].metric,
            goal=_goal(request.goal, told[group].goal),
            source=_source(request, group),
            now=now,
            baseline=request.baseline if request.baseline is not None else told[group].baseline,
            evaluations=request.evaluations,
            told=told[group],
            tried=request.columns.score or ("score",),
            short=request.short,
        )
        records[folder] = build_record(groups[group], about)
    _write(request.to, {folder: record for folder, (record, _) in records.items()})
    return [Imported(request.to / folder, record, tuple(notes)) for folder, (record, notes) in records.items()]


def _goal(given: Goal | None, told: Goal | None) -> Goal:
    if given is not None and told is not None and given != told:
        raise ImportProblemError(f"--goal: is {given}, and the table says {told}: leave --goal out")
    goal = given or told
    if goal is None:
        raise ImportProblemError(
            "--goal: nothing in the source says whether a higher or a lower score is better: give --goal maximize, or "
            "--goal minimize"
        )
    return goal


def _check_place(to: Path) -> None:
    if to.absolute() == Path.cwd() or to.resolve() == Path.cwd():
        raise ImportProblemError(f"--to: {to} is the folder you are in: give the name of a new folder")
    if to.name in ("", ".."):
        raise ImportProblemError(f"--to: {to} is a folder that is there: give the name of a new folder")


def _source(request: Request, group: Group) -> str:
    told = [f"{name}={value}" for name, value in request.columns.where.items()]
    told += [f"{name}={value}" for name, value in zip(request.columns.by, group, strict=True)]
    return f"imported from {request.source.name}" + (f" ({', '.join(told)})" if told else "")


def _read(request: Request) -> tuple[Mapping[Group, list[Point]], Mapping[Group, Told]]:
    source, columns = request.source, request.columns
    if not source.exists():
        raise ImportProblemError(f"{source}: is not there: give a file or a folder")
    if source.suffix.lower() in SUFFIXES and source.is_file():
        if source.suffix.lower() == ".csv" and is_panel(read_rows(source)[0]):
            named = _named(request, "a run's column is called 'NAME - METRIC'")
            return {(): read_panel(source, named)}, {(): Told(named.score)}
        return read_table(source, columns)
    if source.name == STATE and source.is_file():
        named = _named(request, "give a key of log_history, like eval_accuracy")
        return {(): read_states([source], named)}, {(): Told(named.score)}
    if source.is_dir():
        return _read_folder(request)
    raise ImportProblemError(
        f"{source}: of no known kind: give a table ({', '.join(SUFFIXES)}), a {STATE}, or a folder with runs of "
        "TensorBoard or of transformers' Trainer"
    )


def _read_folder(request: Request) -> tuple[Mapping[Group, list[Point]], Mapping[Group, Told]]:
    # The Trainer writes event files too: its own state says more, and says it exactly.
    states = find_states(request.source)
    if states:
        named = _named(request, "give a key of log_history, like eval_accuracy")
        return {(): read_states(states, named)}, {(): Told(named.score)}
    boards = find_boards(request.source)
    if boards:
        named = _named(request, "give the tag of a scalar, like eval/accuracy")
        return {(): read_boards(boards, named)}, {(): Told(named.score)}
    raise ImportProblemError(
        f"{request.source}: holds no {STATE} and no event files ({EVENTS}): give a folder with runs, or a table"
    )


def _named(request: Request, hint: str) -> Named:
    """What is read of runs that have names in place of columns of seeds."""
    columns = request.columns
    if columns.by or columns.where:
        raise ImportProblemError("--by and --where choose rows of a table: this source has none; leave them out")
    if columns.seed or columns.weight_init or columns.data_order or columns.evaluation or columns.step:
        raise ImportProblemError(
            "--seed, --weight-init, --data-order, --evaluation and --step name columns of a table: here names of runs "
            "hold the seeds (--seeds-in), and evaluations follow their steps; leave them out"
        )
    if len(columns.score) != 1:
        raise ImportProblemError(f"--score: say which score ranks: {hint}")
    return Named(columns.score[0], columns.loss, request.seeds_in, columns.number_runs)


def _write(to: Path, records: Mapping[str, Record]) -> None:
    partial = to.with_name(f".{to.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for folder, record in records.items():
            (partial / folder).mkdir(parents=True, exist_ok=True)
            write_record(partial / folder, record)
        if to.exists():
            to.rmdir()
        partial.replace(to)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def parse_where(texts: list[str]) -> dict[str, str]:
    """COLUMN=VALUE, any number of times; raises ImportProblemError."""
    found: dict[str, str] = {}
    for text in texts:
        column, equals, value = text.partition("=")
        if not equals or not column:
            raise ImportProblemError(f"--where: {text!r} is not COLUMN=VALUE: like recipe=stable")
        if found.setdefault(column, value) != value:
            raise ImportProblemError(f"--where: {column} cannot be both {found[column]!r} and {value!r}: give one")
    return found
