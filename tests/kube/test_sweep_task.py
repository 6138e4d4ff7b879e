"""The task of a sweep: nothing ends it while its sweep exists, nothing is made for a sweep that is gone."""

import copy

import pytest

from kube.fake_api import CUTS, EPISODES, PODS, SWEEPS, FakeCluster, body_of, settle, until
from seedsweep.kube import supervise
from seedsweep.kube import sweep as sweep_module
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.ledger import records as records_module


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
    monkeypatch.setattr(sweep_module, "GONE_WITHIN_SECONDS", 0.2)
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


async def test_an_end_that_could_not_be_written_is_written_once_it_can(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sweep_module, "RETRY_SECONDS", 0.1)
    pairs = {"pairs": [{"weightInit": 0, "dataOrder": order} for order in (0, 1)]}
    async with FakeCluster(relist_seconds=0.3) as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2, seeds=pairs, earlyStopping=...))
        await until(lambda: len(api.pods()) == 2)
        await settle()

        def away(verb: str, path: str, _: object) -> None:
            if path == f"{SWEEPS}/demo/status" or verb == "LIST":
                raise ApiError(None, "Unreachable", "the API server cannot be reached")

        api.refuse = away
        for pod in api.pods():
            cluster.end_pod(pod)
        await settle(seconds=1.5)
        assert api.status("demo").get("phase") != "Complete"
        api.refuse = lambda verb, path, body: None
        await until(lambda: api.status("demo").get("phase") == "Complete")
        assert api.status("demo")["completionTime"]
        assert cluster.told["Complete"] == 1


async def test_an_end_whose_writing_was_not_answered_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sweep_module, "RETRY_SECONDS", 0.1)
    pairs = {"pairs": [{"weightInit": 0, "dataOrder": order} for order in (0, 1)]}
    async with FakeCluster(relist_seconds=0.3) as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2, seeds=pairs, earlyStopping=...))
        await until(lambda: len(api.pods()) == 2)
        path = f"{SWEEPS}/demo"
        api.lose_answer = lambda verb, at: at == f"{path}/status" and api.status("demo").get("phase") == "Complete"
        for pod in api.pods():
            cluster.end_pod(pod)
        await until(lambda: api.status("demo").get("phase") == "Complete")
        cluster.sweeps.saw_sweep(copy.deepcopy(api.objects[path]), deleted=False)
        await until(lambda: cluster.told["Complete"] == 1)


async def test_a_rejection_whose_writing_was_not_answered_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sweep_module, "RETRY_SECONDS", 0.1)
    async with FakeCluster() as cluster:
        api, path = cluster.api, f"{SWEEPS}/demo"
        api.lose_answer = lambda verb, at: at == f"{path}/status"
        cluster.apply(body_of(podTemplate={"spec": {"serviceAccountName": "forbidden"}}))
        await until(lambda: api.condition("demo", "Accepted")[0] == "False")
        cluster.sweeps.saw_sweep(copy.deepcopy(api.objects[path]), deleted=False)
        await until(lambda: cluster.told["Rejected"] == 1)


@pytest.mark.parametrize(("observed", "again"), [(1, True), (2, False)])
async def test_a_hand_over_that_failed_is_tried_again_once_the_spec_has_changed(observed: int, again: bool):
    async with FakeCluster() as cluster:
        body = body_of()
        body["metadata"]["generation"] = 2
        body["status"] = over_by("HandOverFailed", observed)
        cluster.apply(body)
        await settle()
        assert (cluster.sweeps.find("team", "demo") is not None) == again


async def test_a_sweep_that_failed_otherwise_stays_over_whatever_changes():
    async with FakeCluster() as cluster:
        cluster.apply(body_of() | {"status": over_by("NoScore", 1)})
        cluster.edit_sweep("demo", parallelism=3)
        await settle()
        assert cluster.sweeps.find("team", "demo") is None


async def test_a_hand_over_that_failed_is_tried_again_while_the_operator_runs():
    async with FakeCluster() as cluster:
        cluster.apply(body_of() | {"status": over_by("HandOverFailed", 1)})
        await settle()
        assert cluster.sweeps.find("team", "demo") is None
        cluster.edit_sweep("demo", parallelism=3)
        await until(lambda: cluster.sweeps.find("team", "demo") is not None)


def over_by(reason: str, generation: int) -> dict[str, object]:
    since = "2026-03-02T08:00:00Z"
    failed = {"type": "Failed", "status": "True", "reason": reason, "message": "", "lastTransitionTime": since}
    return {"phase": "Failed", "completionTime": since, "observedGeneration": generation, "conditions": [failed]}


async def test_a_turn_starts_and_stops_so_many_and_the_status_is_written_before_the_rest(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("seedsweep.kube.world.MAX_ACTS", 4)
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
        written = [path for verb, path in api.calls[:first] if verb == "PUT" and path.startswith(EPISODES)]
        # Each once: why it is stopped.
        assert len(written) == len(set(written)) == 12


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


async def test_all_pods_that_have_ended_are_removed_before_a_sweep_is_let_go(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seedsweep.kube.world.MAX_ACTS", 1)
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=12, seeds={"single": {"count": 12}}, earlyStopping=...))
        await until(lambda: len(api.pods()) == 12)
        for pod in api.pods():
            cluster.end_pod(pod)
        await until(lambda: api.status("demo").get("phase") == "Complete")
        await until(lambda: not api.pods())
