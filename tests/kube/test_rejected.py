"""A rejected sweep is one that has ended, for whoever waits and for its time to live, until an edit mends it."""

import copy
from typing import Any

import pytest

from kube.fake_api import EPISODES, SWEEPS, FakeCluster, Object, body_of, settle, until

pytestmark = pytest.mark.simulated_time

FORBIDDEN: Object = {"spec": {"serviceAccountName": "forbidden"}}
PATH = f"{SWEEPS}/demo"


def show(cluster: FakeCluster) -> None:
    """As the watch does after every write."""
    cluster.sweeps.saw_sweep(copy.deepcopy(cluster.api.objects[PATH]), deleted=False)


async def rejected(cluster: FakeCluster) -> None:
    await until(lambda: cluster.api.condition("demo", "Accepted")[0] == "False")
    show(cluster)


def left(cluster: FakeCluster) -> Object:
    """As another operator finds it, whose API server counts versions anew."""
    found = copy.deepcopy(cluster.api.objects[PATH])
    found["metadata"]["resourceVersion"] = "1"
    return found


async def mended(cluster: FakeCluster, **spec: Any) -> None:
    cluster.edit_sweep("demo", podTemplate={}, **spec)
    await until(lambda: cluster.api.condition("demo", "Accepted")[0] == "True")
    show(cluster)


async def test_a_rejected_sweep_has_failed_and_is_over_for_whoever_waits():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(podTemplate=FORBIDDEN))
        await rejected(cluster)
        status, reason, message = api.condition("demo", "Failed")
        assert (status, reason) == ("True", "Invalid")
        assert "serviceAccountName" in message
        assert api.condition("demo", "Accepted")[1:] == (reason, message)
        assert api.status("demo")["completionTime"]
        assert api.status("demo")["phase"] == "Failed"


async def test_a_rejected_sweep_goes_on_once_it_is_mended():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(podTemplate=FORBIDDEN, parallelism=2))
        await rejected(cluster)
        await mended(cluster)
        await until(lambda: len(api.pods()) == 2)
        assert api.condition("demo", "Failed")[0] == "False"
        assert "completionTime" not in api.status("demo")
        assert api.status("demo")["phase"] == "Running"


async def test_an_operator_that_finds_a_sweep_rejected_hears_the_edit_that_mends_it():
    async with FakeCluster() as cluster:
        cluster.apply(body_of(podTemplate=FORBIDDEN))
        await rejected(cluster)
        found = left(cluster)
    async with FakeCluster() as cluster:
        cluster.apply(found)
        await settle()
        assert cluster.api.status("demo") == found["status"]
        assert cluster.api.count("PUT", PATH) == 0
        await mended(cluster, parallelism=2)
        await until(lambda: len(cluster.api.pods()) == 2)


async def test_an_operator_that_allows_what_the_last_one_rejected_carries_it_out():
    async with FakeCluster() as cluster:
        cluster.apply(body_of(podTemplate=FORBIDDEN))
        await rejected(cluster)
        found = left(cluster)
    found["spec"]["podTemplate"] = {}
    async with FakeCluster() as cluster:
        cluster.apply(found)
        await until(lambda: cluster.api.condition("demo", "Accepted")[0] == "True")
        assert "completionTime" not in cluster.api.status("demo")


async def test_a_rejected_sweep_that_never_began_is_deleted_when_its_time_is_over():
    async with FakeCluster() as cluster:
        cluster.apply(body_of(podTemplate=FORBIDDEN, ttlSecondsAfterFinished=0))
        await rejected(cluster)
        await until(lambda: PATH not in cluster.api.objects)


async def test_an_operator_that_finds_a_rejected_sweep_deletes_it_when_its_time_is_over():
    async with FakeCluster() as cluster:
        cluster.apply(body_of(podTemplate=FORBIDDEN))
        await rejected(cluster)
        found = left(cluster)
    found["spec"]["ttlSecondsAfterFinished"] = 0
    async with FakeCluster() as cluster:
        cluster.apply(found)
        await until(lambda: PATH not in cluster.api.objects)


async def test_a_sweep_that_was_mended_outlives_the_time_that_it_had_as_a_rejected_one():
    async with FakeCluster() as cluster:
        cluster.apply(body_of(podTemplate=FORBIDDEN, ttlSecondsAfterFinished=1, parallelism=2))
        await rejected(cluster)
        await mended(cluster)
        await settle(2.0)
        assert len(cluster.api.pods()) == 2
        assert PATH in cluster.api.objects


async def test_a_sweep_that_has_begun_keeps_its_record_and_its_pods_while_it_is_rejected():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2, ttlSecondsAfterFinished=0))
        await until(lambda: len(api.pods()) == 2 and api.status("demo").get("startTime"))
        cluster.end_pod(api.pods()[0], scores=3)
        await until(lambda: any(path.startswith(EPISODES) for path in api.objects))
        show(cluster)
        cluster.edit_sweep("demo", podTemplate=FORBIDDEN)
        await rejected(cluster)
        assert api.status("demo")["completionTime"]
        assert "liveKey" not in api.status("demo")
        assert cluster.sweeps.find("team", "demo") is None
        await settle()
        assert PATH in api.objects
        before = {pod["metadata"]["uid"] for pod in api.pods()}
        started = api.status("demo")["startTime"]
        await mended(cluster)
        assert api.status("demo")["startTime"] == started
        assert before <= {pod["metadata"]["uid"] for pod in api.pods()}
        assert any(path.startswith(EPISODES) for path in api.objects)


async def test_what_had_failed_before_it_was_rejected_stays_failed_once_it_is_mended():
    async with FakeCluster() as cluster:
        body = body_of(podTemplate=FORBIDDEN)
        since = {"lastTransitionTime": "2026-01-01T00:00:00.000+00:00"}
        failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "", **since}
        body["status"] = {"phase": "Running", "startTime": "2026-01-01T00:00:00.000+00:00", "conditions": [failed]}
        cluster.apply(body)
        await rejected(cluster)
        assert cluster.api.condition("demo", "Failed")[:2] == ("True", "DeadlineExceeded")
        cluster.edit_sweep("demo", podTemplate={})
        await until(lambda: cluster.api.condition("demo", "Accepted")[0] == "True")
        assert cluster.api.condition("demo", "Failed")[:2] == ("True", "DeadlineExceeded")
        assert not cluster.api.pods()


async def test_every_rejected_spec_has_its_own_time_of_completion():
    async with FakeCluster() as cluster:
        cluster.apply(body_of(podTemplate=FORBIDDEN))
        await rejected(cluster)
        first = cluster.api.status("demo")["completionTime"]
        await settle(0.1)
        cluster.edit_sweep("demo", parallelism=3)
        await until(lambda: cluster.api.status("demo")["observedGeneration"] == 2)
        assert cluster.api.status("demo")["completionTime"] > first
