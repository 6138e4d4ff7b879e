"""Episodes of the tiny models, trained in this process, interrupted and killed where a test wants it."""

import hashlib
import os
import signal
from collections.abc import Callable, Container, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import patch

import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import Message, Outcome
from seedsweep_trainer.checkpoints import saving
from seedsweep_trainer.checkpoints.checkpoint import state_of, weights_of
from seedsweep_trainer.checkpoints.saving import Clock
from seedsweep_trainer.jobs.train import train_attempt
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.storage.durable import file_digest
from seedsweep_trainer.training import loop
from seedsweep_trainer.training.step import Learner


class Watched(Reporter):
    """A reporter that calls `at_step` after each optimizer step."""

    def __init__(self, stop_after: int | None, at_step: Callable[["Watched", int], None]) -> None:
        super().__init__(stop_after=stop_after)
        self._at_step = at_step

    def stepped(self, step: int) -> None:
        super().stepped(step)
        self._at_step(self, step)


class AtOnce(Executor):
    """Writes while training waits, so that what is written when does not depend on how fast a disk is."""

    def __init__(self, max_workers: int) -> None:
        """Like that of ThreadPoolExecutor."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(call(*args, **options))
        except Exception as error:
            done.set_exception(error)
        return done


@dataclass
class Episode:
    """One episode's folder and configuration; its attempts come one after the other, in simulated time."""

    folder: Path
    config: FineTuning
    rungs: tuple[int, ...] = ()
    seeds: tuple[int, int] = (1, 2)
    step_seconds: float = 0.0
    """What an optimizer step takes of simulated time. Above 0, all is written at once."""
    learners: list[Learner] = field(default_factory=list)
    """Of the attempts in this process."""
    last: str = ""
    """The last of these."""
    work: Path | None = None
    """Where each attempt has a folder of its own."""
    storage: str | None = None
    """The sweep's, a path or a URI."""

    def attempt(
        self,
        uid: str,
        stop_after: int | None = None,
        sigterm_at: Container[int] = (),
        at_step: Callable[[Watched, int], None] = lambda _reporter, _step: None,
    ) -> tuple[Outcome, Message]:
        """Train, with SIGTERM after each of the steps `sigterm_at`; how it ended, and all that it told."""
        terminated = Event()
        self.last = uid
        time = 0.0

        def watch(reporter: Watched, step: int) -> None:
            nonlocal time
            time += self.step_seconds
            at_step(reporter, step)
            if step in sigterm_at:
                terminated.set()

        def learner(*args: Any) -> Learner:
            self.learners.append(Learner(*args))
            return self.learners[-1]

        reporter = Watched(stop_after, watch)
        work = self.work / uid if self.work is not None else None
        attempt = Attempt(uid, *self.seeds, self.config, self.rungs, stop_after, str(self.folder), work, self.storage)
        executor = AtOnce if self.step_seconds else ThreadPoolExecutor
        with patch.object(saving, "ThreadPoolExecutor", executor), patch.object(loop, "Learner", learner):
            clock = Clock(now=lambda: time, processor=lambda: time, writer=lambda: 0.0)
            outcome = train_attempt(attempt, reporter, terminated, clock)
            reporter.finish(outcome)
            return outcome, reporter.message

    def record(self) -> dict[str, str]:
        """Digests of what the episode came to: its best weights, by path, and all that a further step depends on."""
        own, learner = self.folder / self.last, self.learners[-1]
        found = {str(file.relative_to(own)): file_digest(file) for file in own.glob("best*/*")}
        with torch.no_grad():
            return found | {"weights": _digest(weights_of(learner.model)), "state": _digest(state_of(learner))}


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


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
