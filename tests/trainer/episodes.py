"""Episodes of the tiny models, trained in this process, interrupted and killed where a test wants it."""

import os
import signal
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.protocol import Message, Outcome
from seedsweep_trainer.jobs.train import train_attempt
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.storage.durable import file_digest


class Watched(Reporter):
    """A reporter that calls `at_step` after each optimizer step."""

    def __init__(self, stop_after: int | None, at_step: Callable[["Watched", int], None]) -> None:
        super().__init__(stop_after=stop_after)
        self._at_step = at_step

    def stepped(self, step: int) -> None:
        super().stepped(step)
        self._at_step(self, step)


@dataclass
class Episode:
    """One episode's folder and configuration; its attempts come one after the other."""

    folder: Path
    config: FineTuning
    rungs: tuple[int, ...] = ()
    seeds: tuple[int, int] = (1, 2)

    def attempt(
        self,
        uid: str,
        stop_after: int | None = None,
        sigterm_at: Container[int] = (),
        at_step: Callable[[Watched, int], None] = lambda _reporter, _step: None,
    ) -> tuple[Outcome, Message]:
        """Train, with SIGTERM after each of the steps `sigterm_at`; how it ended, and all that it told."""
        terminated = Event()

        def watch(reporter: Watched, step: int) -> None:
            at_step(reporter, step)
            if step in sigterm_at:
                terminated.set()

        reporter = Watched(stop_after, watch)
        attempt = Attempt(uid, *self.seeds, self.config, self.rungs, stop_after, str(self.folder))
        return train_attempt(attempt, reporter, terminated), reporter.message

    def record(self) -> dict[str, str]:
        """Digests of all that the episode left behind, by path, whichever attempt wrote it."""
        files = sorted(file for file in self.folder.rglob("*") if file.is_file())
        return {self._place(file): file_digest(file) for file in files}

    def _place(self, file: Path) -> str:
        return "/".join(["ATTEMPT", *file.relative_to(self.folder).parts[1:]])


def killed(run: Callable[[], object]) -> bool:
    """Run in a forked process, which may kill itself as SIGKILL does; whether it did. Its other failures are raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


def kill() -> None:
    """Die without another word."""
    os.kill(os.getpid(), signal.SIGKILL)
