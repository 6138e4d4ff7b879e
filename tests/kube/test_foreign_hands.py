"""What other hands and other releases do to a sweep's objects is neither lost nor taken for ours."""

import asyncio
import copy
import logging
import re
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from inputs.pod_sweeps import sweep_with
from kube.fake_api import (
    EPISODES,
    OWN_TRAINER,
    PODS,
    SWEEPS,
    UID,
    FakeApi,
    FakeCluster,
    Object,
    body_of,
    settle,
    until,
)
from seedsweep.api.episode import EpisodeStatus
from seedsweep.engine.decisions import RecordEpisode
from seedsweep.engine.layout import Layout
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.apiserver.gates import GatedApi, Gates
from seedsweep.kube.ledger import records as records_module
from seedsweep.kube.ledger.records import Records
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home
from seedsweep.kube.process.clock import now

pytestmark = [pytest.mark.simulated_time, pytest.mark.usefixtures("short_relists")]

OWNER = [{"kind": "SeedSweep", "uid": UID, "controller": True, "name": "demo"}]
DENIED = ApiError(422, "Invalid", "ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no")


def newer_episode() -> Object:
    return {
        "apiVersion": "seedsweep.io/v1alpha1",
        "kind": "Episode",
        "metadata": {
            "name": "demo-wi0-do0",
            "labels": {"seedsweep.io/sweep-uid": UID},
            "ownerReferences": OWNER,
            "resourceVersion": "7",
            "uid": "e",
        },
        "spec": {"sweep": "demo", "weightInit": 0, "dataOrder": 0, "index": 0},
        "status": {"state": "Averaged", "scores": [0.5], "attempts": [{"uid": "u", "reason": "Averaged"}]},
    }


async def test_a_record_that_cannot_be_read_is_never_written_over_and_counts_once_it_can():
    async with FakeCluster(relist_seconds=0.5) as cluster:
        api, path = cluster.api, f"{EPISODES}/demo-wi0-do0"
        api.objects[path] = newer_episode()
        cluster.apply(body_of(parallelism=8))
        await until(lambda: len(api.pods()) == 7)
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "UnreadableRecord"))
        await settle(3.5)
        assert api.objects[path] == newer_episode()
        assert len(api.pods()) == 7
        readable = {"state": "Waiting", "scores": [], "attempts": []}
        api.edit(path, lambda found: found.update(status=readable))
        await until(lambda: len(api.pods()) == 8)
        await until(lambda: api.condition("demo", "Stalled")[0] == "False")


async def test_the_episode_of_another_sweep_of_the_name_is_not_read_as_ours():
    async with FakeCluster() as cluster:
        api, path = cluster.api, f"{EPISODES}/demo-wi0-do0"
        cluster.apply(body_of(parallelism=1))
        await until(lambda: len(api.pods()) == 1)
        await until(lambda: path in api.objects)
        other = copy.deepcopy(api.objects[path])
        other["metadata"] |= {"ownerReferences": [{**OWNER[0], "uid": "another"}], "resourceVersion": "999"}
        other["status"] = {"state": "Running", "scores": [0.9] * 5, "attempts": []}
        api.objects[path] = other
        cluster.end_pod(api.pods()[0], scores=3)
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "NameTaken"))
        assert api.objects[path] == other


async def test_what_another_hand_wrote_after_a_plan_was_made_is_not_written_over():
    api, home = FakeApi(), Home("team", "demo", UID)
    sweep = sweep_with({"spec.trainer": OWN_TRAINER})
    gated = GatedApi(api, Gates(logging.getLogger(__name__), now))  # type: ignore[arg-type]
    records = Records(gated, home, Layout.of(sweep), now, lambda: None)
    episode = Layout.of(sweep).episodes[0]
    path = f"{EPISODES}/{names.object_name('demo', episode)}"
    await records.write([RecordEpisode(episode, EpisodeStatus(scores=[0.5]), durable=True)], {})
    planned_from = dict(records.episodes)
    ended = {"state": "Waiting", "scores": [0.5], "attempts": [{"uid": "u", "reason": "Interrupted"}]}
    api.edit(path, lambda found: found.update(status=ended))
    await records.audit()
    for durable in (True, False):
        await records.write([RecordEpisode(episode, EpisodeStatus(scores=[0.5, 0.6]), durable)], planned_from)
        await records.flush()
        assert api.objects[path]["status"] == ended
        assert records.episodes[episode].attempts[0].uid == "u"
    newer = RecordEpisode(episode, records.episodes[episode].evolve(scores=[0.5, 0.6]), durable=True)
    await records.write([newer], dict(records.episodes))
    assert api.objects[path]["status"]["scores"] == [0.5, 0.6]


async def test_what_waits_is_written_where_the_writing_was_cancelled_and_begun_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(records_module, "LAZY_SECONDS", 0.0)
    monkeypatch.setattr(records_module, "LAZY_PAUSE_SECONDS", 600.0)
    api, home = FakeApi(), Home("team", "demo", UID)
    layout = Layout.of(sweep_with({"spec.trainer": OWN_TRAINER}))
    gated = GatedApi(api, Gates(logging.getLogger(__name__), now))  # type: ignore[arg-type]
    records = Records(gated, home, layout, now, lambda: None)
    status = EpisodeStatus(scores=[0.5])

    def has_written(number: int) -> bool:
        return sum("status" in found for found in api.objects.values()) == number

    await records.write([RecordEpisode(e, status, durable=False) for e in layout.episodes[:2]], {})
    for written in (1, 2):
        lazily = asyncio.create_task(records.write_lazily())
        await until(partial(has_written, written))
        lazily.cancel()


async def test_a_pod_in_another_namespace_is_another_tenants_whatever_it_says():
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        forged = copy.deepcopy(api.pods()[0])
        forged["metadata"] |= {
            "namespace": "another",
            "name": "demo-wi3-do1",
            "uid": "forged",
            "resourceVersion": "999",
        }
        forged["status"] = {"phase": "Running", "podIP": "127.0.0.1"}
        cluster.show_pod(forged)
        await settle()
        # Its place is not taken: the third episode starts where it is allowed to.
        cluster.edit_sweep("demo", parallelism=3)
        await until(lambda: len(api.pods()) == 3)
        world = cluster.sweeps.find("team", "demo")
        assert world is not None
        assert "forged" not in [attempt.uid for attempt in world.seen.attempts]


async def test_a_sweep_whose_status_makes_no_sense_keeps_no_other_from_being_compared():
    async with FakeCluster() as cluster:
        api = cluster.api
        odd = body_of(parallelism=1, ttlSecondsAfterFinished=5)
        odd["metadata"] |= {"name": "odd", "uid": "odd-uid"}
        odd["status"] = {"phase": "Complete", "completionTime": "yesterday"}
        cluster.apply(odd)
        cluster.apply(body_of(parallelism=2))
        await until(lambda: len(api.pods()) == 2)
        del api.objects[f"{SWEEPS}/demo"]
        await cluster.sweeps.compare([])
        assert [home.name for home, _ in cluster.sweeps.statuses()] == ["odd"]


async def test_a_pod_that_has_ended_and_lingers_draws_few_requests(monkeypatch: pytest.MonkeyPatch):
    async with FakeCluster() as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=8, backoffLimitPerEpisode=5))
        await until(lambda: len(api.pods()) == 8)
        lingering = api.pods()[0]
        path = f"{PODS}/{lingering['metadata']['name']}"

        async def delete(at: str, uid: str, grace_seconds: int | None = None) -> None:
            api.calls.append(("DELETE", at))
            if at == path:
                api.edit(path, lambda found: found["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"))
            elif at in api.objects:
                del api.objects[at]

        monkeypatch.setattr(api, "delete", delete)
        # No last words that count: it is replayed.
        cluster.end_pod(lingering, message="?")
        await until(lambda: ("DELETE", path) in api.calls)
        await settle(1.0)
        before = len(api.calls)
        await settle(3.0)
        asked = [
            (verb, at) for verb, at in api.calls[before:] if verb in ("POST", "DELETE") or (verb, at) == ("GET", path)
        ]
        assert len(asked) <= 6


async def test_a_denial_by_admission_is_one_whatever_its_status_and_ends_no_sweep():
    async with FakeCluster(relist_seconds=0.5) as cluster:
        api = cluster.api

        def refuse(verb: str, path: str, _: object) -> None:
            if path == PODS and verb in ("POST", "DRY RUN"):
                raise DENIED

        api.refuse = refuse
        cluster.apply(body_of(parallelism=8))
        await until(lambda: api.condition("demo", "Stalled")[:2] == ("True", "AdmissionDenied"))
        assert api.count("POST", PODS) <= 2
        api.refuse = lambda verb, path, body: None
        await until(lambda: len(api.pods()) == 8)
        await until(lambda: api.condition("demo", "Stalled")[0] == "False")


@pytest.mark.parametrize("refusal", [DENIED, ApiError(422, "Invalid", "no"), ApiError(400, "BadRequest", "no")])
async def test_deletions_that_are_refused_whatever_their_status_are_told_and_draw_few_requests(refusal: ApiError):
    async with FakeCluster() as cluster:
        api = cluster.api

        def refuse(verb: str, path: str, _: object) -> None:
            if verb == "DELETE" and re.fullmatch(f"{PODS}/.*", path):
                raise refusal

        api.refuse = refuse
        cluster.apply(body_of(parallelism=4))
        await until(lambda: len(api.pods()) == 4)
        cluster.edit_sweep("demo", suspend=True)
        await until(lambda: api.condition("demo", "Stalled")[0] == "True")
        before = api.refused
        await settle(3.0)
        assert api.refused - before <= 8
        api.refuse = lambda verb, path, body: None
        await until(lambda: not api.pods())


async def test_an_end_is_told_once_and_only_when_all_of_it_is_on_record():
    async with FakeCluster() as cluster:
        api = cluster.api
        too_large = ApiError(413, "RequestEntityTooLarge", "etcdserver: request is too large")

        def refuse(verb: str, path: str, body: object) -> None:
            # The verdicts of losers come lazily, after the cut.
            if verb == "PATCH" and "/episodes/" in path and "LostByCut" in str(body):
                raise too_large

        api.refuse = refuse
        cluster.apply(body_of(parallelism=8))

        def ended() -> bool:
            for pod in api.pods():
                if pod["status"]["phase"] == "Pending":
                    cluster.end_pod(pod)
            return api.condition("demo", "Stalled")[:2] == ("True", "TooLarge")

        await until(ended)
        await settle(2.0)
        assert cluster.told["Complete"] == 0
        assert "completionTime" not in api.status("demo")
        api.refuse = lambda verb, path, body: None
        await until(lambda: api.status("demo").get("phase") == "Complete")
        assert cluster.told["Complete"] == 1


class OnePage(Api):
    """Answers every list as the API server answers one of metadata alone that is empty."""

    def __init__(self) -> None:
        pass

    async def _request(self, *_: object, **__: object) -> Object:
        return {"kind": "PartialObjectMetadataList", "metadata": {}, "items": None}


async def test_an_empty_list_of_metadata_is_empty():
    assert [item async for item in OnePage().list(EPISODES, metadata_only=True)] == []


def test_the_clock_of_attempts_and_of_their_scrapes_is_one():
    from seedsweep.kube.process import clock
    from seedsweep.kube.scraping import scraper

    assert scraper.Scraper(lambda _: None)._clock is clock.now
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(days=1)
