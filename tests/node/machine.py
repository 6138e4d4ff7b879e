"""One real node: containerd, kubelet and kube-proxy on a control plane, with GPUs that it only claims to have."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from cluster import binaries
from cluster.controlplane import ControlPlane
from cluster.daemons import DaemonError
from node.images import PAUSE
from node.network import ADDRESS, POD_ADDRESSES

PROGRAMS = ["kubelet", "kube-proxy"]
NAME = "node"
USERS = {"kubelet": ["system:masters"], "kube-proxy": ["system:masters"]}
"""Of the control plane, for the node."""
READY_WITHIN = 120.0
IMPORTED_WITHIN = 600

_CONTAINERD = """\
version = 2
root = "{folder}/images"
state = "{folder}/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# Where the machine is itself a container, runc may not lower it.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/cni"
"""

_CNI: dict[str, Any] = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": POD_ADDRESSES}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}

_KUBELET: dict[str, Any] = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "address": ADDRESS,
    # Nobody else is in this network.
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "cgroupDriver": "cgroupfs",
    # Nobody answers there: pods find what they need by address.
    "clusterDNS": ["192.0.2.10"],
    "enforceNodeAllocatable": [],
    "failSwapOn": False,
    "localStorageCapacityIsolation": False,
    # The machine's disk and memory are not the node's alone.
    "evictionHard": {"memory.available": "50Mi"},
    "imageGCHighThresholdPercent": 100,
    "nodeStatusUpdateFrequency": "2s",
}


class Node:
    """A running node, until the network that it lives in is gone. Raises DaemonError where it does not come up."""

    def __init__(self, control_plane: ControlPlane, *, gpus: int) -> None:
        self._control_plane = control_plane
        self._programs = binaries.find(PROGRAMS)
        self.folder = Path(tempfile.mkdtemp(prefix="node-"))
        self._socket = self.folder / "containerd.sock"
        self._start_containerd()
        self._start_kubelet()
        self._wait(lambda: self._condition("Ready") == "True", "ready", "kubelet")
        self._claim(gpus)
        self._start_proxy()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in ("kube-proxy", "kubelet", "containerd"):
            self._control_plane.daemons.kill(name)

    def load(self, archives: Iterable[Path]) -> None:
        """Images from files: no registry is asked for them."""
        for archive in archives:
            self._ctr("images", "import", str(archive))

    def logs(self) -> str:
        """The last lines of what makes the node."""
        return "\n".join(f"{name}:\n{self._control_plane.daemons.tail(name)}" for name in ("containerd", "kubelet"))

    def _start_containerd(self) -> None:
        settings = self.folder / "containerd.toml"
        settings.write_text(_CONTAINERD.format(folder=self.folder, socket=self._socket, pause=PAUSE))
        (self.folder / "cni").mkdir()
        (self.folder / "cni" / "10-pods.conflist").write_text(json.dumps(_CNI))
        containerd = shutil.which("containerd") or "containerd"
        self._control_plane.daemons.start("containerd", [containerd, f"--config={settings}"])
        self._wait(self._socket.exists, "listening", "containerd")

    def _start_kubelet(self) -> None:
        settings = self.folder / "kubelet.json"
        settings.write_text(json.dumps(_KUBELET | {"containerRuntimeEndpoint": f"unix://{self._socket}"}))
        self._control_plane.daemons.start(
            "kubelet",
            [
                str(self._programs["kubelet"]),
                f"--config={settings}",
                f"--kubeconfig={self._control_plane.kubeconfig('kubelet')}",
                f"--root-dir={self.folder / 'kubelet'}",
                f"--cert-dir={self.folder / 'certificates'}",
                f"--hostname-override={NAME}",
                f"--node-ip={ADDRESS}",
            ],
        )

    def _start_proxy(self) -> None:
        self._control_plane.daemons.start(
            "kube-proxy",
            [
                str(self._programs["kube-proxy"]),
                f"--kubeconfig={self._control_plane.kubeconfig('kube-proxy')}",
                f"--hostname-override={NAME}",
                "--proxy-mode=iptables",
                # Between two pods of one bridge an answer would go past the translation otherwise.
                "--masquerade-all",
                # What it would set for connections is the whole machine's.
                "--conntrack-max-per-core=0",
                "--conntrack-tcp-timeout-established=0",
                "--conntrack-tcp-timeout-close-wait=0",
            ],
        )

    def _claim(self, gpus: int) -> None:
        """Say that the node has GPUs, and wait until pods can have them."""
        patch = [{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": str(gpus)}]
        code, answer = self._control_plane.request("PATCH", f"/api/v1/nodes/{NAME}/status", patch, patch="json-patch")
        assert code == 200, answer
        self._wait(lambda: self._status()["allocatable"].get("nvidia.com/gpu") == str(gpus), "with GPUs", "kubelet")

    def _condition(self, kind: str) -> str | None:
        conditions = self._status().get("conditions", ())
        return next((found["status"] for found in conditions if found["type"] == kind), None)

    def _status(self) -> dict[str, Any]:
        code, node = self._control_plane.request("GET", f"/api/v1/nodes/{NAME}")
        status: dict[str, Any] = node["status"] if code == 200 else {}
        return status

    def _wait(self, reached: Callable[[], bool], what: str, daemon: str) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not reached():
            self._control_plane.daemons.check(daemon)
            if time.monotonic() > deadline:
                tail = self._control_plane.daemons.tail(daemon)
                raise DaemonError(f"the node is not {what} after {READY_WITHIN:.0f} s:\n{tail}")
            time.sleep(0.2)

    def _ctr(self, *arguments: str) -> None:
        command = ["ctr", f"--address={self._socket}", "--namespace=k8s.io", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=IMPORTED_WITHIN)
