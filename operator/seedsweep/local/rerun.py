"""`seedsweep run --episode`: one episode again, alone and to the end, and whether its curve is the recorded one."""

import asyncio
import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from seedsweep.api.checks import Problem
from seedsweep.api.episode import EndReason, EpisodeId, EpisodeStatus
from seedsweep.api.reading.parse import load_sweep, refuse
from seedsweep.api.sweep import SweepSpec
from seedsweep.codes import Exit
from seedsweep.contract.exits import LastWords
from seedsweep.contract.scrape import Expected
from seedsweep.engine.layout import Layout
from seedsweep.local.checks.cluster_only import local_problems
from seedsweep.local.checks.platform import require_posix
from seedsweep.local.checks.same_sweep import differences
from seedsweep.local.directory.run_directory import RunDirectory
from seedsweep.local.machine.hardware import usable_cores, visible_gpus
from seedsweep.local.machine.places import Place, find_places, place_problems
from seedsweep.local.machine.ports import LOOPBACK, free_port
from seedsweep.local.processes.endings import ending_of, last_words
from seedsweep.local.processes.environment import Start, contract_variables, launch_form
from seedsweep.local.processes.launchers import CommandLauncher
from seedsweep.local.request import Request
from seedsweep.parts import require
from seedsweep.report.record import read_record


def rerun_episode(request: Request, episode: EpisodeId, console: Console) -> Exit:
    """Train an episode again, in a folder of its own under OUT/reruns, and compare. The record is only read.

    Returns:
        COMPLETE where every recorded evaluation came out the same bit for bit; FAILED where not, or where the episode
        did not train to the end.

    Raises:
        InvalidSweepError, RecordError, RunDirectoryError: bad input; nothing was started.
        CommandError: our trainer is not installed, or it is Windows; nothing was started.
    """
    require_posix("run")
    sweep = load_sweep(request.file)
    spec = sweep.spec
    if spec.trainer.fine_tuning is not None:
        require("trainer")
    directory = request.directory(sweep)
    record = read_record(directory.root)
    recorded = next((entry.status for entry in record.episodes if entry.spec.id == episode), EpisodeStatus())
    gpus = visible_gpus(os.environ)
    places = find_places(spec, gpus, usable_cores())[:1]
    problems = [*differences(record.sweep, sweep, str(directory.root)), *local_problems(spec)]
    problems += place_problems(spec, gpus, places)
    if not recorded.scores:
        remedy = f"has no curve in {directory.root}: give an episode that was trained there, such as wi0-do0"
        problems.append(Problem("--episode", episode.name, remedy))
    elif recorded.sampled:
        remedy = "was sampled, and no two runs are sampled alike: only published curves can be compared"
        problems.append(Problem("--episode", episode.name, remedy))
    if problems:
        raise refuse(request.file, problems)
    evaluations = record.sweep.status.evaluations if record.sweep.status is not None else None
    layout = Layout.of(sweep)
    rungs = layout.rung_evaluations(evaluations)[layout.bracket_of[episode]] if evaluations is not None else ()
    apart = RunDirectory(directory.reruns / episode.name)
    apart.make()
    start = _start(apart, episode, rungs, places[0])
    what = f"{episode.name} of {sweep.metadata.name}"
    console.print(f"Training {what} again, fully and alone, in {apart.root}.", soft_wrap=True)
    with apart.lock() as lock:
        reason, words = asyncio.run(_train(spec, start, request.base, lock, apart.logs / f"{start.uid}.log"))
    if reason != EndReason.DONE or words.reading is None:
        console.print(f"It did not train to the end: {reason}. See {apart.logs}.", soft_wrap=True)
        return Exit.FAILED
    difference = compare_curves(recorded, words.reading.scores, words.reading.losses or ())
    if difference is not None:
        console.print(f"{what} is different from the record in {directory.root}: {difference}.", soft_wrap=True)
        return Exit.FAILED
    where = f"all {len(recorded.scores)} evaluations that are on record in {directory.root}"
    console.print(f"{what} is the same bit for bit in {where}.", soft_wrap=True)
    return Exit.COMPLETE


def compare_curves(
    recorded: EpisodeStatus, scores: Sequence[float | None], losses: Sequence[float | None]
) -> str | None:
    """The first recorded score or loss that is not the same now, in words; None where all are."""
    for what, before, now in (("score", recorded.scores, scores), ("loss", recorded.losses, losses)):
        if len(now) < len(before):
            return f"{len(before)} values of {what} are on record, {len(now)} came out"
        for i, (old, new) in enumerate(zip(before, now, strict=False), start=1):
            if old != new:
                return f"{what} of evaluation {i} was {old!r} and is {new!r} now"
    return None


def _start(apart: RunDirectory, episode: EpisodeId, rungs: tuple[int, ...], place: Place) -> Start:
    uid = str(uuid.uuid4())
    # Checkpoints of this attempt alone: from an earlier one it would resume.
    checkpoints = apart.work / uid
    (apart.attempts / uid).mkdir()
    checkpoints.mkdir()
    return Start(
        episode=episode,
        uid=uid,
        rungs=rungs,
        stop_after=None,
        port=free_port(),
        work=apart.attempts / uid,
        checkpoints=checkpoints,
        gpus=place.gpus,
    )


async def _train(spec: SweepSpec, start: Start, base: Path, lock: int, log: Path) -> tuple[EndReason, LastWords]:
    command, environment = launch_form(spec.trainer, contract_variables(spec, start, LOOPBACK, base))
    launcher = CommandLauncher(base, lock)
    try:
        running = await launcher.launch(command, environment, log)
        code = await running.wait()
    finally:
        await launcher.close()
    words = last_words(start.termination_log, Expected.of(spec.trainer.ranking_metric, start.episode, start.uid))
    return ending_of(code, words, log, datetime.now(UTC)).reason, words
