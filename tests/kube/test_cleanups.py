"""What a deleted sweep has stored is removed, however the API server behaves, and what stays is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import pytest

from inputs.pod_sweeps import CLAIM, sweep_with
from inputs.sweeps import as_resource
from kube.fake_time import FakeTime
from seedsweep.contract.protocol import ExitCode
from seedsweep.engine.decisions import Event
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.events.recorder import Recorder
from seedsweep.kube.housekeeping.cleanups import GIVE_UP_SECONDS, WRITERS_GONE_WITHIN_SECONDS, CleanUps
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.manifest import PodSettings

FORBIDDEN = ApiError(403, "Forbidden", "pods is forbidden")
Object = dict[str, Any]

STORAGE = {**CLAIM, "retentionPolicy": {"whenDeleted": "Delete"}}


def deleted_sweep() -> Object:
    body: Object = as_resource(sweep_with({"spec.storage": STORAGE}))
    body["metadata"] |= {"namespace": "team", "uid": "sweep-uid", "resourceVersion": "1"}
    return body


class Cluster:
    """Pods, with a sweep's own that still write for so many looks, and an API server that may refuse."""

    def __init__(self, time: FakeTime, seconds: int = 3600) -> None:
        self.time = time
        self.body = deleted_sweep()
        self.home = Home("team", self.body["metadata"]["name"], "sweep-uid")
        self.writers = 0
        self.refuse: Callable[[str], Exception | None] = lambda _: None
        self.asked: list[tuple[float, str]] = []
        self.pod: Object | None = None
        self.events: list[Event] = []
        settings = PodSettings(frozenset(), "keeper:1", {}, seconds)
        self.clean_ups = CleanUps(cast("Api", self), settings, cast("Recorder", self), time.steady)

    def _ask(self, verb: str) -> None:
        self.asked.append((self.time.seconds, verb))
        error = self.refuse(verb)
        if error is not None:
            raise error

    async def list(self, path: str, selector: str) -> AsyncIterator[Object]:
        self._ask("list")
        self.writers -= 1
        if self.writers >= 0:
            yield {"status": {"phase": "Running"}}

    async def create(self, path: str, body: Object) -> Object:
        self._ask("create")
        extra = {"uid": "pod-uid", "resourceVersion": "7", "creationTimestamp": "2020-01-01T00:00:00Z"}
        self.pod = {**body, "metadata": {**body["metadata"], **extra}, "status": {"phase": "Pending"}}
        return self.pod

    async def delete(self, path: str, uid: str) -> None:
        self._ask("delete")
        assert uid == "pod-uid"
        self.pod = None

    def tell(self, home: Home, events: Sequence[Event]) -> None:
        assert home == self.home
        self.events += events

    def moments(self, verb: str) -> Sequence[float]:
        return [moment for moment, asked in self.asked if asked == verb]

    @property
    def told(self) -> Sequence[str]:
        return [event.reason for event in self.events]

    def shown(self, code: int | None = None) -> Object:
        """The pod as a watch shows it, ended with this exit code."""
        assert self.pod is not None
        if code is None:
            return self.pod
        ended = {"name": "trainer", "state": {"terminated": {"exitCode": code, "message": "{}"}}}
        return {**self.pod, "status": {"phase": "Succeeded" if code == 0 else "Failed", "containerStatuses": [ended]}}


@pytest.fixture
async def cluster(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    cluster = Cluster(FakeTime(monkeypatch))
    yield cluster
    await cluster.clean_ups.close()


async def test_a_pod_removes_it_once_the_sweeps_own_pods_have_ended(cluster: Cluster) -> None:
    cluster.writers = 4
    cluster.clean_ups.begin(cluster.home, cluster.body)
    await cluster.time.until(lambda: cluster.pod is not None)
    assert cluster.moments("list") == [0, 4, 12, 22, 32]


async def test_a_node_that_is_lost_holds_it_up_for_a_while_and_no_longer(cluster: Cluster) -> None:
    cluster.writers = 10**6
    cluster.clean_ups.begin(cluster.home, cluster.body)
    await cluster.time.until(lambda: cluster.pod is not None)
    assert cluster.moments("create")[0] >= WRITERS_GONE_WITHIN_SECONDS
    assert len(cluster.moments("list")) <= WRITERS_GONE_WITHIN_SECONDS / 10 + 3


async def test_a_right_that_is_missing_is_told_once_and_asked_for_with_growing_pauses(cluster: Cluster) -> None:
    refusals = iter([FORBIDDEN] * 4)
    cluster.refuse = lambda verb: next(refusals, None) if verb == "create" else None
    cluster.clean_ups.begin(cluster.home, cluster.body)
    await cluster.time.until(lambda: cluster.pod is not None)
    assert cluster.moments("create") == [0, 10, 30, 70, 150]
    [event] = cluster.events
    assert event.reason == "StorageNotRemoved"
    assert "cannot be removed yet, and this is tried again: pods is forbidden" in event.message


async def test_a_right_that_never_comes_leaves_the_folder_and_says_where(cluster: Cluster) -> None:
    cluster.refuse = lambda _: FORBIDDEN
    cluster.clean_ups.begin(cluster.home, cluster.body)
    await cluster.time.until(lambda: len(cluster.events) == 2)
    await cluster.time.settle()
    assert GIVE_UP_SECONDS < cluster.time.seconds < 2 * GIVE_UP_SECONDS
    assert len(cluster.asked) < 30
    assert "stays in team/sweep-uid: pods is forbidden" in cluster.events[-1].message


async def test_a_namespace_that_is_gone_ends_it_at_once(cluster: Cluster) -> None:
    cluster.refuse = lambda verb: ApiError(404, "NotFound", 'namespaces "team" not found') if verb == "create" else None
    cluster.clean_ups.begin(cluster.home, cluster.body)
    await cluster.time.until(lambda: bool(cluster.events))
    await cluster.time.settle()
    assert cluster.moments("create") == [0]


async def test_a_pod_that_has_done_its_work_is_deleted_and_that_is_told(cluster: Cluster) -> None:
    cluster.clean_ups.begin(cluster.home, cluster.body)
    await cluster.time.until(lambda: cluster.pod is not None)
    cluster.clean_ups.saw_pod(cluster.shown(code=0), deleted=False)
    await cluster.time.until(lambda: cluster.pod is None)
    assert cluster.told == ["StorageRemoved"]


async def test_a_pod_that_cannot_be_deleted_is_tried_with_growing_pauses_however_often_it_is_shown(
    cluster: Cluster,
) -> None:
    cluster.clean_ups.begin(cluster.home, cluster.body)
    await cluster.time.until(lambda: cluster.pod is not None)
    refusals = iter([FORBIDDEN] * 3)
    cluster.refuse = lambda verb: next(refusals, None) if verb == "delete" else None
    shown, began = cluster.shown(code=0), cluster.time.seconds
    while cluster.pod is not None:
        cluster.clean_ups.saw_pod(shown, deleted=False)
        await cluster.time.settle(1)
    assert [moment - began for moment in cluster.moments("delete")] == [0, 10, 30, 70]
    assert cluster.told == ["StorageRemoved", "PodNotDeleted"]


async def test_a_pod_has_its_time_from_when_we_saw_it_whatever_the_api_servers_clock_says(cluster: Cluster) -> None:
    cluster.clean_ups.begin(cluster.home, cluster.body)
    await cluster.time.until(lambda: cluster.pod is not None)
    # Created years ago by that clock.
    shown, began = cluster.shown(), cluster.time.seconds
    cluster.clean_ups.saw_pod(shown, deleted=False)
    await cluster.time.until(lambda: cluster.pod is None)
    assert cluster.moments("delete") == [began + 3600]
    assert "not done in time" in cluster.events[0].message


async def test_a_pod_that_fails_leaves_the_folder_and_says_so(cluster: Cluster) -> None:
    cluster.clean_ups.begin(cluster.home, cluster.body)
    await cluster.time.until(lambda: cluster.pod is not None)
    cluster.clean_ups.saw_pod(cluster.shown(code=int(ExitCode.BAD_CONFIGURATION)), deleted=False)
    await cluster.time.until(lambda: cluster.pod is None)
    [event] = cluster.events
    assert event.reason == "StorageNotRemoved"
    assert "stays in team/sweep-uid" in event.message


async def test_what_was_closed_does_nothing_more(cluster: Cluster) -> None:
    cluster.refuse = lambda _: FORBIDDEN
    cluster.clean_ups.begin(cluster.home, cluster.body)
    await asyncio.wait_for(cluster.clean_ups.close(), 60)
    asked = len(cluster.asked)
    await cluster.time.settle()
    assert len(cluster.asked) == asked
