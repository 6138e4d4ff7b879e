"""Our kinds in a control plane, and their objects as kubectl and the operator write them."""

import copy
import os
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any

from cluster.controlplane import ControlPlane
from seedsweep.api.episode import EpisodeStatus
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import API_VERSION

CRDS = Path(__file__).parents[2] / "charts" / "seedsweep" / "crds"
PLURALS = {"seedsweeps", "episodes", "cuts"}
SERVED_WITHIN = 60.0
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
"""Labels of a namespace that takes only pods of the restricted profile."""

Object = dict[str, Any]

EPISODE: Object = {
    "apiVersion": API_VERSION,
    "kind": "Episode",
    "metadata": {"name": "demo-wi0-do1"},
    "spec": {"sweep": "demo", "weightInit": 0, "dataOrder": 1, "index": 1},
}


def run_kubectl(control_plane: ControlPlane, *arguments: str, refused: bool = False, given: str = "") -> str:
    """What kubectl prints on stdout, or on stderr where it has to fail."""
    command = [str(control_plane.kubectl), f"--kubeconfig={control_plane.kubeconfig()}", *arguments]
    # Its cache would tell what was served before, also by another API server that had the same address.
    command.append(f"--cache-dir={os.devnull}")
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=150, check=False)
    assert (done.returncode != 0) == refused, done.stderr
    return done.stderr if refused else done.stdout


@cache
def install_kinds(control_plane: ControlPlane) -> None:
    """Apply the definitions as they are published, once for a control plane, and wait until they are served."""
    run_kubectl(control_plane, "apply", "--server-side", "-f", str(CRDS))
    deadline = time.monotonic() + SERVED_WITHIN
    # `kubectl wait` fails where a definition has no conditions yet.
    while not _served(control_plane):
        assert time.monotonic() < deadline, f"not served after {SERVED_WITHIN:.0f} s"
        time.sleep(0.1)
    for plural in PLURALS:
        # Else the first who asks is told to come again.
        assert control_plane.request("GET", f"/apis/{API_VERSION}/{plural}")[0] == 200


def _served(control_plane: ControlPlane) -> bool:
    """Whether objects can be created, and whoever asks which kinds there are is told."""
    code, kinds = control_plane.request("GET", f"/apis/{API_VERSION}")
    if code != 200 or not {kind["name"] for kind in kinds["resources"]} >= PLURALS:
        return False
    return all(_is_established(control_plane, plural) for plural in PLURALS)


def _is_established(control_plane: ControlPlane, plural: str) -> bool:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{API_VERSION.split('/')[0]}"
    _, definition = control_plane.request("GET", path)
    conditions = definition.get("status", {}).get("conditions") or ()
    return any((c["type"], c["status"]) == ("Established", "True") for c in conditions)


def make_claim(control_plane: ControlPlane, namespace: str, name: str) -> None:
    """A claim that is bound at once, without which no pod that mounts it finds a node; nothing is behind it."""
    modes = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    size, volume_name = {"storage": "1Gi"}, f"{name}-{namespace}"
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name, "namespace": namespace}
    volume = {**modes, "capacity": size, "hostPath": {"path": "/nowhere"}, "claimRef": reference}
    control_plane.create("/api/v1/persistentvolumes", {"metadata": {"name": volume_name}, "spec": volume})
    claim = {**modes, "volumeName": volume_name, "resources": {"requests": size}}
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    control_plane.create(path, {"metadata": {"name": name}, "spec": claim})


class Store:
    """Objects of our kinds in one namespace, written as admin."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._control_plane = control_plane
        self._folder = f"/apis/{API_VERSION}/namespaces/{namespace}"

    def try_create(self, body: Object, *, dry_run: bool = False) -> tuple[int, Object]:
        """The answer to a POST with which kubectl would create it."""
        query = "fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        found: tuple[int, Object] = self._control_plane.request("POST", f"{self._collection(body)}?{query}", body)
        return found

    def try_replace(self, body: Object, part: str = "") -> tuple[int, Object]:
        """The answer to a PUT of it, or of its `status`."""
        path = f"{self._collection(body)}/{body['metadata']['name']}"
        found: tuple[int, Object] = self._control_plane.request("PUT", f"{path}/{part}" if part else path, body)
        return found

    def create(self, body: Object) -> Object:
        """The object as it was created."""
        return _accepted(self.try_create(body))

    def replace(self, body: Object, part: str = "") -> Object:
        """The object as it was written."""
        return _accepted(self.try_replace(body, part))

    def _collection(self, body: Object) -> str:
        return f"{self._folder}/{body['kind'].lower()}s"


def refusal(answer: tuple[int, Object]) -> str:
    """What an object was refused with, as not valid."""
    code, status = answer
    assert code in (400, 422), status
    message: str = status["message"]
    return message


def with_change(body: Object, path: str, value: Any) -> Object:
    """A copy with one field, named by a dotted path, set to a value."""
    body = copy.deepcopy(body)
    place = body
    *parents, last = path.split(".")
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return body


def with_status(live: Object, status: EpisodeStatus | SweepStatus) -> Object:
    """A copy with another status, as the operator writes it."""
    return {**live, "status": status.model_dump(mode="json", by_alias=True, exclude_none=True)}


def _accepted(answer: tuple[int, Object]) -> Object:
    code, found = answer
    assert code in (200, 201), found
    return found
