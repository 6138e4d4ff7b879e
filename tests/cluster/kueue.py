"""Kueue itself on a control plane: installed from its own chart, its controller a process on loopback."""

import re
import time
import urllib.request
from base64 import b64decode
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from chart.rendering import run_helm
from cluster import binaries
from cluster.controlplane import ControlPlane
from cluster.daemons import DaemonError
from cluster.objects import run_kubectl
from host.ports import free_port

VERSION = "kueue.x-k8s.io/v1beta2"
API = f"/apis/{VERSION}"
QUEUE = "kueue.x-k8s.io/queue-name"
PRIORITY = "kueue.x-k8s.io/priority-class"
FLAVOR = "default"
USER = "kueue"
_HOME = "kueue-system"
_PARTS = ("crd/", "webhook/manifests.yaml", "internalcert/")
"""Of the chart: what the API server has to know. The controller itself runs here, as a user who may do everything."""
_CERTIFICATE = ("ca.crt", "tls.crt", "tls.key")
READY_WITHIN = 120.0

Object = dict[str, Any]


class Kueue:
    """Kueue as its chart configures it, on a control plane until that is closed; it is ready.

    The API server calls its webhooks under the name of its Service, which names a loopback address.

    Raises BuildError where Kueue or Helm is missing, DaemonError where it does not come up.
    """

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane
        self._program = binaries.find(["kueue"])["kueue"]
        self._host, self._port, self._probes = control_plane.network.host, free_port(), free_port()
        self._folder = control_plane.folder / "kueue"
        self._folder.mkdir()
        control_plane.create_namespace(_HOME)
        chart = str(binaries.chart("kueue"))
        documents = run_helm("template", "kueue", chart, f"--namespace={_HOME}").split("\n---\n")
        self._install(documents)
        self._configure(documents)
        self.start()

    def start(self) -> None:
        """Start the controller and wait until it answers."""
        config = f"--config={self._folder / 'config.yaml'}"
        kubeconfig = f"--kubeconfig={self.control_plane.kubeconfig(USER)}"
        self.control_plane.daemons.start("kueue", [str(self._program), config, kubeconfig])
        deadline = time.monotonic() + READY_WITHIN
        while not self._ready():
            self.control_plane.daemons.check("kueue")
            if time.monotonic() > deadline:
                tail = self.control_plane.daemons.tail("kueue")
                raise DaemonError(f"Kueue is not ready after {READY_WITHIN:.0f} s:\n{tail}")
            self._mount_certificate()
            time.sleep(0.05)

    def kill(self) -> None:
        """Make the controller go away, with its webhooks left in the API server."""
        self.control_plane.daemons.kill("kueue")

    def _install(self, documents: list[str]) -> None:
        wanted = [text for text in documents if any(f"# Source: kueue/templates/{part}" in text for part in _PARTS)]
        # A Service of this type sends the API server to the port that it asks for.
        here = [re.sub(r"^( +)(path: /)", rf"\1port: {self._port}\n\1\2", text, flags=re.M) for text in wanted]
        run_kubectl(self.control_plane, "apply", "--server-side", "-f", "-", given="\n---\n".join(here))
        service = {"type": "ExternalName", "externalName": self._host}
        body = {"metadata": {"name": "kueue-webhook-service"}, "spec": service}
        self.control_plane.create(f"/api/v1/namespaces/{_HOME}/services", body)

    def _configure(self, documents: list[str]) -> None:
        """Write the chart's own configuration, with addresses of this network for those that it has."""
        (text,) = [text for text in documents if "# Source: kueue/templates/manager/manager-config.yaml" in text]
        yaml = YAML(typ="safe", pure=True)
        config = yaml.load(yaml.load(text)["data"]["controller_manager_config.yaml"])
        config["health"] = {"healthProbeBindAddress": f"{self._host}:{self._probes}"}
        config["metrics"] = {"bindAddress": "0"}
        config["webhook"] = {"host": self._host, "port": self._port, "certDir": str(self._folder)}
        config["leaderElection"] = {"leaderElect": False}
        # It would listen on every address of this machine.
        config["featureGates"] = {"VisibilityOnDemand": False}
        with (self._folder / "config.yaml").open("w") as file:
            yaml.dump(config, file)

    def _mount_certificate(self) -> None:
        """As a kubelet mounts the Secret that Kueue has filled itself."""
        _, secret = self.control_plane.request("GET", f"/api/v1/namespaces/{_HOME}/secrets/kueue-webhook-server-cert")
        data = secret.get("data") or {}
        for name in _CERTIFICATE:
            if name in data and not (self._folder / name).exists():
                _write(self._folder / name, b64decode(data[name]))

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._host}:{self._probes}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(content)
    partial.replace(path)


def flavor() -> Object:
    """Any GPU."""
    return _object("ResourceFlavor", FLAVOR)


def cluster_queue(name: str, gpus: int, **spec: Any) -> Object:
    """A queue of all namespaces that lets so many GPUs pass; `spec` by its wire names."""
    quota = {"name": FLAVOR, "resources": [{"name": "nvidia.com/gpu", "nominalQuota": gpus}]}
    groups = [{"coveredResources": ["nvidia.com/gpu"], "flavors": [quota]}]
    return _object("ClusterQueue", name, spec={"namespaceSelector": {}, "resourceGroups": groups, **spec})


def local_queue(name: str, of: str) -> Object:
    """A namespace's way into a ClusterQueue."""
    return _object("LocalQueue", name, spec={"clusterQueue": of})


def priority_class(name: str, value: int) -> Object:
    """A priority by name."""
    return _object("WorkloadPriorityClass", name, value=value)


def _object(kind: str, name: str, **fields: Any) -> Object:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, **fields}
