"""Real trainers behind the pods: our own on the quickstart's data, and one that knows no more than two gauges."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.config import new_client_from_config
from ruamel.yaml import YAML

from cluster.controlplane import ControlPlane
from cluster.operator import USER, Operator, grant_rights, operating
from cluster.simulator.processes import run_trainers
from cluster.trial import install_definitions

EXAMPLES = Path(__file__).parents[2] / "examples"
PORTS = iter(range(9420, 9500))
Object = dict[str, Any]


@asynccontextmanager
async def real_trainers(control_plane: ControlPlane, namespace: str, folder: Path) -> AsyncIterator[None]:
    """An operator, and a process of this machine behind every pod."""
    install_definitions(control_plane)
    grant_rights(control_plane, namespace)
    operator = Operator(
        control_plane.kubeconfig(USER), namespace, control_plane.network.free_port(), folder / "operator.log"
    )
    async with (
        await new_client_from_config(str(control_plane.kubeconfig())) as client,
        run_trainers(client, folder, namespace),
        operating(operator),
    ):
        yield


def example(name: str) -> Object:
    sweep: Object = YAML(typ="safe", pure=True).load(EXAMPLES / name)
    # Loopback addresses are the pods' own, but whoever tries things by hand may listen on all of them.
    sweep["spec"]["scrape"] = {"intervalSeconds": 1, "port": next(PORTS)}
    return sweep


async def ended(control_plane: ControlPlane, namespace: str, sweep: Object) -> Object:
    """Apply a sweep and wait for its end; its status."""
    path = f"/apis/seedsweep.io/v1alpha1/namespaces/{namespace}/seedsweeps"
    await asyncio.to_thread(control_plane.create, path, sweep)
    while True:
        _, found = await asyncio.to_thread(control_plane.request, "GET", f"{path}/{sweep['metadata']['name']}")
        if found.get("status", {}).get("completionTime"):
            status: Object = found["status"]
            return status
        await asyncio.sleep(0.5)


def condition(status: Object, kind: str) -> tuple[str, str]:
    found = next(c for c in status["conditions"] if c["type"] == kind)
    return found["status"], found["reason"]


def curves(control_plane: ControlPlane, namespace: str) -> dict[str, list[float]]:
    path = f"/apis/seedsweep.io/v1alpha1/namespaces/{namespace}/episodes"
    _, found = control_plane.request("GET", path)
    return {item["metadata"]["labels"]["seedsweep.io/episode"]: item["status"]["scores"] for item in found["items"]}


def quickstart() -> Object:
    """Smaller: four episodes, of which one is kept at evaluation 2 of 5."""
    sweep = example("quickstart.yaml")
    sweep["spec"]["seeds"] = {"grid": {"weightInits": {"count": 2}, "dataOrders": {"count": 2}}}
    sweep["spec"]["earlyStopping"]["rungs"][0]["keep"] = 1
    sweep["spec"]["parallelism"] = 4
    sweep["spec"]["trainer"]["fineTuning"] |= {"epochs": 1, "evaluationsPerEpoch": 5}
    sweep["spec"]["earlyStopping"]["rungs"][0]["atPercent"] = 40
    return sweep


async def test_our_trainer_on_the_quickstarts_data_yields_a_winner_and_exact_curves(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    sweep = quickstart()
    async with real_trainers(control_plane, namespace, tmp_path):
        status = await ended(control_plane, namespace, sweep)
    assert condition(status, "Complete") == ("True", "WinnerFound")
    assert condition(status, "ExactScores") == ("True", "CurvesPublished")
    assert (status["counts"]["finished"], status["counts"]["lost"]) == (1, 3)
    assert status["cost"]["usefulSteps"] <= status["cost"]["plannedSteps"] < status["cost"]["fullSteps"]
    found = curves(control_plane, namespace)
    assert len(found[status["best"]["episode"]]) == 5
    assert all(len(scores) >= 2 for scores in found.values())


async def test_with_storage_on_two_gpus_the_winners_folder_is_all_that_is_left(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    sweep = quickstart()
    sweep["spec"] |= {"parallelism": 2, "storage": {"persistentVolumeClaim": {"claimName": "weights"}}}
    make_claim(control_plane, namespace)
    async with real_trainers(control_plane, namespace, tmp_path):
        status = await ended(control_plane, namespace, sweep)
    assert condition(status, "Complete") == ("True", "WinnerFound")
    assert condition(status, "StorageTidy")[0] == "True"
    assert status["cost"]["wastedSteps"] == 0, "survivors go on from their checkpoints"
    check_what_is_left(status)


def check_what_is_left(status: Object) -> None:
    """The winner's folder, and best weights of whoever was kept."""
    best = Path(status["best"]["weights"])
    assert {path.name for path in best.iterdir()} >= {"config.json", "model.safetensors", "README.md", "test.json"}
    assert status["best"]["test"]["score"] == json.loads((best / "test.json").read_text())["score"]
    kept = {path.name for path in best.parent.iterdir()} - {"best", "cache"}
    # The one that was kept at the cut need not be the winner.
    assert status["best"]["episode"] in kept
    assert len(kept) <= 2
    assert not list(best.parent.glob("**/training.safetensors")), "no checkpoint is left that could be resumed from"


def make_claim(control_plane: ControlPlane, namespace: str) -> None:
    """A claim that is bound at once; folders of this machine stand in for what it would mount."""
    modes = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    size, name = {"storage": "1Gi"}, f"weights-{namespace}"
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "weights", "namespace": namespace}
    volume = {**modes, "capacity": size, "hostPath": {"path": "/nowhere"}, "claimRef": reference}
    control_plane.create("/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": volume})
    claim = {**modes, "volumeName": name, "resources": {"requests": size}}
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    control_plane.create(path, {"metadata": {"name": "weights"}, "spec": claim})


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
async def test_a_trainer_of_two_gauges_is_cut_by_samples_and_the_sweep_says_so(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    sweep = example("any-language.yaml")
    sweep["spec"]["parallelism"] = 6
    sweep["spec"]["trainer"] |= {"image": "node:20", "command": ["node", str(EXAMPLES / "any_language.mjs")]}
    async with real_trainers(control_plane, namespace, tmp_path):
        status = await ended(control_plane, namespace, sweep)
    assert condition(status, "Complete") == ("True", "WinnerFound")
    assert condition(status, "ExactScores") == ("False", "ScoresSampled")
    assert status["counts"]["finished"] == 2
    path = f"/apis/seedsweep.io/v1alpha1/namespaces/{namespace}/episodes"
    episodes = control_plane.request("GET", path)[1]["items"]
    assert all(item["status"]["rungScores"][0]["sampled"] for item in episodes)
