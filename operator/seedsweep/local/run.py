"""`seedsweep run`: everything is checked before anything starts, and whatever happens ends in one exit code."""

import os
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from seedsweep.api.checks import Problem
from seedsweep.api.reading.parse import InvalidSweepError, load_sweep
from seedsweep.api.sweep import SeedSweep
from seedsweep.codes import Exit, exit_of
from seedsweep.engine.layout import Layout
from seedsweep.local.environment import local_problems
from seedsweep.local.nextsteps import next_steps
from seedsweep.local.places import find_places, place_problems, usable_cores, visible_gpus
from seedsweep.local.resume import differences
from seedsweep.local.rundir import RunDirectory
from seedsweep.local.runner import Setting, run_to_the_end
from seedsweep.report.record import read_record
from seedsweep.terminal import last_screen


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed."""

    file: Path
    out: Path | None = None
    """Absent: runs/NAME."""
    parallelism: int | None = None
    """At most so many episodes at once, whatever the file says."""

    @property
    def base(self) -> Path:
        """The folder that relative paths in the file start from."""
        return self.file.absolute().parent

    @property
    def source(self) -> str:
        """How errors call the file."""
        return str(self.file)


def run_sweep(request: Request, console: Console) -> Exit:
    """Run a sweep, or go on with it.

    Raises:
        InvalidSweepError, RecordError, RunDirectoryError: bad input; nothing was started.
    """
    sweep = load_sweep(request.file)
    directory = RunDirectory(request.out or Path("runs") / sweep.metadata.name)
    if directory.sweep_file.exists() and _is_over(request, sweep, directory):
        console.print(f"This sweep is over already: nothing is left to do in {directory.root}.")
        return show_result(directory, console)
    setting = _prepare(request, sweep, directory)
    try:
        directory.make()
    except OSError as error:
        remedy = f"cannot be written ({error.strerror}): give another folder with --out"
        raise InvalidSweepError(request.source, [Problem("--out", str(directory.root), remedy)]) from error
    with directory.lock() as lock:
        try:
            over = run_to_the_end(sweep, setting, lock, console)
            if over is not None:
                write_report(directory.root)
        except (InvalidSweepError, KeyboardInterrupt):
            directory.unmake()
            raise
        except BrokenPipeError:
            raise  # Nobody reads our output any more.
        except OSError as error:
            console.print(f"Stopped: {directory.root} cannot be written: {error}.", style="red", soft_wrap=True)
            console.print("Make room there; then the same command goes on from here.")
            return Exit.FAILED
    if over is None:
        console.print("Interrupted: the same command goes on from here.")
        return Exit.INTERRUPTED
    return show_result(directory, console)


def show_result(directory: RunDirectory, console: Console) -> Exit:
    """Show the last screen of what is on record; the exit code says how it ended."""
    record = read_record(directory.root)
    steps = list(next_steps(directory.root, record))
    console.print(last_screen(record.sweep, record.episodes, record.cuts, steps), crop=False)
    return exit_of(record.sweep.status)


def _is_over(request: Request, sweep: SeedSweep, directory: RunDirectory) -> bool:
    """Whether the record, which must be of this sweep, is complete."""
    recorded = read_record(directory.root).sweep
    problems = differences(recorded, sweep, str(directory.root))
    if problems:
        raise InvalidSweepError(request.source, problems)
    status = recorded.status
    return status is not None and status.completion_time is not None and not status.hand_over_failed


def _prepare(request: Request, sweep: SeedSweep, directory: RunDirectory) -> Setting:
    """Find out where the sweep runs, and what would stand in its way; the trainer is asked later."""
    spec = sweep.spec
    gpus = visible_gpus(os.environ)
    places = find_places(spec, gpus, usable_cores())[: request.parallelism]
    problems = [*local_problems(spec), *place_problems(spec, gpus, places)]
    evaluations = spec.trainer.planned_evaluations
    if evaluations is not None:
        # Generated rungs are known only now; listed ones were checked with the file.
        problems += Layout.of(sweep).problems(evaluations)
    if problems:
        raise InvalidSweepError(request.source, problems)
    return Setting(request.source, directory, request.base, places)


def write_report(folder: Path) -> None:
    """Write report.html."""
    # Imported late: figures and statistics load slowly, and nothing before the end needs them.
    from seedsweep.report import page

    page.write_report(folder)
