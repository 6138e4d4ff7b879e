"""The chart as Helm renders it, for tests."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from cluster import binaries
from host.needs import lack

CHART = Path(__file__).parents[2] / "charts" / "seedsweep"
HOME = "seedsweep-system"
KUBERNETES = "1.34.4"

EVERYTHING: dict[str, Any] = {
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "watch": {"namespaces": ["nlp", "vision"]},
    "episodes": {"serviceAccounts": ["trainer"]},
    "housekeeping": {"image": "registry.example/trainer:1"},
    "webhook": {"secretName": "slack", "secretKey": "hook"},
    "serviceAccount": {"annotations": {"example.com/role": "reader"}},
    "rbac": {"liveViewers": [{"kind": "Group", "name": "nlp", "apiGroup": "rbac.authorization.k8s.io"}]},
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "infra", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {}},
    "podLabels": {"team": "ml"},
    "podAnnotations": {"cost": "42"},
    "networkPolicy": {"enabled": True},
    "metrics": {
        "podMonitors": {"enabled": True, "labels": {"release": "prometheus"}, "evaluations": True},
        "rules": {"enabled": True, "labels": {"release": "prometheus"}, "runbooks": "https://wiki.example/seedsweep"},
        "dashboards": {"enabled": True, "annotations": {"grafana_folder": "ML"}},
    },
    "admissionPolicy": {
        "enabled": True,
        "allowedImages": ["registry.example/ml/", "example/trainer"],
        "maxEpisodes": 8,
        "requiredPodLabel": "kueue.x-k8s.io/queue-name",
        "namespaceLabels": {"sweeps": "limited"},
    },
}
"""Every switch on, every value that may be empty filled, but for `prometheus`, which takes rights away."""
THROUGH_PROMETHEUS: dict[str, Any] = {
    **EVERYTHING,
    "prometheus": {"url": "http://prometheus.monitoring:9090", "tokenSecretName": "reader", "tokenSecretKey": "word"},
}

Object = dict[str, Any]

_TEMPLATE = ["template", "seedsweep", str(CHART), f"--namespace={HOME}", f"--kube-version={KUBERNETES}"]


def run_helm(*arguments: str, values: Mapping[str, Any] | None = None, refused: bool = False) -> str:
    """What Helm prints on stdout, or on stderr where it has to fail."""
    try:
        helm = binaries.find(["helm"])["helm"]
    except binaries.BuildError as error:
        lack("controlplane", f"Helm: {error}")
    command = [str(helm), *arguments]
    if values is not None:
        command += ["--values", "-"]
    done = subprocess.run(
        command, input=json.dumps(values or {}), capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode != 0) == refused, done.stderr
    return done.stderr if refused else done.stdout


def manifest(values: Mapping[str, Any] | None = None, *flags: str) -> str:
    """The chart's objects as YAML."""
    return run_helm(*_TEMPLATE, *flags, values=values or {})


def refusal(values: Mapping[str, Any]) -> str:
    """What Helm says about values that it has to refuse."""
    return run_helm(*_TEMPLATE, values=values, refused=True)


def render(values: Mapping[str, Any] | None = None, *flags: str) -> list[Object]:
    """The chart's objects."""
    yaml = YAML(typ="safe", pure=True)
    return [found for found in yaml.load_all(manifest(values, *flags)) if found]


def of_kind(objects: list[Object], kind: str, name: str | None = None) -> list[Object]:
    """Those of a kind, and of a name where one is given."""
    return [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]


def the(objects: list[Object], kind: str, name: str) -> Object:
    """The only one of a kind and a name."""
    (found,) = of_kind(objects, kind, name)
    return found


def pods_of(objects: list[Object]) -> Iterator[Object]:
    """Specs of all pods that the objects are, or make."""
    for found in objects:
        if found["kind"] == "Pod":
            yield found["spec"]
        elif found["kind"] == "Deployment":
            yield found["spec"]["template"]["spec"]
