"""A cluster of one real node as a person at a terminal meets it, and what was seen happen on it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chart.rendering import CHART, HOME
from cluster import binaries
from cluster.controlplane import ControlPlane
from node.machine import Node
from node.scraped import Scraped
from seedsweep.api.sweep import API_VERSION
from seedsweep.kube.objects.names import LABEL_COMPONENT, LABEL_SWEEP
from seedsweep.kube.pods.manifest import CONTAINER as TRAINER

NAMESPACE = "nlp"
RECORDS = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}"
QUICKSTART = "quickstart"
"""The first sweep."""
CLAIM = "sweeps"
CLAIM_UID = 65532
"""Whom both images run as."""
PATIENCE = 1500.0

Object = dict[str, Any]


@dataclass
class Story:
    """A cluster, and what was seen happen on it."""

    control_plane: ControlPlane
    node: Node
    storage: Path
    transcript: list[str] = field(default_factory=list)
    at_once: int = 0
    """The most trainers' pods that ran at one moment."""
    operators: set[str] = field(default_factory=set)
    """UIDs of the operator's pods that were there."""
    watched: str = ""
    """What `seedsweep watch` printed, from the first trainer that is read to the end."""
    trainers: list[Object] = field(default_factory=list)
    """Pods of episodes while they trained."""
    scraped: Scraped = field(init=False)
    """What Prometheus has seen, from before the operator was installed."""

    def run(self, command: str, *, given: str = "") -> str:
        """A line that a person types; what it prints, which is kept for the transcript."""
        return self.finish(self.begin(command), given=given)

    def begin(self, command: str) -> subprocess.Popen[str]:
        """A line that a person types in another terminal."""
        tools = [str(path.parent) for path in binaries.find(["kubectl", "helm"]).values()]
        environment = os.environ | {
            "KUBECONFIG": str(self.control_plane.kubeconfig(namespace=NAMESPACE)),
            "PATH": os.pathsep.join([*tools, str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HELM_CACHE_HOME": str(self.node.folder / "helm"),
        }
        pipe = subprocess.PIPE
        return subprocess.Popen(
            ["sh", "-c", command],
            env=environment,
            cwd=CHART.parents[1],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], *, given: str = "") -> str:
        """What it printed; it must have done what it was to do."""
        try:
            printed, _ = process.communicate(given, timeout=300)
        finally:
            process.kill()
        assert isinstance(process.args, list)
        command = os.fsdecode(process.args[-1])
        self.transcript.append(f"$ {command}\n{printed}")
        assert process.returncode == 0, f"{command}: {printed}\n{self.node.logs()}"
        return printed

    def items(self, path: str) -> list[Object]:
        """Objects at the API server."""
        code, found = self.control_plane.request("GET", path)
        assert code == 200, found
        items: list[Object] = found["items"]
        return items

    def sweep(self, name: str = QUICKSTART) -> Object:
        """As it stands."""
        code, found = self.control_plane.request("GET", f"{RECORDS}/seedsweeps/{name}")
        assert code == 200, found
        return {"status": {}, **found}

    def stalled(self, name: str) -> Object:
        """What a sweep says about why it does not get on; empty while it says nothing."""
        conditions = self.sweep(name)["status"].get("conditions", [])
        return next((c for c in conditions if c["type"] == "Stalled" and c["status"] == "True"), {})

    def record(self, plural: str) -> list[Object]:
        """The quickstart's episodes or cuts."""
        return self.items(f"{RECORDS}/{plural}?labelSelector={LABEL_SWEEP}={QUICKSTART}")

    def pods(self, component: str, sweep: str = QUICKSTART) -> list[Object]:
        """Of a sweep: those of its episodes, called trainer, or the one that keeps house."""
        selector = f"{LABEL_SWEEP}={sweep},{LABEL_COMPONENT}={component}"
        return self.items(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector={selector}")

    def wait(self, reached: Callable[[], bool], what: str, *, within: float = PATIENCE) -> None:
        """Look until something is so, and keep an eye on pods meanwhile."""
        deadline = time.monotonic() + within
        while not reached():
            self._look()
            assert time.monotonic() < deadline, f"never {what}: {self.told()}"
            time.sleep(0.5)

    def told(self) -> str:
        """What the cluster says about itself, for a failure's message."""
        pods = [
            f"{pod['metadata']['namespace']}/{pod['metadata']['name']} {json.dumps(pod['status'])[:1500]}"
            for pod in self.items("/api/v1/pods")
        ]
        logs = subprocess.run(
            [
                str(self.control_plane.kubectl),
                f"--kubeconfig={self.control_plane.kubeconfig()}",
                *("logs", f"--namespace={HOME}", "deployment/seedsweep-operator", "--tail=40"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        sweeps = [
            json.dumps(sweep.get("status", {}).get("conditions")) for sweep in self.items(f"{RECORDS}/seedsweeps")
        ]
        return "\n".join([*sweeps, *pods, logs.stdout, logs.stderr, self.node.logs()])

    def _look(self) -> None:
        running = sum(pod["status"]["phase"] == "Running" for pod in self.pods(TRAINER))
        self.at_once = max(self.at_once, running)
        self.operators |= {pod["metadata"]["uid"] for pod in self.items(f"/api/v1/namespaces/{HOME}/pods")}


def prepare_storage(control_plane: ControlPlane, folder: Path) -> None:
    """A volume of the node's, and the claim on it."""
    folder.mkdir()
    os.chown(folder, CLAIM_UID, CLAIM_UID)
    control_plane.create(
        "/api/v1/persistentvolumes",
        {
            "metadata": {"name": CLAIM},
            "spec": {
                "capacity": {"storage": "10Gi"},
                "accessModes": ["ReadWriteMany"],
                "storageClassName": "",
                "hostPath": {"path": str(folder)},
                "claimRef": {"namespace": NAMESPACE, "name": CLAIM},
            },
        },
    )
    control_plane.create(
        f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims",
        {
            "metadata": {"name": CLAIM},
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "storageClassName": "",
                "resources": {"requests": {"storage": "10Gi"}},
            },
        },
    )
