"""Attempts on this machine: what is known of their metrics while they live, and once they have ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inputs.fake_sweeps import FakeSweep
from seedsweep.api.episode import EpisodeId
from seedsweep.api.reading.parse import load_sweep
from seedsweep.contract.metrics_client import UnreachableError
from seedsweep.contract.trouble import UNREACHED_AFTER, UNREACHED_TIMES
from seedsweep.engine.decisions import StartEpisode
from seedsweep.engine.observation import SeenAttempt
from seedsweep.local.directory.run_directory import RunDirectory
from seedsweep.local.machine.places import Place
from seedsweep.local.processes import attempts as module
from seedsweep.local.processes.attempts import ProcessAttempts
from seedsweep.local.processes.launchers import Launcher, Running

EPISODE = EpisodeId(0, 0)


class Process(Running):
    """Lives until it is told how it ended."""

    def __init__(self) -> None:
        self.code: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int | None:
        return await self.code

    def terminate(self) -> None:
        pass

    def kill(self) -> None:
        pass


class Launched(Launcher):
    """Starts nothing."""

    def __init__(self) -> None:
        self.process = Process()

    async def launch(self, *_: object) -> Running:
        return self.process

    async def close(self) -> None:
        pass


Answer = Callable[[str], str | Exception]
"""What is served, by the UID of the attempt."""


class Machine:
    """One attempt that is read again and again, by a clock that stands still."""

    def __init__(self, attempts: ProcessAttempts, launched: Launched) -> None:
        self.attempts = attempts
        self.launched = launched
        self.scrapes = 0
        self.now = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
        self.answer: Answer = published

    @property
    def seen(self) -> SeenAttempt:
        (seen,) = self.attempts.seen()
        return seen

    async def fetch(self, *_: object) -> bytes:
        self.scrapes += 1
        answer = self.answer(self.seen.uid)
        if isinstance(answer, Exception):
            raise answer
        return answer.encode()

    async def scraped(self, times: int) -> None:
        """Return once it was read so often more."""
        wanted = self.scrapes + times + 1
        while self.scrapes < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def published(uid: str, score: float = 0.5) -> str:
    info = f'seedsweep_trainer_info{{episode="{EPISODE.name}",uid="{uid}",contract="1"}} 1\n'
    return info + f'seedsweep_evaluation_score{{evaluation="1"}} {score}\n'


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Machine]:
    monkeypatch.setattr(module, "DEFAULT_SCRAPE_SECONDS", 0.001)
    directory, launched = RunDirectory(tmp_path / "out"), Launched()
    directory.make()
    attempts = ProcessAttempts(load_sweep(FakeSweep(tmp_path).write()).spec, directory, launched, tmp_path)
    machine = Machine(attempts, launched)
    monkeypatch.setattr(module, "fetch", machine.fetch)
    monkeypatch.setattr(module, "_now", lambda: machine.now)
    await attempts.start(StartEpisode(EPISODE, 0, None, ()), [Place(0, "cpu")])
    reader = asyncio.create_task(attempts.read_forever())
    yield machine
    reader.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reader
    if not launched.process.code.done():
        launched.process.code.set_result(0)
    await attempts.ended()


async def test_a_score_that_can_never_count_is_told_at_once(machine: Machine) -> None:
    machine.answer = lambda uid: published(uid, 1.5)
    machine.attempts.news.clear()
    await machine.attempts.news.wait()
    assert machine.seen.unusable.startswith("the score of evaluation 1 is 1.5, outside the metric's range 0 to 1")
    assert machine.seen.reading is None


async def test_a_trainer_that_does_not_answer_is_told_after_a_while(machine: Machine) -> None:
    begun = machine.now
    machine.answer = lambda _: UnreachableError("nothing listens")
    await machine.scraped(UNREACHED_TIMES)
    assert machine.seen.trouble == ""
    machine.now = begun + UNREACHED_AFTER
    assert machine.seen.trouble_kind == "MetricsUnreachable"
    assert machine.seen.trouble == "its metrics cannot be reached: nothing listens"
    machine.answer = published
    await machine.scraped(1)
    assert (machine.seen.trouble, machine.seen.unusable) == ("", "")


async def test_an_exporter_that_cannot_be_read_is_told_while_it_trains(machine: Machine) -> None:
    machine.answer = lambda _: "seedsweep_steps_done x\n"
    machine.attempts.news.clear()
    await machine.attempts.news.wait()
    assert machine.seen.trouble_kind == "MetricsUnusable"
    assert machine.seen.trouble.startswith("its metrics cannot be used: seedsweep_steps_done is no number")
    machine.answer = published
    await machine.scraped(1)
    assert (machine.seen.trouble, machine.seen.unusable) == ("", "")


async def test_a_fault_of_ours_is_logged_once_and_the_attempt_is_read_again(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.answer = lambda _: RuntimeError("a bug")
    await machine.scraped(3)
    machine.answer = published
    await machine.scraped(1)
    assert machine.seen.reading is not None
    (logged,) = [record for record in caplog.records if record.name == module.__name__]
    assert "metrics of wi0-do0 could not be read" in logged.getMessage()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (UnreachableError("nothing listens"), "its metrics cannot be reached: nothing listens"),
        ("seedsweep_steps_done x\n", "its metrics cannot be used: seedsweep_steps_done is no number: 'x'"),
    ],
)
async def test_an_end_without_a_word_says_what_kept_its_metrics_from_being_read(
    machine: Machine, answer: str | Exception, text: str
) -> None:
    machine.answer = lambda _: answer
    await machine.scraped(1)
    machine.launched.process.code.set_result(0)
    await machine.attempts.ended()
    assert machine.seen.ending is not None
    assert machine.seen.ending.unread == text
    assert (machine.seen.trouble, machine.seen.unusable) == ("", ""), "it is over"
