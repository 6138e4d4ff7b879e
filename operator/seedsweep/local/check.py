"""`seedsweep check`: every problem of a file at once, or what its sweep comes to. Nothing is started or written."""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from rich.console import Console

from seedsweep.api.checks import Problem
from seedsweep.api.reading.parse import InvalidSweepError, load_sweep, read_parts, refuse
from seedsweep.api.recorded import shortened
from seedsweep.api.sweep import SeedSweep
from seedsweep.codes import CommandError
from seedsweep.engine.layout import Layout
from seedsweep.engine.questions.census import planned_steps, planned_waves
from seedsweep.engine.questions.footprint import Footprint, in_words
from seedsweep.local.checks.data import data_problems, model_problems
from seedsweep.local.checks.disk_space import space_problems
from seedsweep.local.checks.machine import look_around, sweep_problems
from seedsweep.local.checks.notes import notes
from seedsweep.local.checks.platform import TRAINING_PLATFORMS, can_train
from seedsweep.local.checks.trainer import Trainable, check_trainer
from seedsweep.local.machine.places import Place
from seedsweep.local.processes.launchers import CommandLauncher
from seedsweep.local.request import Request
from seedsweep.parts import require
from seedsweep.report.words import counted, duration_text, share_text
from seedsweep.terminal.remaining import makespan

_TITLE_WIDTH = 10
_LISTED_CLASSES = 8
_LABEL_WIDTH = 40


def check_file(request: Request, console: Console, *, for_cluster: bool, with_trainer: bool) -> None:
    """Print what the sweep comes to.

    Args:
        for_cluster: it is to run on a cluster: files, places and disk of this machine do not matter.
        with_trainer: let our trainer load model and data, where it is installed.

    Raises:
        InvalidSweepError: every problem that was found.
    """
    sweep = _valid(request, for_cluster=for_cluster)
    places: Sequence[Place] | None = None
    if for_cluster:
        problems = sweep_problems(sweep)
    else:
        found, problems = look_around(sweep, request.base)
        places = found[: request.parallelism]
    if problems:
        raise refuse(request.file, problems)
    trainable, unasked = None, "" if sweep.spec.trainer.fine_tuning is None else _why_unasked(for_cluster, with_trainer)
    if sweep.spec.trainer.fine_tuning is not None and not unasked:
        with console.status("Loading model and data"):
            trainable = _ask_trainer(sweep, request)
    layout = Layout.of(sweep)
    if trainable is not None and places is not None:
        needed = Footprint.of(layout, len(places)).bytes_of(trainable.parameters)
        if short := space_problems(request.directory(sweep).root, needed):
            raise refuse(request.file, short)
    console.print(f"{request.file}: no problem found", markup=False, highlight=False, soft_wrap=True)
    for title, text in _plan(layout, places, trainable):
        console.print(f"  {title:<{_TITLE_WIDTH}} {text}", markup=False, highlight=False, soft_wrap=True)
    for note in notes(layout, trainable):
        console.print(
            f"  {'note':<{_TITLE_WIDTH}} {note}", style="yellow", markup=False, highlight=False, soft_wrap=True
        )
    if unasked:
        console.print(f"Model and data were not loaded: {unasked}", markup=False, highlight=False, soft_wrap=True)


def _valid(request: Request, *, for_cluster: bool) -> SeedSweep:
    """The sweep; of one that is not valid, what is wrong with its data and model is said as well."""
    try:
        return load_sweep(request.file)
    except InvalidSweepError as error:
        dataset, model = (None, None) if for_cluster else read_parts(request.file)
        more: list[Problem] = []
        if model is not None:
            more += model_problems(model, request.base)
        if dataset is not None:
            more += data_problems(dataset, request.base)
        if not more:
            raise
        raise refuse(request.file, [*error.problems, *more]) from error


def _why_unasked(for_cluster: bool, with_trainer: bool) -> str:
    if for_cluster:
        return "they are the cluster's"
    if not with_trainer:
        return "leave out --no-trainer for that"
    if not can_train():
        return f"that needs {TRAINING_PLATFORMS}"
    try:
        require("trainer")
    except CommandError as error:
        return str(error)
    return ""


def _ask_trainer(sweep: SeedSweep, request: Request) -> Trainable:
    with tempfile.TemporaryDirectory(prefix="seedsweep-") as folder:
        # A trainer holds this descriptor as long as it lives: here nobody waits for it.
        lock = os.open(folder, os.O_RDONLY)
        try:
            return asyncio.run(_check(sweep, request, lock, Path(folder) / "check.log"))
        finally:
            os.close(lock)


async def _check(sweep: SeedSweep, request: Request, lock: int, log: Path) -> Trainable:
    launcher = CommandLauncher(request.base, lock)
    try:
        return await check_trainer(sweep.spec.trainer, request.file, launcher, log, timed=True)
    finally:
        await launcher.close()


def _plan(layout: Layout, places: Sequence[Place] | None, found: Trainable | None) -> Iterator[tuple[str, str]]:
    """What the sweep comes to, in lines with titles."""
    evaluations = found.evaluations if found is not None else layout.spec.trainer.planned_evaluations
    inits, orders = ({episode[i] for episode in layout.episodes} for i in (0, 1))
    seeds = f"{counted(len(inits), 'weight-init seed')}, {counted(len(orders), 'data-order seed')}"
    yield "episodes", f"{len(layout.episodes):,} ({seeds})"
    yield "stopping", "; ".join(_stopping(layout, evaluations)) or "none: all episodes train fully"
    if found is not None:
        planned, full = planned_steps(layout, found.evaluations, found.steps), found.steps * len(layout.episodes)
        saved = f": {share_text(full - planned, full)} less than training all fully" if planned < full else ""
        yield "steps", f"{found.steps:,} an episode, at most {planned:,} of {full:,} in all{saved}"
        yield "data", ", ".join(f"{size:,} {part}" for part, size in found.examples.items()) + " examples"
        if found.classes is not None:
            yield "classes", classes_in_words(found.classes)
    if places is None:
        yield "places", f"at most {layout.spec.parallelism:,} at once"
        yield "time", "not known before episodes train there: `seedsweep watch` shows the time left"
        return
    device = "each on " + places[0].device if places[0].gpus else "on CPU cores"
    yield "places", f"{len(places):,} at once, {device}"
    if found is not None:
        needed = Footprint.of(layout, len(places)).bytes_of(found.parameters)
        yield "disk", f"at most {in_words(needed)} for checkpoints of {found.parameters:,} parameters"
    if found is None and layout.spec.trainer.fine_tuning is not None:
        return  # Model and data were not loaded, which is said below.
    yield "time", time_in_words(layout, len(places), found)


def time_in_words(layout: Layout, places: int, found: Trainable | None) -> str:
    """About how long the sweep takes, where our trainer has measured a step."""
    if found is None or found.step_seconds is None or found.evaluation_seconds is None:
        why = "a trainer of your own is not tried" if found is None else "a model of this size is not tried"
        return f"not known, as {why}: `seedsweep run` shows the time left from the first evaluations on"
    # A cut needs every score of its rung: a wave begins when the one before it has ended.
    waves = planned_waves(layout, found.evaluations, found.steps)
    steps = sum(makespan(chain(*([float(length)] * running for running, length in wave)), places) for wave in waves)
    seconds = steps * (found.step_seconds + found.evaluation_seconds * found.evaluations / found.steps)
    measured = f"{found.step_seconds:.2g} s a step, {found.evaluation_seconds:.2g} s an evaluation"
    return f"about {duration_text(seconds)} ({measured}, as measured now for one episode alone)"


def classes_in_words(sizes: Mapping[str, int]) -> str:
    """How large they are: a label that was mistyped shows as a class of its own."""
    if len(sizes) > _LISTED_CLASSES:
        return f"{len(sizes):,}; each has {min(sizes.values()):,} to {max(sizes.values()):,} of the train examples"
    listed = ", ".join(f"{size:,} {shortened(label, _LABEL_WIDTH)!r}" for label, size in sizes.items())
    return f"{len(sizes):,}; train has {listed}"


def _stopping(layout: Layout, evaluations: int | None) -> Iterator[str]:
    of = f" of {evaluations}" if evaluations is not None else ""
    marks = layout.rung_evaluations(evaluations) if evaluations is not None else None
    if layout.floor is not None:
        at = f"evaluation {marks[0][0]}{of}" if marks is not None else f"{layout.floor.at_percent} %"
        yield f"who is below the floor at {at} stops; {counted(layout.budget, 'full run')} may be spent"
        for i, rung in enumerate(layout.rungs[0], start=layout.first_cut):
            at = f"evaluation {marks[0][i]}{of}" if marks is not None else f"{rung.at_percent} %"
            yield f"of those above it {rung.keep:,} go on at {at}"
        return
    for bracket, (size, ladder) in enumerate(zip(layout.sizes, layout.rungs, strict=True)):
        name = f"bracket {bracket}: " if len(layout.sizes) > 1 else ""
        steps = [
            f"{min(rung.keep, size):,} go on at "
            + (f"evaluation {marks[bracket][i]}{of}" if marks is not None else f"{rung.at_percent} %")
            for i, rung in enumerate(ladder)
        ]
        if steps:
            yield f"{name}of {size:,} episodes " + ", ".join(steps)
