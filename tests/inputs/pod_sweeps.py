"""Sweeps as a cluster's API server shows them, for tests of their pods."""

from typing import Any

from inputs import sweeps
from seedsweep.api.episode import EpisodeId
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.sweep import SeedSweep
from seedsweep.contract.variables import expand
from seedsweep.engine.decisions import StartEpisode

START = StartEpisode(EpisodeId(3, 7), attempt=2, stop_after=6, rungs=(6, 12))
CLAIM = {"persistentVolumeClaim": {"claimName": "weights"}}
OWN_TRAINER = {"image": "mine:1", "metric": {"name": "acc", "goal": "maximize"}}
EVERYTHING: dict[str, Any] = {
    "spec.storage": CLAIM,
    "spec.podTemplate": {
        "metadata": {"labels": {"team": "nlp"}, "annotations": {"cost": "42"}},
        "spec": {
            "nodeSelector": {"gpu": "h100"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}
                        ]
                    },
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 1, "preference": {"matchExpressions": [{"key": "spot", "operator": "Exists"}]}}
                    ],
                },
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 9, "podAffinityTerm": {"topologyKey": "rack", "labelSelector": {"matchLabels": {}}}}
                    ]
                },
            },
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
            ],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
                {"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
                {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "a", "path": "a.json"}]}},
                {"name": "token", "secret": {"secretName": "token", "defaultMode": 0o400}},
                {
                    "name": "disk",
                    "ephemeral": {
                        "volumeClaimTemplate": {
                            "spec": {
                                "accessModes": ["ReadWriteOnce"],
                                "resources": {"requests": {"storage": "1Gi"}},
                            }
                        }
                    },
                },
            ],
            "imagePullSecrets": [{"name": "registry"}],
            "schedulerName": "default-scheduler",
            "schedulingGates": [{"name": "example.com/queue"}],
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}],
            "securityContext": {"fsGroup": 2000},
            "terminationGracePeriodSeconds": 90,
        },
    },
    "spec.trainer": {
        **OWN_TRAINER,
        "imagePullPolicy": "IfNotPresent",
        "command": ["train"],
        "args": ["--seed", "$(SEEDSWEEP_WEIGHT_INIT_SEED)"],
        "env": [
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token", "optional": True}}},
            {"name": "CORES", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "WHERE", "value": "$(SEEDSWEEP_WORK_DIR)/$(SEEDSWEEP_EPISODE)"},
        ],
        "envFrom": [{"prefix": "HF_", "configMapRef": {"name": "settings"}}],
        "resources": {
            "limits": {"nvidia.com/gpu": 1, "cpu": "4", "memory": "16Gi"},
            "requests": {"cpu": "500m"},
            "claims": [{"name": "gpu"}],
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/data", "readOnly": True},
            {"name": "fast", "mountPath": "/dev/shm"},
            {"name": "settings", "mountPath": "/settings", "subPath": "a"},
        ],
        "config": {"configMap": {"name": "recipe", "key": "a.json"}},
    },
}
"""Every field that a pod takes from a sweep, by its dotted path."""


def sweep_with(fields: dict[str, Any] | None = None, namespace: str = "team") -> SeedSweep:
    """A sweep of a cluster; fields by their dotted paths, `...` removes one."""
    text = sweeps.changed("spec.trainer.image", "trainer:1")
    for path, value in (fields or {}).items():
        text = sweeps.changed(path, value, text)
    sweep = parse_sweep(text)
    return sweep.evolve(metadata=sweep.metadata.evolve(namespace=namespace, uid="sweep-uid"))


def with_pod_metadata(**metadata: dict[str, str]) -> SeedSweep:
    """A sweep whose pods get these labels and annotations, also such as are refused."""
    sweep = sweep_with()
    template = sweep.spec.pod_template
    template = template.evolve(metadata=template.metadata.evolve(**metadata))
    return sweep.evolve(spec=sweep.spec.evolve(pod_template=template))


def values_of(container: dict[str, Any]) -> dict[str, str]:
    """The variables of a pod's container as it finds them."""
    known: dict[str, str] = {}
    for variable in container["env"]:
        if "value" in variable:
            known[variable["name"]] = expand(variable["value"], known)
    return known
