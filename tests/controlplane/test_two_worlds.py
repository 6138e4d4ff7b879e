"""One file in two worlds: in pods on too few GPUs, preempted twice, and by `seedsweep run`; seed by seed the same."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest
from kubernetes.aio.config import new_client_from_config
from ruamel.yaml import YAML

from cluster.controlplane import ControlPlane
from cluster.misfortune import intruder, on_own_nodes, own_nodes, urgent
from cluster.objects import make_claim
from cluster.real_trainers import Object, ended, episodes, example, make_small, read, real_trainers
from host.runners import runner
from seedsweep.api.base import ApiModel
from seedsweep.cluster.attempts import bring_attempts
from seedsweep.cluster.lookup import accepted, named_sweep
from seedsweep.cluster.record import stored_record
from seedsweep.cluster.remote import UriSource
from seedsweep.contract.for_reports import ATTEMPTS
from seedsweep.kube.apiserver.client import Api
from seedsweep.kube.objects.weights import Uri
from seedsweep.kube.pods.manifest import storage_folder
from seedsweep.report.beside import read_beside
from seedsweep.report.findings.losers import against_last_kept
from seedsweep.report.findings.luck import Apart, luck_of
from seedsweep.report.findings.verdict import verdict_of
from seedsweep.report.record import Record, read_record, write_record

Result = TypeVar("Result")
GPUS = 3
EPISODES, RUNG, EVALUATIONS = 12, 2, 10
LOOKS = 50
"""Of a fifth of a second, for a preemption to be on record."""


def twelve_episodes(namespace: str, folder: Path) -> Object:
    """The quickstart with 4 x 3 seeds, cut at evaluation 2 of 10, and small enough for two cores."""
    sweep = example("quickstart.yaml")
    sweep["spec"] |= {
        "seeds": {"grid": {"weightInits": {"count": 4}, "dataOrders": {"count": 3}}},
        "parallelism": GPUS,
        "earlyStopping": {"rungs": [{"atPercent": 20, "keep": 4}]},
        "storage": {"persistentVolumeClaim": {"claimName": "weights"}},
        "podTemplate": on_own_nodes(namespace),
    }
    sweep["spec"]["trainer"]["resources"] = {"limits": {"nvidia.com/gpu": 1}}
    tuning = sweep["spec"]["trainer"]["fineTuning"]
    tuning["threadsPerEpisode"] = 1
    make_small(tuning, folder)
    return sweep


class Intruder:
    """A pod of higher priority that wants all GPUs."""

    def __init__(self, control_plane: ControlPlane, namespace: str, priority: str, sweep: str) -> None:
        self._control_plane = control_plane
        self._namespace = namespace
        self._sweep = sweep
        self._pod = intruder(namespace, priority, GPUS)

    async def preempts(self) -> None:
        """Come until an episode had to go, then leave."""
        pods = f"/api/v1/namespaces/{self._namespace}/pods"
        while True:
            await self._episode_runs()
            before = await self._preempted()
            await asyncio.to_thread(self._control_plane.create, pods, self._pod)
            for _ in range(LOOKS):
                await asyncio.sleep(0.2)
                if await self._preempted() > before:
                    break
            await asyncio.to_thread(
                self._control_plane.request, "DELETE", f"{pods}/intruder", {"gracePeriodSeconds": 0}
            )
            if await self._preempted() > before:
                return

    async def _episode_runs(self) -> None:
        while True:
            pods = await read(self._control_plane, f"/api/v1/namespaces/{self._namespace}/pods")
            for pod in pods["items"]:
                labels = pod["metadata"].get("labels", {})
                if pod["status"].get("phase") == "Running" and "seedsweep.io/episode" in labels:
                    return
            await asyncio.sleep(0.1)

    async def _preempted(self) -> int:
        path = f"/apis/seedsweep.io/v1alpha1/namespaces/{self._namespace}/seedsweeps/{self._sweep}"
        found = (await read(self._control_plane, path)).get("status", {}).get("interruptions", ())
        return sum(row["attempts"] for row in found if row["kind"] == "Preempted")


async def before_its_end(ending: asyncio.Task[Object], work: Coroutine[None, None, Result]) -> Result:
    """What comes of it, which must be while the sweep is not over."""
    doing = asyncio.create_task(work)
    await asyncio.wait((ending, doing), return_when=asyncio.FIRST_COMPLETED)
    if not doing.done():
        doing.cancel()
        pytest.fail(f"too late: the sweep was over: {ending.result()}")
    return await doing


async def one_cut(control_plane: ControlPlane, namespace: str) -> Object:
    """The first cut, once it is made."""
    while True:
        cuts = await read(control_plane, f"/apis/seedsweep.io/v1alpha1/namespaces/{namespace}/cuts")
        if cuts["items"]:
            cut: Object = cuts["items"][0]
            return cut
        await asyncio.sleep(0.2)


@pytest.mark.timeout(1200)
async def test_twelve_episodes_on_three_gpus_preempted_twice_end_as_on_one_machine(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    sweep = twelve_episodes(namespace, tmp_path / "model")
    file, folder = tmp_path / "sweep.yaml", tmp_path / "run"
    YAML(typ="safe").dump(sweep, file)
    make_claim(control_plane, namespace, "weights")
    (tmp_path / "pods").mkdir()
    with own_nodes(control_plane, namespace, 1, GPUS), urgent(control_plane, namespace) as priority:
        async with real_trainers(control_plane, namespace, tmp_path / "pods"):
            rival = Intruder(control_plane, namespace, priority, sweep["metadata"]["name"])
            ending = asyncio.create_task(ended(control_plane, namespace, sweep))
            await before_its_end(ending, rival.preempts())
            cut = await before_its_end(ending, one_cut(control_plane, namespace))
            await before_its_end(ending, rival.preempts())
            status = await ending
        on_cluster = await episodes(control_plane, namespace)
        brought = await brought_home(control_plane, namespace, sweep["metadata"]["name"], tmp_path)
    with runner("run", str(file), "--out", str(folder)) as process:
        printed, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, printed
    assert_same(read_record(folder), status, cut, on_cluster)
    assert findings(brought) == findings(folder)


def assert_same(record: Record, status: Object, cut: Object, on_cluster: dict[str, Object]) -> None:
    """What `seedsweep run` has on record is what stands on the cluster."""
    assert record.sweep.status is not None
    assert record.sweep.status.best is not None
    best = as_written(record.sweep.status.best)
    for key in ("episode", "score", "evaluation", "test"):
        assert status["best"][key] == best[key], key
    assert [cut["data"]] == [as_written(cut.data) for cut in record.cuts]
    kept = set(cut["data"]["ranked"][: cut["data"]["keep"]])
    assert len(record.episodes) == len(on_cluster) == EPISODES
    for episode in record.episodes:
        name, here = episode.spec.id.name, as_written(episode.status)
        there = on_cluster[name]
        for key in ("scores", "losses"):
            # Who lost may have trained on a little, until the cut was made.
            common = EVALUATIONS if name in kept else min(len(there[key]), len(here[key]))
            assert common >= RUNG
            assert there[key][:common] == here[key][:common], f"{key} of {name}"


async def brought_home(control_plane: ControlPlane, namespace: str, name: str, folder: Path) -> Path:
    """The folder of the cluster's record, with what its attempts left in the storage."""
    async with await new_client_from_config(str(control_plane.kubeconfig())) as client:
        api, home = Api(client), folder / "home"
        record = await stored_record(api, namespace, accepted(await named_sweep(api, namespace, name)))
    home.mkdir()
    write_record(home, record)
    stored = folder / "pods" / "storage" / storage_folder(record.sweep) / ATTEMPTS
    await bring_attempts(UriSource(Uri(stored.as_uri())), record, home, print)
    return home


def findings(folder: Path) -> tuple[object, ...]:
    """What a report says of single examples, with which hardware and versions, and the training loss throughout."""
    record = read_record(folder)
    known = read_beside(folder, record)
    verdict, luck = verdict_of(record, known), luck_of(record, known)
    assert verdict.withheld == ()
    assert isinstance(luck, Apart)
    kept = record.cuts[0].data.kept
    losses = {name: [known.training[name][at].loss for at in range(1, EVALUATIONS + 1)] for name in kept}
    return verdict, luck, against_last_kept(record, known), set(known.conditions), losses


def as_written(part: ApiModel) -> Object:
    """By its wire names."""
    written: Object = part.model_dump(by_alias=True, mode="json", exclude_none=True)
    return written
