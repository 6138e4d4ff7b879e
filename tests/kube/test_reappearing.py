"""What somebody takes away is noticed and made again; what nobody needs any more goes."""

import copy

import pytest

from kube.fake_api import CUTS, EPISODES, PODS, FakeCluster, body_of, settle, until
from seedsweep.api.status import SweepStatus

pytestmark = [pytest.mark.simulated_time, pytest.mark.usefixtures("short_relists")]


async def test_episodes_and_cuts_that_somebody_deleted_are_made_again_with_all_they_held():
    async with FakeCluster(relist_seconds=0.3) as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=8))
        await until(lambda: len(api.pods()) == 8)
        for pod in api.pods():
            cluster.end_pod(pod, scores=3)
        cut, episode = f"{CUTS}/demo-b0-r0", f"{EPISODES}/demo-wi3-do1"
        await until(lambda: cut in api.objects and api.objects.get(episode, {}).get("status", {}).get("rungScores"))
        before = copy.deepcopy({path: api.objects.pop(path) for path in (cut, episode)})
        await until(lambda: cut in api.objects and api.objects.get(episode, {}).get("status"))
        assert api.objects[cut]["data"] == before[cut]["data"]
        for field in ("rungScores", "scores"):
            assert api.objects[episode]["status"][field] == before[episode]["status"][field]


async def test_a_pod_that_lost_its_label_is_told_and_followed_and_not_taken_for_gone(caplog: pytest.LogCaptureFixture):
    async with FakeCluster(relist_seconds=0.3) as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        pod = api.pods()[0]
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        cluster.show_pod(api.edit(f"{PODS}/{name}", lambda found: None), deleted=True)
        unlabelled = api.edit(f"{PODS}/{name}", lambda found: found["metadata"].update(labels={}))
        assert unlabelled["metadata"]["labels"] == {}
        await settle(1.0)
        assert api.objects[f"{PODS}/{name}"]["metadata"]["uid"] == uid
        assert api.condition("demo", "Stalled")[0] == "False"
        assert f"pod {name} has lost its label" in caplog.text
        # It ends unseen by any watch.
        cluster.end_pod(pod, scores=3)
        await until(lambda: api.objects.get(f"{EPISODES}/{name}", {}).get("status", {}).get("rungScores"))


async def test_a_pod_that_lost_its_owner_is_followed_to_its_end():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        pod = api.pods()[0]
        name = pod["metadata"]["name"]
        cluster.show_pod(api.edit(f"{PODS}/{name}", lambda found: found["metadata"].update(ownerReferences=[])))
        cluster.end_pod(pod, scores=3)
        await until(lambda: api.objects.get(f"{EPISODES}/{name}", {}).get("status", {}).get("rungScores"))


async def test_a_pod_that_has_ended_is_deleted_once_its_end_is_on_record():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        pod = api.pods()[0]
        episode = f"{EPISODES}/{pod['metadata']['name']}"

        def recorded_before(verb: str, path: str, _: object) -> None:
            if (verb, path) == ("DELETE", f"{PODS}/{pod['metadata']['name']}"):
                assert api.objects[episode]["status"]["attempts"][-1]["reason"] == "StoppedAtRung"

        api.refuse = recorded_before
        cluster.end_pod(pod, scores=3)
        await until(lambda: pod["metadata"]["uid"] not in [p["metadata"]["uid"] for p in api.pods()])
        # Its place is the next one's.
        await until(lambda: len(api.pods()) == 2)


async def test_a_pod_with_our_owner_reference_and_an_unknown_episode_stops_nothing():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        for name in ("copy-wi0-do0", "demo-wi777-do777"):
            other = copy.deepcopy(api.pods()[0])
            other["metadata"] |= {"name": name, "uid": f"uid-of-{name}", "resourceVersion": "99"}
            api.objects[f"{PODS}/{name}"] = other
            cluster.show_pod(other)
        await settle()
        cluster.edit_sweep("demo", parallelism=3)
        await until(lambda: len(api.pods()) == 5)
        assert not [path for verb, path in api.calls if verb == "DELETE"]
        assert api.condition("demo", "Stalled")[1] == "UnknownPod"


@pytest.mark.parametrize("words", ["5", "null", "[" * 2_000, '{"a":' + "1" + "0" * 400 + "}", "\0", "a b"])
async def test_any_last_words_end_an_attempt_and_no_sweep(words: str):
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=1))
        await until(lambda: len(api.pods()) == 1)
        pod = api.pods()[0]
        cluster.end_pod(pod, message=words)
        episode = f"{EPISODES}/{pod['metadata']['name']}"
        await until(lambda: api.objects.get(episode, {}).get("status", {}).get("attempts", [{}])[-1].get("reason"))


async def test_a_status_of_a_newer_release_is_kept_and_the_sweep_goes_on():
    async with FakeCluster() as cluster:
        api, body = cluster.api, body_of(parallelism=2)
        newer = SweepStatus(phase="Running").model_dump(mode="json", by_alias=True, exclude_none=True)
        body["status"] = {**newer, "phase": "Averaging", "inV2": 1}
        cluster.apply(body)
        await until(lambda: len(api.pods()) == 2 and api.status("demo").get("startTime"))
        assert api.status("demo")["phase"] == "Running"
        assert api.status("demo")["inV2"] == 1
        assert api.condition("demo", "Accepted")[0] == "True"
