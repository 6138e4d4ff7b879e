"""`seedsweep run`: everything is checked before anything starts, and whatever happens ends in one exit code."""

from asyncio import CancelledError
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from rich.console import Console

from seedsweep.api.checks import Problem
from seedsweep.api.reading.parse import InvalidSweepError, load_sweep, refuse
from seedsweep.api.rules.growth import is_same
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.codes import Exit, exit_of
from seedsweep.engine.layout import Layout
from seedsweep.local.checks.machine import look_around
from seedsweep.local.checks.platform import require_posix
from seedsweep.local.checks.same_sweep import differences, missing_weights
from seedsweep.local.directory.run_directory import RunDirectory
from seedsweep.local.interruption import Interruption
from seedsweep.local.machine.places import Place
from seedsweep.local.next_steps import next_steps
from seedsweep.local.request import Request
from seedsweep.local.sweep import Setting, run_to_the_end
from seedsweep.parts import require
from seedsweep.report.record import read_record, read_sweep
from seedsweep.report.words import end_words
from seedsweep.terminal import LiveView, last_screen
from seedsweep.terminal.live import Show
from seedsweep.terminal.moment import progress_text
from seedsweep.terminal.noise import noise_words
from seedsweep.web.page import LivePage


class MakeView(Protocol):
    """Makes what shows a sweep as it runs."""

    def __call__(self, layout: Layout, console: Console, *, page: Show | None = None) -> LiveView:
        """With a page that shows it as well."""
        ...


def run_sweep(
    request: Request,
    console: Console,
    *,
    interruption: Interruption | None = None,
    make_view: MakeView = LiveView,
    page: LivePage | None = None,
) -> Exit:
    """Run a sweep, or go on with it.

    Args:
        interruption: stops it as Ctrl-C does. Absent: signals alone do.
        make_view: what shows it as it runs.
        page: shows it as well.

    Raises:
        InvalidSweepError, RecordError, RunDirectoryError: bad input; nothing was started.
        CommandError: our trainer or what writes the report is not installed, or it is Windows; nothing was started.
    """
    require_posix("run")
    sweep = load_sweep(request.file)
    directory = request.directory(sweep)
    if directory.sweep_file.exists() and _is_over(request, sweep, directory):
        if not directory.report.exists():
            return _finish_report(request.file, directory, console)
        console.print(f"This sweep is over already: nothing is left to do in {directory.root}.")
        return show_result(request.file, directory, console)
    spec = sweep.spec
    # Torch averages the weights of any trainer.
    needs_torch = spec.trainer.fine_tuning is not None or spec.result == "average"
    require(*(("trainer",) if needs_torch else ()), "report")
    places = _prepare(request, sweep)
    view = make_view if page is None else partial(make_view, page=page.show)
    setting = Setting(request.file, directory, places, interruption or Interruption(), view)
    try:
        directory.make()
    except OSError as error:
        remedy = f"cannot be written ({error.strerror}): give another folder with --out"
        raise refuse(request.file, [Problem("--out", str(directory.root), remedy)]) from error
    with directory.lock() as lock:
        over = None
        try:
            over = run_to_the_end(sweep, setting, lock, console)
            if over is not None:
                _write_report(directory.root)
        except (InvalidSweepError, KeyboardInterrupt, CancelledError):
            directory.unmake()
            if over is not None:
                _stop("Interrupted: the sweep is over, and the same command writes its report.", console, page)
            raise
        except BrokenPipeError:
            raise  # Nobody reads our output any more.
        except OSError as error:
            return _stop_unwritable(directory.root, error, console, page)
    if over is None:
        reached = progress_text(read_sweep(directory.root).status or SweepStatus())
        _stop(f"Interrupted: the same command goes on from here. On record: {reached}.", console, page)
        return Exit.INTERRUPTED
    return show_result(request.file, directory, console, page)


def _stop(why: str, console: Console, page: LivePage | None, style: str = "") -> None:
    console.print(why, style=style, soft_wrap=True)
    if page is not None:
        page.end(why)


def _stop_unwritable(place: Path, error: OSError, console: Console, page: LivePage | None = None) -> Exit:
    _stop(f"Stopped: {place} cannot be written: {error}.", console, page, style="red")
    console.print("Make room there; then the same command goes on from here.")
    return Exit.FAILED


def show_result(file: Path, directory: RunDirectory, console: Console, page: LivePage | None = None) -> Exit:
    """Show the last screen of what is on record of the sweep in a file; the exit code says how it ended."""
    record = read_record(directory.root)
    steps = list(next_steps(file, directory.root, record))
    console.print(last_screen(*record, steps, noise_words(directory.root, record)), crop=False)
    if page is not None:
        page.end(end_words(record.sweep.metadata.name, record.sweep.status or SweepStatus()), steps)
    return exit_of(record.sweep.status)


def _is_over(request: Request, sweep: SeedSweep, directory: RunDirectory) -> bool:
    """Whether the record, which must be of this sweep, is complete."""
    recorded = read_record(directory.root).sweep
    grows = not is_same(recorded.spec.seeds, sweep.spec.seeds)
    problems = differences(recorded, sweep, str(directory.root))
    if grows and not problems:
        problems = missing_weights(recorded, directory)
    if problems:
        raise refuse(request.file, problems)
    status = recorded.status
    return status is not None and status.completion_time is not None and not status.hand_over_failed and not grows


def _prepare(request: Request, sweep: SeedSweep) -> Sequence[Place]:
    """Find the places where the sweep runs, and what would stand in its way; the trainer is asked later."""
    places, problems = look_around(sweep, request.base)
    if problems:
        raise refuse(request.file, problems)
    return places[: request.parallelism]


def _finish_report(file: Path, directory: RunDirectory, console: Console) -> Exit:
    """Write the report of a sweep that is over, which an interruption had kept from it."""
    require("report")
    try:
        _write_report(directory.root)
    except OSError as error:
        return _stop_unwritable(directory.report, error, console)
    console.print(f"This sweep is over already: its report was missing, and was written in {directory.root}.")
    return show_result(file, directory, console)


def _write_report(folder: Path) -> None:
    # Imported late: figures and statistics load slowly, and nothing before the end needs them.
    from seedsweep.report.page import write_report

    write_report(folder)
