"""Tasks that end by an error: told, counted, and started again."""

import asyncio
import logging

import pytest
from prometheus_client import REGISTRY

from seedsweep.kube import supervise
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.process.log import SweepLog
from seedsweep.kube.supervise import supervised


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Those between tries, which take no time."""
    taken: list[float] = []

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return taken


def restarts(kind: str) -> float:
    return REGISTRY.get_sample_value("seedsweep_operator_task_restarts_total", {"task": kind}) or 0.0


class Work:
    """Fails with these, one after the other, and is then done."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.tries = 0

    async def __call__(self) -> None:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)


async def test_work_that_is_done_is_not_begun_again() -> None:
    work = Work()
    await supervised("once", work)
    assert (work.tries, restarts("once")) == (1, 0)


async def test_after_an_error_it_starts_again_and_is_counted_and_told_with_its_place(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    await supervised("twice", Work(ValueError("not thought of")))
    assert restarts("twice") == 1
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage() == "twice ended by an error and starts again in 1 s: ValueError: not thought of"
    assert record.exc_info
    assert len(pauses) == 1


async def test_what_the_api_server_refused_is_told_in_one_line(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    await supervised(
        "refused", Work(ApiError(403, "Forbidden", "no right")), SweepLog(logging.getLogger("x"), "a", "b")
    )
    [record] = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert (vars(record)["namespace"], vars(record)["sweep"]) == ("a", "b")


async def test_pauses_grow_up_to_a_bound(pauses: list[float]) -> None:
    await supervised("often", Work(*(OSError() for _ in range(9))))
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_an_error_after_a_long_time_counts_as_the_first(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter(range(0, 10**6, int(supervise.STEADY_SECONDS)))
    monkeypatch.setattr(supervise, "monotonic", lambda: next(moments))
    await supervised("steady", Work(OSError(), OSError(), OSError()))
    assert pauses == [1, 1, 1]


async def test_errors_of_several_tasks_at_once_are_one(pauses: list[float]) -> None:
    await supervised("group", Work(ExceptionGroup("several", [OSError(), ValueError()])))
    assert restarts("group") == 1


async def test_a_cancellation_ends_it() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(3600)

    task = asyncio.create_task(supervised("cancelled", work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert restarts("cancelled") == 0


async def test_a_task_it_waited_for_that_was_cancelled_does_not_end_it(pauses: list[float]) -> None:
    await supervised("inner", Work(asyncio.CancelledError()))
    assert restarts("inner") == 1
