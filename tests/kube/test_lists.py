"""When the next list is due: regularly, soon after a deletion, and never so often that lists are all that is done."""

import asyncio
import gc
import weakref
from functools import partial
from math import inf
from types import SimpleNamespace

import pytest

from kube.fake_api import until
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.sweeps import lists as module
from seedsweep.kube.sweeps.lists import GONE_WITHIN_SECONDS, LIST_AGAIN_SECONDS, REST, Lists

EVERY = 300.0


class Clock:
    """A steady one that stands still."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "monotonic", found)
    return found


async def listed(clock: Clock, takes: float, error: ApiError | None = None) -> Lists:
    """One that has ended now, and was begun so many seconds before."""

    async def compare() -> None:
        clock.seconds += takes
        if error is not None:
            raise error

    told = SimpleNamespace(news=0)
    lists = Lists(compare, EVERY, lambda: setattr(told, "news", told.news + 1), clock.seconds)
    assert not await lists.have_ended()
    lists.begin()
    assert lists.due_at(None, watched=True) == inf
    await until(lambda: told.news)
    assert await lists.have_ended()
    assert not await lists.have_ended()
    return lists


async def test_lists_come_regularly_and_soon_after_a_deletion_that_nothing_has_shown(clock: Clock) -> None:
    lists = await listed(clock, takes=1.0)
    assert lists.due_at(None, watched=True) == clock.seconds + EVERY
    assert lists.due_at(clock.seconds + 7, watched=True) == clock.seconds + 7 + GONE_WITHIN_SECONDS
    assert lists.due_at(clock.seconds - 50, watched=True) == clock.seconds + GONE_WITHIN_SECONDS
    assert lists.due_at(None, watched=False) == clock.seconds + GONE_WITHIN_SECONDS


async def test_the_longer_one_takes_the_longer_it_is_until_the_next(clock: Clock) -> None:
    lists = await listed(clock, takes=100.0)
    rested = clock.seconds + REST * 100.0
    assert [lists.due_at(since, watched=watched) for since in (None, 0.0) for watched in (True, False)] == 4 * [rested]


async def test_one_that_is_broken_off_holds_on_to_nothing(clock: Clock) -> None:
    class Records:
        """All of a large sweep."""

    async def compare(_: Records) -> None:
        began.set()
        await asyncio.Event().wait()

    began, records = asyncio.Event(), Records()
    left = weakref.ref(records)
    lists = Lists(partial(compare, records), EVERY, lambda: None, 0.0)
    lists.begin()
    await began.wait()
    gc.collect()
    gc.disable()
    try:
        lists.close()
        del lists, records
        # What was broken off ends, and tells so.
        for _ in range(3):
            await asyncio.sleep(0)
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("takes", [1.0, 150.0])
async def test_one_that_failed_is_tried_again_soon(clock: Clock, takes: float) -> None:
    lists = await listed(clock, takes, ApiError(403, "Forbidden", "no"))
    assert lists.due_at(None, watched=True) == clock.seconds + LIST_AGAIN_SECONDS
