"""The end of a sweep: it is written and told once, its pods go, its winner is handed over; anew where it changed."""

import copy
from collections.abc import Callable
from functools import partial

import pytest

from inputs.pod_sweeps import CLAIM, sweep_with
from inputs.sweeps import as_resource
from kube.fake_api import EPISODES, PODS, SWEEPS, UID, FakeCluster, Object, body_of, settle, until
from seedsweep.api.housekeeping import HousekeepingTask
from seedsweep.contract.protocol import Env
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.sweeps import sweep as sweep_module

pytestmark = pytest.mark.simulated_time


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


async def test_all_pods_that_have_ended_are_removed_before_a_sweep_is_let_go(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seedsweep.kube.sweeps.world.MAX_ACTS", 1)
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=12, seeds={"single": {"count": 12}}, earlyStopping=...))
        await until(lambda: len(api.pods()) == 12)
        for pod in api.pods():
            cluster.end_pod(pod)
        await until(lambda: api.status("demo").get("phase") == "Complete")
        await until(lambda: not api.pods())


async def test_what_waits_for_the_status_to_be_written_is_told_once_after_an_edit_of_the_spec():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2, seeds={"single": {"count": 3}}, earlyStopping=...))
        await until(lambda: cluster.told["Started"] == 2)

        def refuse(verb: str, path: str, _: object) -> None:
            if verb == "PUT" and path.startswith(SWEEPS):
                raise ApiError(503, "ServiceUnavailable", "etcd is away")

        api.refuse = refuse
        cluster.edit_sweep("demo", suspend=True)
        await until(lambda: not api.pods())
        ended = [path for path in api.objects if path.startswith(EPISODES)]
        await until(lambda: all(api.objects[path]["status"]["attempts"][-1].get("reason") for path in ended))
        await until(lambda: cluster.told["StatusNotWritten"] > 0)
        assert (cluster.told["Stopped"], cluster.told["Suspended"]) == (0, 0)
        cluster.edit_sweep("demo", parallelism=3)
        await settle()
        api.refuse = lambda verb, path, body: None
        await until(lambda: api.condition("demo", "Suspended")[0] == "True")
        await until(lambda: cluster.told["Stopped"] and cluster.told["Suspended"])
        await settle()
        assert (cluster.told["Stopped"], cluster.told["Suspended"]) == (2, 1)


async def test_what_became_of_the_last_episode_is_told_where_the_spec_is_edited_as_the_sweep_ends():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=1, seeds={"single": {"count": 1}}, earlyStopping=...))
        await until(lambda: cluster.told["Started"] == 1)
        edited = False

        def edit(verb: str, path: str, _: object) -> None:
            nonlocal edited
            if verb in ("POST", "PATCH") and path.startswith(EPISODES) and not edited:
                edited = True
                cluster.edit_sweep("demo", ttlSecondsAfterFinished=3600)

        api.refuse = edit
        cluster.end_pod(api.pods()[0])
        await until(lambda: api.status("demo").get("phase") == "Complete")
        assert {reason: cluster.told[reason] for reason in ("Finished", "Completed", "Complete")} == {
            "Finished": 1,
            "Completed": 1,
            "Complete": 1,
        }


def storing_sweep() -> Object:
    """One episode of our own trainer, with a storage."""
    data = {"train": "/data/train.csv", "validation": "/data/dev.csv", "columns": {"text": "text", "label": "label"}}
    fields = {
        "spec.trainer.fineTuning.dataset": data,
        "spec.storage": CLAIM,
        "spec.seeds": {"single": {"count": 1}},
        "spec.earlyStopping": ...,
    }
    body: Object = as_resource(sweep_with(fields))
    body["metadata"] |= {"generation": 1, "resourceVersion": "1", "uid": UID, "namespace": "team"}
    return body


async def answer(cluster: FakeCluster, wanted: Callable[[HousekeepingTask], bool], said: str) -> HousekeepingTask:
    """Wait for the housekeeping pod that is asked for this, and let it end with an answer."""
    asked: list[tuple[str, HousekeepingTask]] = []

    def is_there() -> bool:
        for pod in cluster.api.pods():
            variables = {v["name"]: v.get("value", "") for v in pod["spec"]["containers"][0]["env"]}
            if Env.TASK in variables:
                asked[:] = [(pod["metadata"]["name"], HousekeepingTask.model_validate_json(variables[Env.TASK]))]
        return bool(asked) and wanted(asked[0][1])

    await until(is_there)
    (name, task) = asked[0]
    end = {"exitCode": 0, "message": said, "finishedAt": "2026-03-02T08:00:00Z"}
    status = {"phase": "Succeeded", "containerStatuses": [{"name": "trainer", "state": {"terminated": end}}]}
    cluster.show_pod(cluster.api.edit(f"{PODS}/{name}", lambda found: found.update(status=status)))
    return task


async def test_where_no_weights_of_the_recorded_best_are_stored_those_that_are_get_handed_over_by_their_own_score():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(storing_sweep())
        await answer(cluster, lambda task: task.warm_up, '{"parameters":1000}')
        await until(lambda: cluster.told["Started"])
        cluster.end_pod(next(pod for pod in api.pods() if "wi" in pod["metadata"]["name"]), 20, planned=20)
        freeing = await answer(cluster, lambda task: bool(task.prune), "{}")
        assert (freeing.prune[0].keep, freeing.prune[0].score) == (20, 0.19)
        first = await answer(
            cluster,
            lambda task: task.hand_over is not None,
            '{"instead":[{"evaluation":4,"score":0.02},{"evaluation":6,"score":0.05}]}',
        )
        assert first.hand_over is not None
        assert (first.hand_over.evaluation, first.hand_over.score) == (20, 0.19)
        second = await answer(
            cluster,
            lambda task: task.hand_over is not None and task.hand_over.evaluation == 6,
            '{"weights":"/var/lib/seedsweep/team/sweep-uid/best"}',
        )
        assert second.hand_over is not None
        assert second.hand_over.score == 0.05
        assert "**0.0500** at evaluation 6" in second.hand_over.card
        await until(lambda: api.status("demo").get("phase") == "Complete")
        best = api.status("demo")["best"]
        assert (best["score"], best["evaluation"], best["lost"]) == (0.05, 6, 0.19)
        assert best["weights"].endswith("sweep-uid/best")
        assert cluster.told["WeightsLost"] == 1


def handing_over(name: str) -> Callable[[HousekeepingTask], bool]:
    return lambda task: task.hand_over is not None and task.hand_over.episode == name


async def test_who_wins_among_more_seeds_is_handed_over_where_the_winner_among_fewer_just_has_been():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(storing_sweep())
        await answer(cluster, lambda task: task.warm_up, '{"parameters":1000}')
        for seed in (0, 1):
            pod = f"{PODS}/demo-wi{seed}-do{seed}"
            await until(partial(api.objects.__contains__, pod))
            cluster.end_pod(api.objects[pod], 20, planned=20, above=seed / 10)
            if seed == 0:
                await answer(cluster, lambda task: bool(task.prune), "{}")
                await until(lambda: "housekeeping" in str(api.objects.keys()))
                cluster.edit_sweep("demo", seeds={"single": {"count": 2}})
        await until(lambda: api.status("demo")["best"]["episode"] == "wi1-do1")
        said = '{"weights":"/var/lib/seedsweep/team/sweep-uid/best"}'
        await answer(cluster, handing_over("wi0-do0"), said)
        await answer(cluster, handing_over("wi1-do1"), said)
        await until(lambda: api.status("demo").get("phase") == "Complete")
        best = api.status("demo")["best"]
        assert (best["episode"], bool(best["weights"])) == ("wi1-do1", True)
