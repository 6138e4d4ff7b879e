"""Nodes with GPUs that exist only in the API: kwok runs their pods, each on a loopback address of its own."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from cluster import binaries
from cluster.controlplane import ControlPlane
from cluster.daemons import DaemonError

BEHAVIOUR = Path(__file__).parent / "kwok.yaml"
TESTS = Path(__file__).parents[1]
READY_WITHIN = 120.0


def create_node(control_plane: ControlPlane, name: str, gpus: int, labels: Mapping[str, str] | None = None) -> None:
    """A node in the API, which a fleet's kwok runs."""
    amounts = {
        "nvidia.com/gpu": str(gpus),
        "cpu": str(16 * gpus),
        "memory": f"{128 * gpus}Gi",
        "ephemeral-storage": f"{gpus}Ti",
        "pods": str(100 + gpus),
    }
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **(labels or {})}
    node = {"metadata": {"name": name, "labels": labels}, "status": {"capacity": amounts, "allocatable": amounts}}
    control_plane.create("/api/v1/nodes", node)


class Fleet:
    """Fake nodes on a control plane, until `close`; a context manager. One fleet a control plane.

    A scheduled pod is Running at once, with an address in the control plane's network, and stays so until somebody
    patches its status or deletes it; a deleted one goes at once. A pod whose container waits stays Pending.

    Raises BuildError where kwok is missing, DaemonError where it does not come up.
    """

    def __init__(self, control_plane: ControlPlane, *, nodes: int = 8, gpus_per_node: int = 8) -> None:
        self._control_plane = control_plane
        self._names = [f"node-{number:03}" for number in range(nodes)]
        kwok = binaries.find(["kwok"])["kwok"]
        for name in self._names:
            create_node(control_plane, name, gpus_per_node)
        control_plane.daemons.start(
            "kwok",
            [
                str(kwok),
                f"--config={BEHAVIOUR}",
                f"--kubeconfig={control_plane.kubeconfig('kwok')}",
                f"--cidr={control_plane.network.pods}",
                f"--node-ip={control_plane.network.host}",
            ],
        )
        reaper = ["env", f"PYTHONPATH={TESTS}", sys.executable, "-m", "cluster.reaper"]
        control_plane.daemons.start("reaper", [*reaper, str(control_plane.kubeconfig("kwok"))])
        self._wait_until_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End kwok and remove the nodes; pods on them stay as they are."""
        self._control_plane.daemons.kill("reaper")
        self._control_plane.daemons.kill("kwok")
        for name in self._names:
            self._control_plane.request("DELETE", f"/api/v1/nodes/{name}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while unready := self._unready():
            self._control_plane.daemons.check("kwok")
            if time.monotonic() > deadline:
                tail = self._control_plane.daemons.tail("kwok")
                raise DaemonError(f"nodes not ready after {READY_WITHIN:.0f} s: {', '.join(unready)}\n{tail}")
            time.sleep(0.05)

    def _unready(self) -> list[str]:
        _, found = self._control_plane.request("GET", "/api/v1/nodes")
        ready = {
            node["metadata"]["name"]
            for node in found["items"]
            for condition in node["status"].get("conditions", ())
            if (condition["type"], condition["status"]) == ("Ready", "True")
        }
        return [name for name in self._names if name not in ready]
