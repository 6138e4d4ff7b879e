"""A sweep from Python: `seedsweep.run`, in a script and in a notebook, whose event loop runs already."""

import asyncio
import contextvars
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from os import PathLike
from pathlib import Path

from rich.console import Console

from seedsweep.api.reading.parse import load_sweep
from seedsweep.codes import Exit, bad_input
from seedsweep.local.interruption import Interruption
from seedsweep.local.request import Request
from seedsweep.local.run import run_sweep
from seedsweep.notebook.cell import CellScreen
from seedsweep.notebook.event_loop import loop_runs
from seedsweep.notebook.loading import Run, load
from seedsweep.terminal import LiveView

HEARD_WITHIN = 0.2
"""An interrupt, in seconds."""


def run(
    file: str | PathLike[str],
    *,
    out: str | PathLike[str] | None = None,
    parallelism: int | None = None,
    progress: bool = True,
) -> Run:
    """Train a sweep on this machine, or go on with one that was interrupted, as `seedsweep run` does.

    Returns when it is over, also where it failed: `.sweep.status.phase` says how it ended. Of a sweep that is over
    already nothing is trained again.

    Args:
        file: a SeedSweep in YAML. Relative paths in it start from its folder.
        out: the run's folder. Absent: runs/NAME.
        parallelism: train at most so many episodes at once. Absent: as many as the file says and the machine can.
        progress: show the live view and the last screen.

    Raises:
        InvalidSweepError, RecordError: bad input, a ValueError that names each problem; nothing was started.
        RunDirectoryError: another run is at work in the folder.
        CommandError: bad input, or a part of SeedSweep is not installed; nothing was started.
        KeyboardInterrupt: it was interrupted, and episodes have saved their state: the same call goes on from here.
    """
    if parallelism is not None and parallelism < 1:
        raise bad_input(f"parallelism: must be at least 1 (found {parallelism})")
    request = Request(Path(file), Path(out) if out is not None else None, parallelism)
    folder = request.directory(load_sweep(request.file)).root
    console = Console(quiet=not progress)
    code = _in_a_thread(request, console) if loop_runs() else run_sweep(request, console)
    if code == Exit.INTERRUPTED:
        raise KeyboardInterrupt
    return load(folder)


def _in_a_thread(request: Request, console: Console) -> Exit:
    """While this thread waits: KeyboardInterrupt reaches it alone, and is passed on."""
    interruption = Interruption()
    make_view = partial(LiveView, screen=CellScreen()) if console.is_jupyter else LiveView
    work = partial(run_sweep, request, console, interruption=interruption, make_view=make_view)
    with ThreadPoolExecutor(1) as thread:
        # What a notebook shows goes to the cell that the context names.
        ending = thread.submit(contextvars.copy_context().run, work)
        while True:
            try:
                return _result(ending)
            except KeyboardInterrupt:
                if ending.done():
                    raise
                interruption.ask()


def _result(ending: "Future[Exit]") -> Exit:
    try:
        # A signal may reach another thread: this one, which alone raises KeyboardInterrupt, then sleeps on.
        while not ending.done():
            wait([ending], timeout=HEARD_WITHIN)
        return ending.result()
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
