"""A test cluster, the operator as a process of its own and simulated trainers, for the figures that need them."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from kubernetes.aio.config import new_client_from_config
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cluster import audit as audit
from cluster.controlplane import ControlPlane as ControlPlane
from cluster.fleet import Fleet
from cluster.objects import install_kinds
from cluster.simulator.script import Script as Script
from cluster.simulator.simulator import SimulatedTrainers, simulate
from host.ports import free_port

Object = dict[str, Any]
CHART = Path(__file__).parents[1] / "charts" / "seedsweep"
RULES = CHART / "files" / "operator-rules.yaml"
OPERATOR = "operator"
NAMESPACE = "default"
SWEEPS = f"/apis/seedsweep.io/v1alpha1/namespaces/{NAMESPACE}/seedsweeps"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
AT_ONCE = 64


@contextmanager
def cluster(*, nodes: int, gpus_per_node: int, controller_qps: float = 20.0) -> Iterator[ControlPlane]:
    """A control plane with fake GPU nodes and our definitions."""
    with (
        ControlPlane({OPERATOR: []}, controller_qps=controller_qps) as plane,
        Fleet(plane, nodes=nodes, gpus_per_node=gpus_per_node),
    ):
        install_kinds(plane)
        _bind(plane)
        yield plane


def _bind(plane: ControlPlane) -> None:
    """Give the operator the rights that its chart gives it, in all namespaces."""
    rights = "/apis/rbac.authorization.k8s.io/v1"
    plane.create(f"{rights}/clusterroles", {"metadata": {"name": OPERATOR}, "rules": YAML(typ="safe").load(RULES)})
    plane.create(
        f"{rights}/clusterrolebindings",
        {
            "metadata": {"name": OPERATOR},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": OPERATOR},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OPERATOR}],
        },
    )


@contextmanager
def operator(plane: ControlPlane, holds: Path | None = None) -> Iterator[psutil.Process]:
    """The operator, until the end of the context; `holds`: where it tells then what held its loop (loop_holds.py)."""
    port = free_port()
    started = ["-m", "seedsweep.kube"] if holds is None else [str(Path(__file__).parent / "loop_holds.py"), str(holds)]
    command = [sys.executable, *started, f"--port={port}"]
    environment = {**os.environ, "KUBECONFIG": str(plane.kubeconfig(OPERATOR))}
    with (plane.folder / "operator.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: _listens(port))
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def trainers(plane: ControlPlane, script: Script) -> AsyncIterator[SimulatedTrainers]:
    """Simulated trainers in every pod."""
    async with await new_client_from_config(str(plane.kubeconfig())) as client, simulate(client, script) as playing:
        yield playing


def sweep(name: str, weight_inits: int, data_orders: int, *, keep: int, interval: int = 15, gpus: int = 1) -> Object:
    """A sweep whose episodes all run at once, cut at 30 %."""
    return {
        "apiVersion": "seedsweep.io/v1alpha1",
        "kind": "SeedSweep",
        "metadata": {"name": name},
        "spec": {
            "seeds": {"grid": {"weightInits": {"count": weight_inits}, "dataOrders": {"count": data_orders}}},
            "parallelism": weight_inits * data_orders,
            "earlyStopping": {"rungs": [{"atPercent": 30, "keep": keep}]},
            "trainer": {
                "image": "trainer:1",
                "metric": {"name": "accuracy", "goal": "maximize"},
                "resources": {"limits": {"nvidia.com/gpu": gpus}},
            },
            "scrape": {"intervalSeconds": interval},
        },
    }


def status(plane: ControlPlane, name: str) -> Object:
    """A sweep's status as it stands."""
    found: Object = plane.request("GET", f"{SWEEPS}/{name}")[1]
    return found.get("status") or {}


async def completed(plane: ControlPlane, name: str, within: float = 600.0) -> Object:
    """A sweep's status once it is over."""
    deadline = time.monotonic() + within
    while True:
        found = await asyncio.to_thread(status, plane, name)
        if found.get("completionTime"):
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} is not over after {within:.0f} s: {found.get('message')}")
        await asyncio.sleep(0.5)


def wait_for(holds: Callable[[], bool], within: float = 120.0) -> None:
    """Return once it holds; raises TimeoutError."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it does not hold after {within:.0f} s")
        time.sleep(0.5)


@asynccontextmanager
async def raw_client(plane: ControlPlane) -> AsyncIterator[aiohttp.ClientSession]:
    """A plain HTTP client with nothing in between."""
    async with await new_client_from_config(str(plane.kubeconfig())) as client:
        connector = aiohttp.TCPConnector(limit=AT_ONCE, ssl=client.rest_client.ssl_context)
        headers = {"Authorization": await client.configuration.get_api_key_with_prefix("BearerToken")}
        async with aiohttp.ClientSession(plane.url, connector=connector, headers=headers) as session:
            yield session


async def all_at_once(requests: list[Callable[[], Any]]) -> float:
    """Seconds for all of them, AT_ONCE under way at a time; each must succeed."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(request: Callable[[], Any]) -> None:
        async with turn, request() as response:
            await response.read()
            response.raise_for_status()

    began = time.perf_counter()
    await asyncio.gather(*map(one, requests))
    return time.perf_counter() - began


def _listens(port: int) -> bool:
    return any(
        c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in psutil.net_connections("tcp")
    )
