"""Memory stays bounded: many of what comes and goes leave nothing behind, whatever no watch has shown."""

import copy
import gc
import weakref
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from inputs.pod_sweeps import CLAIM, sweep_with
from inputs.sweeps import as_resource
from kube.fake_api import PODS, SWEEPS, UID, FakeApi, FakeCluster, Object, body_of, settle, until
from seedsweep.api.episode import MAX_ATTEMPTS, Attempt, EndReason, EpisodeId, EpisodeStatus
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.apiserver.gates import GatedApi, Gates
from seedsweep.kube.events.recorder import Recorder
from seedsweep.kube.housekeeping import recent
from seedsweep.kube.housekeeping.cleanups import CleanUps
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.attempts import PodAttempts, Surroundings
from seedsweep.kube.pods.manifest import PodSettings
from seedsweep.kube.process.log import SweepLog
from seedsweep.kube.scraping.scraper import Scraper
from seedsweep.kube.watching.freshness import Freshness

pytestmark = pytest.mark.simulated_time

MANY = 300
EPISODE = EpisodeId(0, 0)


def sizes(found: object) -> dict[str, int]:
    """Lengths of all containers that an object of ours holds, by their names, and of those in the objects it holds."""
    own: dict[str, int] = {}
    names = {*getattr(found, "__dict__", ()), *getattr(type(found), "__slots__", ())}
    for name in names:
        value = getattr(found, name)
        if isinstance(value, dict | set | list | recent.Recent):
            own[name] = len(value)
        if type(value).__module__.startswith("seedsweep.kube.process"):
            own |= {f"{name}.{inner}": size for inner, size in sizes(value).items()}
    return own


def pod_of(number: int, sweep: str = UID, component: str = "housekeeping") -> Object:
    labels = {"seedsweep.io/sweep-uid": sweep, "app.kubernetes.io/component": component}
    metadata = {"name": f"demo-{number}", "namespace": "team", "uid": f"pod-{sweep}-{number}", "labels": labels}
    return {"metadata": {**metadata, "resourceVersion": str(10 + number)}, "status": {"phase": "Running"}}


async def test_pods_whose_end_no_watch_showed_are_forgotten_once_a_list_lacks_them():
    async with FakeCluster(relist_seconds=0.3) as cluster:
        fresh = cluster.sweeps._shared.freshness
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(cluster.api.pods()) == 2)
        for pod in cluster.api.pods():
            cluster.show_pod(pod)
        for number in range(MANY):
            cluster.show_pod(pod_of(number))
            cluster.show_pod(pod_of(number, sweep="over"))
        await until(lambda: len(fresh.known(UID)) == 2)
        await cluster.sweeps.compare([])
        assert fresh.sweeps_of_pods() == {UID}
        assert sum(sizes(fresh).values()) < MANY
        assert fresh.overdue() == 0


async def test_sweeps_whose_end_no_watch_showed_are_forgotten_once_a_list_lacks_them():
    async with FakeCluster() as cluster:
        fresh = cluster.sweeps._shared.freshness
        body = body_of(parallelism=1)
        for number in range(MANY):
            body["metadata"] |= {"uid": f"sweep-{number}", "deletionTimestamp": "2026-01-01T00:00:00Z"}
            cluster.sweeps.saw_sweep(copy.deepcopy(body), deleted=False)
        assert len(fresh.known()) == MANY
        await cluster.sweeps.compare([])
        assert sum(sizes(fresh).values()) == 0


async def test_the_time_to_live_of_a_rejected_sweep_is_forgotten_where_no_watch_showed_its_end():
    async with FakeCluster(relist_seconds=20.0) as cluster:
        forbidden = {"spec": {"serviceAccountName": "forbidden"}}
        cluster.apply(body_of(podTemplate=forbidden, ttlSecondsAfterFinished=86_400))
        await until(lambda: cluster.api.condition("demo", "Accepted")[0] == "False")
        cluster.sweeps.saw_sweep(copy.deepcopy(cluster.api.objects[f"{SWEEPS}/demo"]), deleted=False)
        assert sum(sizes(cluster.sweeps._expiry).values()) > 0
        cluster.api.objects.clear()
        await until(lambda: cluster.sweeps.find("team", "demo") is None and not cluster.sweeps._sweeps)
        assert sum(sizes(cluster.sweeps._expiry).values()) == 0


async def test_what_is_known_of_episodes_goes_with_their_sweep_and_waits_for_no_collection_of_garbage():
    async with FakeCluster() as cluster:
        body = body_of(parallelism=2)
        cluster.apply(body)
        await until(lambda: len(cluster.api.pods()) == 2)
        world = cluster.sweeps.find("team", "demo")
        assert world is not None
        sweep = cluster.sweeps._sweeps[UID]
        known: list[weakref.ref[object]] = [
            weakref.ref(it) for it in (world, world._records, world._attempts, sweep, sweep.status)
        ]
        del world, sweep
        gc.disable()
        try:
            cluster.sweeps.saw_sweep(copy.deepcopy(body), deleted=True)
            await until(lambda: all(ref() is None for ref in known))
        finally:
            gc.enable()


async def test_pods_beyond_what_a_record_holds_are_forgotten_once_they_are_gone():
    api = FakeApi()
    home = Home("team", "demo", UID)
    log = SweepLog(cast("Any", None), "team", "demo")

    def clock() -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    async with Scraper(lambda uid: None) as scraper:
        gated = GatedApi(cast("Api", api), Gates(log, clock))
        around = Surroundings(gated, home, scraper, Freshness(30.0), lambda: None, lambda: None, clock, log)
        attempts = PodAttempts(around, sweep_with(), [EPISODE])
        over = [Attempt(uid=f"old-{i}", reason=EndReason.INTERRUPTED) for i in range(MAX_ATTEMPTS)]
        full = {EPISODE: EpisodeStatus(attempts=over)}
        owner = {"kind": "SeedSweep", "uid": UID, "controller": True, "name": "demo"}
        for number in range(MANY):
            pod = pod_of(number)
            pod["metadata"] |= {"name": "demo-wi0-do0", "ownerReferences": [owner]}
            attempts.saw(pod)
            attempts.gone(pod["metadata"]["uid"])
            attempts.forget_recorded(full)
        assert await attempts.seen(full) == []
        assert sum(sizes(attempts).values()) < MANY


async def test_pods_with_the_seeds_of_no_episode_are_forgotten_once_they_are_gone():
    async with FakeCluster() as cluster:
        cluster.apply(body_of(parallelism=1))
        await until(lambda: len(cluster.api.pods()) == 1)
        attempts = cluster.sweeps._sweeps[UID]._attempts
        assert attempts is not None
        owner = {"kind": "SeedSweep", "uid": UID, "controller": True, "name": "demo"}
        for number in range(MANY):
            pod = pod_of(number, component="trainer")
            pod["metadata"] |= {"name": f"demo-wi{number}-do777", "ownerReferences": [owner]}
            cluster.show_pod(pod)
            pod["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": str(1000 + number)}
            cluster.show_pod(pod, deleted=True)
        await settle()
        assert sum(sizes(attempts).values()) < MANY


async def test_clean_ups_that_never_got_a_pod_leave_nothing_behind():
    api = FakeApi()
    kept = 50

    def refuse(verb: str, path: str, body: Object | None) -> None:
        if (verb, path) == ("POST", PODS):
            raise ApiError(422, "Invalid", "no such pod")

    api.refuse = refuse
    told: list[str] = []

    class Teller:
        def tell(self, home: Home, events: Any) -> None:
            told.append(home.uid)

    settings = PodSettings(frozenset(), "keeper:1", {}, 60)
    clean_ups = CleanUps(cast("Api", api), settings, cast("Recorder", Teller()))
    clean_ups._begun = recent.Recent(kept)
    storage = {**CLAIM, "retentionPolicy": {"whenDeleted": "Delete"}}
    sweep: Object = as_resource(sweep_with({"spec.storage": storage}))
    sweep["metadata"] |= {"namespace": "team", "resourceVersion": "1"}
    for number in range(2 * kept):
        sweep["metadata"]["uid"] = f"uid-{number}"
        for _ in range(2):
            clean_ups.begin(Home.of(sweep), sweep)
    await until(lambda: len(told) == 2 * kept)
    await settle(seconds=0.1)
    assert len(set(told)) == 2 * kept
    assert sum(sizes(clean_ups).values()) <= kept
    await clean_ups.close()
