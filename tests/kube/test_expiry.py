"""A finished sweep is deleted when its time is over, by our own clock, and a refusal is neither silent nor a storm."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import cast

import pytest

from kube.fake_time import START, FakeTime
from seedsweep.engine.decisions import Event
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.apiserver.deletion import MAX_RETRY_SECONDS, RETRY_SECONDS
from seedsweep.kube.events.recorder import Recorder
from seedsweep.kube.objects.home import Home
from seedsweep.kube.sweeps.expiry import Expiry

HOME = Home("ns", "demo", "uid-1")
DAY = 24 * 3600
FORBIDDEN = ApiError(403, "Forbidden", "seedsweeps is forbidden")


class Cluster:
    """What the API server was asked, and what was told; it refuses the first so many deletions."""

    def __init__(self, time: FakeTime, refusals: int = 0) -> None:
        self.time = time
        self.refusals = refusals
        self.deletions: list[float] = []
        self.events: list[Event] = []
        self.expiry = Expiry(cast("Api", self), cast("Recorder", self), time.wall, time.steady)
        self.gone = asyncio.Event()

    async def delete(self, path: str, uid: str) -> None:
        assert (path, uid) == (HOME.path, HOME.uid)
        self.deletions.append(self.time.seconds)
        if self.refusals:
            self.refusals -= 1
            raise FORBIDDEN
        self.gone.set()

    def tell(self, home: Home, events: list[Event]) -> None:
        assert home == HOME
        self.events += events


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    return FakeTime(monkeypatch)


def completed(seconds_ago: float) -> str:
    return (START - timedelta(seconds=seconds_ago)).isoformat()


async def test_it_goes_when_its_time_is_over(time: FakeTime) -> None:
    cluster = Cluster(time)
    cluster.expiry.set(HOME, completed(100), DAY)
    await cluster.gone.wait()
    assert cluster.deletions == [DAY - 100]


async def test_what_should_have_gone_while_no_operator_ran_goes_at_once(time: FakeTime) -> None:
    cluster = Cluster(time)
    cluster.expiry.set(HOME, completed(2 * DAY), DAY)
    await cluster.gone.wait()
    assert cluster.deletions == [0]


async def test_an_end_that_another_operators_clock_puts_into_the_future_does_not_add_to_its_time(
    time: FakeTime,
) -> None:
    cluster = Cluster(time)
    cluster.expiry.set(HOME, completed(-7200), 60)
    await cluster.gone.wait()
    assert cluster.deletions == [60]


async def test_a_time_to_live_that_changes_counts_from_the_same_end(time: FakeTime) -> None:
    cluster = Cluster(time)
    cluster.expiry.set(HOME, completed(0), None)
    cluster.expiry.set(HOME, completed(0), DAY)
    cluster.expiry.set(HOME, completed(0), 50)
    await cluster.gone.wait()
    assert cluster.deletions == [50]


async def test_a_time_to_live_that_is_taken_back_deletes_nothing(time: FakeTime) -> None:
    cluster = Cluster(time)
    cluster.expiry.set(HOME, completed(0), 50)
    cluster.expiry.set(HOME, completed(0), None)
    await time.settle()
    assert cluster.deletions == []


async def test_a_deletion_that_is_refused_is_tried_with_growing_pauses_and_told_once(time: FakeTime) -> None:
    cluster = Cluster(time, refusals=8)
    cluster.expiry.set(HOME, completed(DAY), DAY)
    await cluster.gone.wait()
    waits = [later - earlier for earlier, later in pairwise(cluster.deletions)]
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]
    assert (min(waits), max(waits)) == (RETRY_SECONDS, MAX_RETRY_SECONDS)
    [event] = cluster.events
    assert (event.reason, event.kind) == ("NotDeleted", "Warning")
    assert "seedsweeps is forbidden" in event.message
    assert "ttlSecondsAfterFinished" in event.message


async def test_a_watch_that_shows_it_again_and_again_makes_no_further_tries(time: FakeTime) -> None:
    cluster = Cluster(time, refusals=3)
    cluster.expiry.set(HOME, completed(DAY), DAY)
    while not cluster.gone.is_set():
        cluster.expiry.set(HOME, completed(DAY), DAY)
        await time.settle(1)
    assert cluster.deletions == [0, 10, 30, 70]


async def test_one_that_is_gone_is_forgotten(time: FakeTime) -> None:
    cluster = Cluster(time)
    cluster.expiry.set(HOME, completed(0), 50)
    cluster.expiry.forget(HOME.uid)
    await time.settle()
    assert cluster.deletions == []
    await cluster.expiry.close()
