"""What the API server refuses becomes a fact with its reason, holds up nothing else, and draws few requests."""

import re

import pytest

from kube.fake_api import CUTS, EPISODES, PODS, SWEEPS, UID, FakeCluster, Object, body_of, settle, until
from seedsweep.api.episode import StopReason
from seedsweep.engine.decisions import StopAttempt
from seedsweep.kube.apiserver import gates
from seedsweep.kube.apiserver.client import ApiError

pytestmark = [pytest.mark.simulated_time, pytest.mark.usefixtures("short_relists")]

QUOTA = ApiError(403, "Forbidden", 'pods "demo" is forbidden: exceeded quota: few, requested: pods=1')
COUNTING = ApiError(
    409, "Conflict", 'Operation cannot be fulfilled on resourcequotas "few": the object has been modified'
)
NO_RIGHT = ApiError(403, "Forbidden", 'User "operator" cannot do that')
WEBHOOK = ApiError(403, "Forbidden", 'admission webhook "no.example" denied the request: no')


def refusing(verbs: str, pattern: str, error: ApiError):
    def refuse(method: str, path: str, _: object) -> None:
        if re.fullmatch(verbs, method) and re.fullmatch(pattern, path):
            raise error

    return refuse


async def test_a_closed_quota_draws_few_requests_and_is_told_without_flapping():
    grid = {"grid": {"weightInits": {"count": 20}, "dataOrders": {"count": 10}}}
    async with FakeCluster() as cluster:
        api = cluster.api

        def refuse(verb: str, path: str, _: object) -> None:
            if (verb, path) == ("POST", PODS) and len(api.pods()) >= 8:
                raise QUOTA

        api.refuse = refuse
        cluster.apply(body_of(parallelism=200, seeds=grid))
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "QuotaExceeded"))
        written = api.count("PUT", "/apis/seedsweep.io/v1alpha1/namespaces/team/seedsweeps")
        at_once, asked = api.refused, api.count("POST", PODS)
        assert at_once <= 8
        for _ in range(50):
            await settle(seconds=0.1)
            assert api.condition("demo", "Stalled")[:2] == ("True", "QuotaExceeded")
        assert api.count("POST", PODS) - asked <= 5
        assert api.count("PUT", "/apis/seedsweep.io/v1alpha1/namespaces/team/seedsweeps") - written <= 2
        assert cluster.told["Stalled"] == 1


@pytest.mark.parametrize("path", [PODS, EPISODES])
async def test_a_quota_that_cannot_count_in_time_is_no_conflict_of_the_operators(path: str):
    async with FakeCluster() as cluster:
        api = cluster.api
        api.refuse = refusing("POST", path, COUNTING)
        cluster.apply(body_of(parallelism=4))
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "QuotaExceeded"))
        before = api.refused
        await settle(seconds=3)
        assert api.refused - before <= 3
        assert api.condition("demo", "Stalled")[:2] == ("True", "QuotaExceeded")
        api.refuse = lambda verb, path, body: None
        await until(lambda: len(api.pods()) == 4)
        await until(lambda: api.condition("demo", "Stalled")[0] == "False")


async def test_a_quota_that_opens_is_used_by_the_next_probe():
    async with FakeCluster() as cluster:
        api = cluster.api
        api.refuse = refusing("POST", PODS, QUOTA)
        cluster.apply(body_of(parallelism=8))
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "QuotaExceeded"))
        api.refuse = lambda verb, path, body: None
        await until(lambda: len(api.pods()) == 8)
        await until(lambda: api.condition("demo", "Stalled")[0] == "False")
        assert gates.MAX_PAUSE.total_seconds() <= 5


@pytest.mark.parametrize(("error", "reason"), [(NO_RIGHT, "Forbidden"), (WEBHOOK, "AdmissionDenied")])
@pytest.mark.parametrize(
    ("verb", "path"),
    [("POST", PODS), ("POST", EPISODES), ("PATCH", f"{EPISODES}/.*"), ("LIST", PODS), ("LIST", EPISODES)],
)
async def test_a_missing_right_is_told_and_draws_less_than_a_request_a_second(
    verb: str, path: str, error: ApiError, reason: str
):
    async with FakeCluster() as cluster:
        api = cluster.api
        api.refuse = refusing(verb, path, error)
        cluster.apply(body_of(parallelism=4))
        if verb == "PATCH":
            await until(lambda: api.count("POST", EPISODES) == 4)
            for pod in api.pods():
                cluster.end_pod(pod, scores=3)
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", reason))
        before = api.refused
        await settle(seconds=3)
        assert api.refused - before <= 3
        assert api.condition("demo", "Stalled")[:2] == ("True", reason)


async def test_cuts_that_cannot_be_created_are_told_and_made_once_they_can():
    async with FakeCluster() as cluster:
        api = cluster.api
        api.refuse = refusing("POST", CUTS, NO_RIGHT)
        cluster.apply(body_of(parallelism=8))
        await until(lambda: len(api.pods()) == 8)
        for pod in api.pods():
            cluster.end_pod(pod, scores=3)
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "Forbidden"))
        assert "the cut of bracket 0 at rung 0" in api.condition("demo", "Stalled")[2]
        assert cluster.told["CutMade"] == 0
        before = api.refused
        await settle(seconds=3)
        assert api.refused - before <= 3
        api.refuse = lambda verb, path, body: None
        await until(lambda: api.count("POST", CUTS) and f"{CUTS}/demo-b0-r0" in api.objects)
        await until(lambda: cluster.told["CutMade"] == 1)


async def test_pods_that_cannot_be_deleted_are_told_and_draw_few_requests():
    async with FakeCluster() as cluster:
        api = cluster.api
        api.refuse = refusing("DELETE", f"{PODS}/.*", NO_RIGHT)
        cluster.apply(body_of(parallelism=4))
        await until(lambda: len(api.pods()) == 4)
        cluster.edit_sweep("demo", suspend=True)
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "Forbidden"))
        assert "delete pods" in api.condition("demo", "Stalled")[2]
        before = api.refused
        await settle(seconds=3)
        assert api.refused - before <= 3
        api.refuse = lambda verb, path, body: None
        await until(lambda: not api.pods())


async def test_a_name_that_an_ended_pod_keeps_is_not_asked_for_and_that_is_told_once():
    async with FakeCluster() as cluster:
        api = cluster.api
        api.refuse = refusing("DELETE", f"{PODS}/.*", ApiError(422, "Invalid", "not now"))
        cluster.apply(body_of(parallelism=8))
        await until(lambda: len(api.pods()) == 8)
        for pod in api.pods():
            cluster.end_pod(pod, scores=3)
        await until(lambda: f"{CUTS}/demo-b0-r0" in api.objects)
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "Rejected"))
        await settle()
        assert "cannot delete pods, such as demo-" in api.condition("demo", "Stalled")[2]
        assert api.count("POST", PODS) == 8
        assert cluster.told["Stalled"] == 1
        ended = {pod["metadata"]["uid"] for pod in api.pods()}
        api.refuse = lambda verb, path, body: None
        await until(lambda: any(pod["metadata"]["uid"] not in ended for pod in api.pods()))
        await until(lambda: api.condition("demo", "Stalled")[0] == "False")


async def test_one_episode_whose_record_is_refused_holds_up_that_episode_only():
    too_large = ApiError(413, "RequestEntityTooLarge", "etcdserver: request is too large")
    seeds = {"single": {"count": 6}}
    async with FakeCluster() as cluster:
        api = cluster.api

        def refuse(verb: str, path: str, body: Object | None) -> None:
            made = verb == "POST" and path == EPISODES and (body or {})["metadata"]["name"] == "demo-wi0-do0"
            if made or (verb, path) == ("PATCH", f"{EPISODES}/demo-wi0-do0"):
                raise too_large

        api.refuse = refuse
        cluster.apply(body_of(parallelism=2, seeds=seeds, earlyStopping=...))

        def ended_all_others() -> bool:
            for pod in api.pods():
                if pod["status"]["phase"] == "Pending":
                    cluster.end_pod(pod)
            done = [path for path, item in api.objects.items() if "episodes" in path and item.get("status", {})]
            return len([p for p in done if api.objects[p]["status"]["state"] == "Finished"]) == 5

        await until(ended_all_others)
        assert api.condition("demo", "Stalled")[:2] == ("True", "TooLarge")
        assert "wi0-do0" in api.condition("demo", "Stalled")[2]
        api.refuse = lambda verb, path, body: None
        await until(lambda: api.status("demo").get("phase") == "Complete")


async def test_running_pods_that_finalizers_hold_and_that_fill_all_places_are_told():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        for pod in api.pods():
            cluster.show_pod(api.edit(f"{PODS}/{pod['metadata']['name']}", held))
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "PodHeld"))
        assert "the finalizers queue.io/held hold it" in api.condition("demo", "Stalled")[2]


def held(pod: Object) -> None:
    """Running, and deleted; its grace was none."""
    deletion = {"deletionTimestamp": "2030-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
    pod["metadata"] |= {**deletion, "finalizers": ["queue.io/held"]}
    pod["status"] = {
        "phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [{"name": "trainer", "state": {"running": {}}}],
    }


RECORDS = f"{EPISODES}(/.*)?"
WRITING = "POST|PATCH"
"""How Episodes are made and written."""


@pytest.mark.parametrize(("verb", "path"), [("PATCH", RECORDS), ("POST", RECORDS)])
async def test_a_suspended_sweep_frees_its_places_though_no_episode_can_be_recorded(verb: str, path: str):
    async with FakeCluster() as cluster:
        api = cluster.api
        api.refuse = refusing(verb, path, NO_RIGHT)
        cluster.apply(body_of(parallelism=4))
        await until(lambda: len(api.pods()) == 4)
        if verb == "PATCH":
            await until(lambda: api.count("POST", EPISODES) == 4)
        cluster.edit_sweep("demo", suspend=True)
        await until(lambda: not api.pods())
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "Forbidden"))


async def test_why_a_pod_was_stopped_is_recorded_once_its_episode_can_be_written():
    async with FakeCluster() as cluster:
        api = cluster.api
        api.refuse = refusing(WRITING, RECORDS, NO_RIGHT)
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        pods = api.pods()
        cluster.edit_sweep("demo", suspend=True)
        await until(lambda: not api.pods())
        for pod in pods:
            cluster.show_pod(pod, deleted=True)
        api.refuse = lambda verb, path, body: None
        await until(lambda: recorded_stops(cluster) == [("Stopped", "Suspended")] * 2)


async def test_a_deadline_frees_the_places_of_who_cannot_be_recorded_once_it_is_on_record():
    async with FakeCluster() as cluster:
        api = cluster.api

        def refuse(verb: str, path: str, body: Object | None) -> None:
            refusing(WRITING, RECORDS, NO_RIGHT)(verb, path, body)
            if verb == "PUT" and path.startswith(SWEEPS) and has_failed(body):
                raise NO_RIGHT

        api.refuse = refuse
        cluster.apply(body_of(parallelism=4, activeDeadlineSeconds=1))
        await until(lambda: len(api.pods()) == 4)
        await settle(seconds=2.5)
        assert len(api.pods()) == 4, "nothing on record says why they go"
        api.refuse = refusing(WRITING, RECORDS, NO_RIGHT)
        await until(lambda: not api.pods())
        assert api.condition("demo", "Failed")[:2] == ("True", "DeadlineExceeded")


def has_failed(body: Object | None) -> bool:
    conditions = (body or {}).get("status", {}).get("conditions", ())
    return any((c["type"], c["status"]) == ("Failed", "True") for c in conditions)


def recorded_stops(cluster: FakeCluster) -> list[tuple[str | None, str | None]]:
    """Reason and stop of all attempts on record."""
    episodes = [item for path, item in cluster.api.objects.items() if path.startswith(EPISODES)]
    attempts = [a for item in episodes for a in item.get("status", {}).get("attempts", ())]
    return [(a.get("reason"), a.get("stop")) for a in attempts]


async def test_names_that_are_taken_leave_the_other_places_to_others():
    async with FakeCluster() as cluster:
        api = cluster.api
        for path, name in ((PODS, "demo-wi0-do0"), (EPISODES, "demo-wi0-do1")):
            await api.create(path, {"metadata": {"name": name, "labels": {}}})
        cluster.apply(body_of(parallelism=4))
        await until(lambda: len([pod for pod in api.pods() if owned(pod)]) == 4)
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "NameTaken"))
        for _ in range(20):
            await settle(seconds=0.1)
            assert api.condition("demo", "Stalled")[:2] == ("True", "NameTaken")


def owned(pod: Object) -> bool:
    return any(owner["uid"] == UID for owner in pod["metadata"].get("ownerReferences", ()))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("ended", [True, False])
async def test_pods_whose_deletion_is_refused_hold_up_no_others(
    monkeypatch: pytest.MonkeyPatch, first: bool, ended: bool
):
    monkeypatch.setattr("seedsweep.kube.sweeps.world.MAX_ACTS", 2)
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=9, seeds={"single": {"count": 9}}))
        await until(lambda: cluster.told["Started"] == 9)
        *pods, _ = api.pods()
        kept = {pod["metadata"]["name"] for pod in (pods[:4] if first else pods[4:])}
        held = ApiError(422, "Invalid", "it cannot be deleted")
        api.refuse = refusing("DELETE", f"{PODS}/({'|'.join(kept)})", held)
        if ended:
            for pod in pods:
                cluster.end_pod(pod)
        else:
            cluster.edit_sweep("demo", suspend=True)
        left = len(kept) + ended
        await until(lambda: len(api.pods()) == left)
        world = cluster.sweeps.find("team", "demo")
        assert world is not None
        await until(lambda: not world.unfinished)


async def test_what_cannot_be_asked_for_is_not_among_the_acts_of_a_turn():
    async with FakeCluster() as cluster:
        cluster.apply(body_of(parallelism=2, seeds={"single": {"count": 2}}))
        await until(lambda: cluster.told["Started"] == 2)
        world = cluster.sweeps.find("team", "demo")
        assert world is not None
        attempts, (seen, other) = world._attempts, world.seen.attempts
        assert attempts.can_stop(seen.uid)
        assert not attempts.can_stop("another")
        await attempts.stop([StopAttempt(seen.episode, seen.uid, StopReason.SUSPENDED, save=True)])
        assert attempts.can_stop(seen.uid)
        await attempts.stop([StopAttempt(seen.episode, seen.uid, StopReason.NODE_LOST, save=False)])
        assert not attempts.can_stop(seen.uid)
        attempts.gone(other.uid)
        assert not attempts.can_stop(other.uid)


async def test_starts_whose_names_are_held_by_pods_that_cannot_be_deleted_hold_up_no_others(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("seedsweep.kube.sweeps.world.MAX_ACTS", 1)
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=4, seeds={"single": {"count": 4}}))
        await until(lambda: cluster.told["Started"] == 4)
        before = {pod["metadata"]["uid"] for pod in api.pods()}
        kept = [pod["metadata"]["name"] for pod in api.pods()[:2]]
        held = ApiError(422, "Invalid", "it cannot be deleted")
        api.refuse = refusing("DELETE", f"{PODS}/({'|'.join(kept)})", held)
        evicted = {"phase": "Failed", "reason": "Evicted"}
        for pod in api.pods():
            path = f"{PODS}/{pod['metadata']['name']}"
            cluster.show_pod(api.edit(path, lambda found: found.update(status=evicted)))
        await until(lambda: len({pod["metadata"]["uid"] for pod in api.pods()} - before) == 2)
