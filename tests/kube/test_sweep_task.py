"""The task of a sweep: nothing ends it while its sweep exists, nothing is made for a sweep that is gone."""

import asyncio
import copy
from collections.abc import AsyncIterator

import pytest

from inputs.pod_sweeps import CLAIM
from kube.fake_api import CUTS, EPISODES, PODS, SWEEPS, FakeCluster, Object, body_of, settle, until
from seedsweep.api.seeds import MAX_EPISODES
from seedsweep.engine.draft import MAX_WRITES, WRITES_PER_EPISODE
from seedsweep.kube import supervise
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.housekeeping.cleanups import WRITERS_GONE_WITHIN_SECONDS
from seedsweep.kube.ledger import records as records_module
from seedsweep.kube.pods.manifest import PodSettings
from seedsweep.kube.sweeps import lists
from seedsweep.kube.sweeps import sweep as sweep_module
from seedsweep.kube.sweeps.world import MAX_UNTOLD

pytestmark = pytest.mark.simulated_time


async def test_a_rejected_sweep_takes_a_pods_news_for_no_change_and_goes_on_once_it_is_mended():
    async with FakeCluster() as cluster:
        api, body = cluster.api, body_of(parallelism=2)
        cluster.apply(body)
        await until(lambda: len(api.pods()) == 2)
        pod = api.pods()[0]
        cluster.edit_sweep("demo", podTemplate={"spec": {"serviceAccountName": "forbidden"}})
        await until(lambda: api.condition("demo", "Accepted")[0] == "False")
        cluster.show_pod(api.edit(f"{PODS}/{pod['metadata']['name']}", lambda found: None))
        await settle()
        cluster.edit_sweep("demo", podTemplate={}, parallelism=3)
        await until(lambda: len(api.pods()) == 3)
        await until(lambda: api.condition("demo", "Accepted")[0] == "True")
        assert api.status("demo")["observedGeneration"] == 3


async def test_sweeps_may_come_and_go_while_all_are_told():
    async with FakeCluster() as cluster:
        cluster.apply(body_of(parallelism=1))
        told = cluster.sweeps.statuses()
        assert next(told)[0].name == "demo"
        other = body_of(parallelism=1)
        other["metadata"] |= {"name": "other", "uid": "other-uid"}
        cluster.apply(other)
        assert list(told) == []


async def test_turns_go_on_while_a_list_takes_long_and_what_went_meanwhile_does_not_come_back():
    """A page of it may show a pod that is gone by then."""
    under_way, go_on, never = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow_list(path: str, selector: str = "", *, metadata_only: bool = False) -> AsyncIterator[Object]:
        shown = [item async for item in original(path, selector, metadata_only=metadata_only)]
        if path == PODS:
            wait = never if under_way.is_set() else go_on
            under_way.set()
            await wait.wait()
        for item in shown:
            yield item

    async with FakeCluster(relist_seconds=0.3) as cluster:
        api, original = cluster.api, cluster.api.list
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        api.list = slow_list  # type: ignore[method-assign]
        await under_way.wait()
        pod = api.pods()[0]
        path = f"{EPISODES}/{pod['metadata']['name']}"
        cluster.end_pod(pod)
        await until(lambda: api.objects.get(path, {}).get("status", {}).get("attempts", [{}])[-1].get("reason"))
        await until(lambda: pod["metadata"]["uid"] not in [other["metadata"]["uid"] for other in api.pods()])
        gone = {"resourceVersion": "9999", "deletionTimestamp": "2026-01-01T00:00:00Z"}
        cluster.show_pod(pod | {"metadata": pod["metadata"] | gone}, deleted=True)
        await settle()
        go_on.set()
        await settle()
        world = cluster.sweeps.find("team", "demo")
        assert world is not None
        assert {a.uid for a in world.seen.attempts} == {pod["metadata"]["uid"] for pod in api.pods()}


async def test_a_sweep_is_suspended_though_a_list_of_its_pods_takes_long():
    async with FakeCluster() as cluster:
        api, original, never = cluster.api, cluster.api.list, asyncio.Event()

        async def slow_list(path: str, selector: str = "", *, metadata_only: bool = False) -> AsyncIterator[Object]:
            if path == PODS:
                await never.wait()
            async for item in original(path, selector, metadata_only=metadata_only):
                yield item

        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        api.list = slow_list  # type: ignore[method-assign]
        cluster.edit_sweep("demo", suspend=True)
        await until(lambda: not api.pods())


async def test_edits_that_come_often_keep_no_list_from_coming():
    async with FakeCluster(relist_seconds=10.0) as cluster:
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(cluster.api.pods()) == 2)
        before = cluster.api.count("LIST", PODS)
        for number in range(20):
            cluster.edit_sweep("demo", parallelism=3 + number % 2)
            await settle(seconds=5.0)
        assert 5 <= cluster.api.count("LIST", PODS) - before <= 12


async def test_running_trainers_are_read_as_an_edited_spec_says_and_on_the_port_that_they_serve():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=1))
        await until(lambda: len(api.pods()) == 1)
        pod = api.pods()[0]
        cluster.show_pod(api.edit(f"{PODS}/{pod['metadata']['name']}", runs))
        read = cluster.scraper._states[pod["metadata"]["uid"]]
        assert (read.target.interval, read.target.url) == (15.0, "http://127.0.0.1:9400/metrics")
        cluster.edit_sweep("demo", scrape={"intervalSeconds": 3, "timeoutSeconds": 2, "port": 9500})
        await until(lambda: read.target.interval == 3.0)
        assert (read.target.timeout, read.target.url) == (2.0, "http://127.0.0.1:9400/metrics")


def runs(pod: Object) -> None:
    """It has its place and an address."""
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    scheduled = [{"type": "PodScheduled", "status": "True"}]
    containers = [{"name": "trainer", "state": state}]
    pod["status"] = {
        "phase": "Running",
        "podIP": "127.0.0.1",
        "conditions": scheduled,
        "containerStatuses": containers,
    }


async def test_a_page_of_a_list_that_comes_as_a_sweep_goes_has_nothing_read_any_more():
    async with FakeCluster(relist_seconds=0.3) as cluster:
        api, original = cluster.api, cluster.api.list
        under_way, go_on = asyncio.Event(), asyncio.Event()

        async def slow_list(path: str, selector: str = "", *, metadata_only: bool = False) -> AsyncIterator[Object]:
            shown = [item async for item in original(path, selector, metadata_only=metadata_only)]
            if path == PODS:
                under_way.set()
                await go_on.wait()
            for item in shown:
                yield item

        body = body_of(parallelism=1)
        cluster.apply(body)
        await until(lambda: len(api.pods()) == 1)
        api.edit(f"{PODS}/{api.pods()[0]['metadata']['name']}", runs)
        api.list = slow_list  # type: ignore[method-assign]
        await under_way.wait()
        await settle(0.1)
        go_on.set()
        cluster.sweeps.saw_sweep(copy.deepcopy(body), deleted=True)
        await settle()
        assert cluster.scraper._states == {}


async def test_others_get_their_turn_while_many_pods_are_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seedsweep.kube.pods.attempts.SEEN_AT_ONCE", 2)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with FakeCluster() as cluster:
        cluster.apply(body_of(parallelism=4))
        await until(lambda: len(cluster.api.pods()) == 4)
        world = cluster.sweeps.find("team", "demo")
        assert world is not None
        running = asyncio.create_task(other())
        assert len(await world._attempts.seen({})) == 4
        running.cancel()
        assert turns == 2


async def test_whatever_ends_a_sweeps_task_it_is_started_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervise, "FIRST_WAIT_SECONDS", 0.0)
    times = iter(range(3))

    async def breaks(*_: object) -> None:
        if next(times, None) is not None:
            raise AssertionError("broken")
        await original(*_)  # type: ignore[arg-type]

    original = sweep_module.Sweep.run
    monkeypatch.setattr(sweep_module.Sweep, "run", breaks)
    async with FakeCluster() as cluster:
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(cluster.api.pods()) == 2)


async def test_what_has_begun_is_not_given_up_for_pods_that_are_refused_later():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2 and api.status("demo").get("startTime"))

        def refuse(verb: str, path: str, _: object) -> None:
            if path == PODS and verb in ("DRY RUN", "POST"):
                raise ApiError(422, "Invalid", "requests must be less than or equal to limits")

        api.refuse = refuse
        cluster.edit_sweep("demo", parallelism=3)
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "PodRejected"))
        assert api.condition("demo", "Accepted")[0] == "True"
        api.refuse = lambda verb, path, body: None
        cluster.edit_sweep("demo", parallelism=4)
        await until(lambda: len(api.pods()) == 4)


async def test_nothing_is_made_for_a_sweep_whose_deletion_no_watch_showed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lists, "GONE_WITHIN_SECONDS", 0.2)
    async with FakeCluster(relist_seconds=0.3) as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=3))
        await until(lambda: len(api.pods()) == 3)
        api.objects.clear()
        before = len(api.calls)
        await settle(seconds=1.5)
        made = [path for verb, path in api.calls[before:] if verb == "POST" and path in (PODS, EPISODES, CUTS)]
        assert made == []
        assert not api.pods()
        assert list(cluster.sweeps.statuses()) == []


async def test_a_404_that_is_not_about_the_sweep_neither_ends_it_nor_removes_what_it_has_stored():
    """Such as of a proxy, or while the kind is not served in this version."""
    storage = {**CLAIM, "retentionPolicy": {"whenDeleted": "Delete"}}
    async with FakeCluster() as cluster:
        api, sweep = cluster.api, f"{SWEEPS}/demo"
        cluster.sweeps._clean_ups._settings = PodSettings(housekeeping_image="keeper:1")
        cluster.apply(body_of(parallelism=2, storage=storage))
        await until(lambda: len(api.pods()) == 2)

        def refuse(verb: str, path: str, _: object) -> None:
            if (verb, path) == ("GET", sweep):
                raise ApiError(404, "404", "status 404: 404 page not found")

        api.refuse = refuse
        await settle(2 * WRITERS_GONE_WITHIN_SECONDS)
        assert api.count("GET", sweep) > 1
        assert not [pod for pod in api.pods() if "clean-up" in pod["metadata"]["name"]]
        api.refuse = lambda verb, path, body: None
        cluster.edit_sweep("demo", parallelism=3)
        await until(lambda: len(api.pods()) == 3)


async def test_a_list_shows_deletions_and_sweeps_that_no_watch_showed():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        other = copy.deepcopy(body_of(parallelism=1))
        other["metadata"] |= {"name": "other", "uid": "other-uid"}
        api.objects = {f"{SWEEPS}/other": other}
        await cluster.sweeps.compare([])
        await until(lambda: len(api.pods()) == 1)
        assert [home.name for home, _ in cluster.sweeps.statuses()] == ["other"]
        await cluster.sweeps.compare(["team"])
        assert [home.name for home, _ in cluster.sweeps.statuses()] == ["other"]


@pytest.mark.parametrize("namespaces", [["closed", "team"], ["team", "closed"]])
async def test_a_namespace_whose_sweeps_may_not_be_listed_keeps_no_other_from_being_compared(namespaces: list[str]):
    async with FakeCluster() as cluster:
        api = cluster.api

        def refuse(verb: str, path: str, _: object) -> None:
            if verb == "LIST" and "/namespaces/closed/" in path:
                raise ApiError(403, "Forbidden", "no")

        closed = body_of(parallelism=1)
        closed["metadata"] |= {"namespace": "closed", "uid": "closed-uid"}
        over = {"phase": "Complete", "completionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}
        for body in (body_of(), closed):
            cluster.sweeps.saw_sweep(body | {"status": over}, deleted=False)
        api.refuse = refuse
        with pytest.raises(ApiError):
            await cluster.sweeps.compare(namespaces)
        assert [home.namespace for home, _ in cluster.sweeps.statuses()] == ["closed"]


def begun(pod: Object) -> None:
    """It runs."""
    container = {"name": "trainer", "state": {"running": {}}}
    placed = {"type": "PodScheduled", "status": "True"}
    pod["status"] = {"phase": "Running", "conditions": [placed], "containerStatuses": [container]}


async def test_pods_that_begin_one_after_the_other_take_one_turn_and_an_end_does_not_wait_for_them():
    async with FakeCluster() as cluster:
        api, number = cluster.api, 8
        cluster.apply(body_of(parallelism=number))
        await until(lambda: cluster.told["Started"] == number)
        world = cluster.sweeps.find("team", "demo")
        assert world is not None
        await settle(2.0)
        turns = {id(world.seen): world.seen}
        for pod in api.pods():
            cluster.show_pod(api.edit(f"{PODS}/{pod['metadata']['name']}", begun))
            await settle(0.1)
            turns[id(world.seen)] = world.seen
        assert len(turns) == 1
        await until(lambda: sum(attempt.bound is not None for attempt in world.seen.attempts) == number)
        ended, other = api.pods()[:2]
        cluster.show_pod(api.edit(f"{PODS}/{other['metadata']['name']}", lambda found: None))
        cluster.end_pod(ended)
        await settle(0.2)
        episodes = [item for path, item in api.objects.items() if path.startswith(EPISODES)]
        assert any("reason" in attempt for item in episodes for attempt in item["status"]["attempts"])


async def test_a_turn_starts_and_stops_so_many_and_the_status_is_written_before_the_rest(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("seedsweep.kube.sweeps.world.MAX_ACTS", 4)
    async with FakeCluster() as cluster:
        cluster.apply(body_of(parallelism=12, seeds={"single": {"count": 12}}))
        await until(lambda: len(cluster.api.pods()) == 12)
        calls = [(verb, path) for verb, path in cluster.api.calls if (verb, path) == ("POST", PODS) or verb == "PUT"]
        first = next(i for i, (verb, _) in enumerate(calls) if verb == "PUT")
        assert first <= 4
        cluster.edit_sweep("demo", suspend=True)
        await until(lambda: not cluster.api.pods())


async def test_a_sweep_is_suspended_before_what_nothing_rests_on_is_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(records_module, "LAZY_SECONDS", 600.0)
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=12, seeds={"single": {"count": 12}}))
        await until(lambda: cluster.told["Started"] == 12)
        cluster.edit_sweep("demo", suspend=True)
        await until(lambda: not api.pods())
        first = next(i for i, (verb, _) in enumerate(api.calls) if verb == "DELETE")
        written = [path for verb, path in api.calls[:first] if verb != "LIST" and path.startswith(EPISODES)]
        # Each is made once, with why it is stopped.
        assert written == [EPISODES] * 12


async def test_what_waits_to_be_written_still_does_after_a_change_of_the_spec(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(records_module, "LAZY_SECONDS", 600.0)
    async with FakeCluster(relist_seconds=0.3) as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2, seeds={"single": {"count": 2}}, earlyStopping=...))
        await until(lambda: len(api.pods()) == 2)
        ended = api.pods()[0]
        path = f"{EPISODES}/{ended['metadata']['name']}"
        cluster.end_pod(ended)
        await until(lambda: len(api.pods()) == 1)
        # Its scores are known to the operator alone.
        del api.objects[path]
        before = api.count("LIST", CUTS)
        await until(lambda: api.count("LIST", CUTS) > before + 1)
        cluster.edit_sweep("demo", parallelism=3)
        await until(lambda: api.status("demo").get("observedGeneration") == 2)
        await settle()
        assert len(api.pods()) == 1
        cluster.end_pod(api.pods()[0])
        await until(lambda: api.status("demo").get("phase") == "Complete")
        assert len(api.objects[path]["status"]["scores"]) == 10


def test_all_that_one_turn_of_the_largest_sweep_tells_has_room_to_wait():
    an_end_and_a_verdict = 2
    assert an_end_and_a_verdict * max(MAX_WRITES, MAX_EPISODES * WRITES_PER_EPISODE) < MAX_UNTOLD
