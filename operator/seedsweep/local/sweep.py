"""The loop on this machine, from the first start to the last record, whatever ends it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from seedsweep.api.reading.parse import refuse
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import Plan
from seedsweep.engine.layout import Layout
from seedsweep.engine.plan import plan
from seedsweep.engine.questions.footprint import Footprint, in_words
from seedsweep.local.checks.disk_space import space_problems
from seedsweep.local.checks.notes import notes
from seedsweep.local.checks.same_sweep import other_inputs
from seedsweep.local.checks.trainer import Trainable, check_trainer
from seedsweep.local.comparisons import Comparisons
from seedsweep.local.directory.ledger import Ledger
from seedsweep.local.directory.run_directory import RunDirectory
from seedsweep.local.interruption import Interruption
from seedsweep.local.machine.places import Place
from seedsweep.local.processes.attempts import ProcessAttempts
from seedsweep.local.processes.endings import left_over
from seedsweep.local.processes.environment import literal_environment
from seedsweep.local.processes.launchers import CommandLauncher, ForkLauncher, Launcher
from seedsweep.local.storage import Storage
from seedsweep.local.world import LocalWorld
from seedsweep.loop import reconcile
from seedsweep.report.record import read_record
from seedsweep.terminal import LiveView
from seedsweep.terminal.moment import progress_text


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a sweep runs."""

    file: Path
    """The sweep's."""
    directory: RunDirectory
    places: Sequence[Place]
    interruption: Interruption = field(default_factory=Interruption)
    """How others than signals stop it."""
    make_view: Callable[[Layout, Console], LiveView] = LiveView
    """What shows it as it runs."""

    @property
    def base(self) -> Path:
        """The folder of the sweep's file, from which its relative paths start."""
        return self.file.absolute().parent


def run_to_the_end(sweep: SeedSweep, setting: Setting, lock: int, console: Console) -> Plan | None:
    """Train until the sweep is over.

    Args:
        lock: the descriptor that claims the directory; processes hold it until they have ended.

    Returns:
        The last plan, or None where SIGINT or SIGTERM ended it: what ran has been told to save its state, and what it
        said is on record, so that another call goes on.

    Raises:
        InvalidSweepError: our trainer refuses it, or the disk has too little room; nothing was started.
        CancelledError: somebody else than a signal stopped it before anything was started.
        OSError: the directory cannot be written; what ran has been told to end.
    """
    return asyncio.run(_run(sweep, setting, lock, console))


async def _run(sweep: SeedSweep, setting: Setting, lock: int, console: Console) -> Plan | None:
    layout = Layout.of(sweep)
    directory = setting.directory
    launcher: Launcher = CommandLauncher(setting.base, lock)
    if layout.ours:
        launcher = ForkLauncher(_server_environment(sweep), directory.logs / "trainer.log", lock)
    this = asyncio.current_task()
    assert this is not None
    found = None
    try:
        if layout.ours:
            console.print("Loading model and data, once for all episodes.")
            with setting.interruption.heard(this.cancel):
                found, needed = await _check(layout, setting, launcher)
            console.print(f"Checkpoints take at most {in_words(needed)} of the disk at once.")
        for note in notes(layout, found):
            console.print(f"note: {note}", style="yellow", markup=False, highlight=False, soft_wrap=True)
        return await _train(sweep, setting, launcher, console)
    finally:
        await launcher.close()


async def _check(layout: Layout, setting: Setting, launcher: Launcher) -> tuple[Trainable, int]:
    """What can be trained here, and most bytes that its checkpoints take; raises InvalidSweepError."""
    directory = setting.directory
    log = directory.fresh_log("check")
    found = await check_trainer(layout.spec.trainer, setting.file, launcher, log)
    needed = Footprint.of(layout, len(setting.places)).bytes_of(found.parameters)
    problems = space_problems(directory.root, needed)
    if directory.sweep_file.exists():
        problems += other_inputs(read_record(directory.root).sweep.status, found, str(directory.root))
    if problems:
        raise refuse(setting.file, problems)
    return found, needed


async def _train(sweep: SeedSweep, setting: Setting, launcher: Launcher, console: Console) -> Plan | None:
    layout = Layout.of(sweep)
    directory = setting.directory
    ledger = Ledger(directory, sweep, layout)
    if ledger.status.start_time is not None:
        console.print(f"Going on. On record: {progress_text(ledger.status)}.", soft_wrap=True)
    attempts = ProcessAttempts(sweep.spec, directory, launcher, setting.base)
    storage = Storage(directory, layout, launcher, setting.base)
    world = LocalWorld(layout, ledger, attempts, storage, Comparisons(directory), setting.places)
    world.left_over = tuple(left_over(sweep.spec, directory, ledger.episodes))
    reader = asyncio.create_task(attempts.read_forever())
    try:
        stop = _Stop(attempts, console)
        heard = setting.interruption.heard(stop.ask, by_signal=True)
        with heard, setting.make_view(layout, console) as view:
            done = await _loop(layout, world, view, lambda: stop.asked)
            if done is None:
                await _wind_down(layout, world, attempts)
            return done
    except OSError:
        attempts.stop_all(save=True)
        await attempts.ended()
        raise
    finally:
        reader.cancel()
        if storage.hand_over is not None and storage.hand_over.error:
            console.print(f"warning: {storage.hand_over.error}", style="red", soft_wrap=True)


async def _loop(layout: Layout, world: LocalWorld, view: LiveView, interrupted: Callable[[], bool]) -> Plan | None:
    while not interrupted():
        todo = await reconcile(layout, world, _now)
        view.update(world.seen, todo, _now())
        if todo.finished:
            return todo
        await world.news(todo.look_again_in)
    return None


async def _wind_down(layout: Layout, world: LocalWorld, attempts: ProcessAttempts) -> None:
    """Everyone was told to save its state: what they said is put on record, and nothing new is begun."""
    await attempts.ended()
    todo = plan(layout, await world.observe(), _now())
    await world.record(todo.records)
    await world.publish(todo.status, todo.events)


class _Stop:
    """The first time that it is asked for, the loop ends and episodes save; the second time they stop at once."""

    def __init__(self, attempts: ProcessAttempts, console: Console) -> None:
        self.asked = False
        self._attempts = attempts
        self._console = console

    def ask(self) -> None:
        """Once more."""
        if not self.asked:
            self._console.print("Stopping: episodes save their state. Ctrl-C again stops them at once.")
        self._attempts.stop_all(save=not self.asked)
        self.asked = True
        self._attempts.news.set()


def _server_environment(sweep: SeedSweep) -> dict[str, str]:
    """What has to stand before our trainer's imports: the user's variables, and threads, which pools read once."""
    tuning = sweep.spec.trainer.fine_tuning
    threads = {"OMP_NUM_THREADS": str(tuning.threads_per_episode)} if tuning is not None else {}
    return {**threads, **literal_environment(sweep.spec.trainer)}


def _now() -> datetime:
    return datetime.now(UTC)
