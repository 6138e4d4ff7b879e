"""A pod beside a sweep's episodes, for work in its storage. Pure."""

from seedsweep.api.sweep import SeedSweep
from seedsweep.kube.objects import names
from seedsweep.kube.pods.manifest import ANY_START, Object, pod_manifest

_OF_GPUS = frozenset({"resourceClaims", "schedulingGates", "topologySpreadConstraints"})


def pod_beside(sweep: SeedSweep) -> Object:
    """An episode's pod without the ways to GPUs, near the other episodes; its name and container are still theirs."""
    pod = pod_manifest(sweep, ANY_START)
    spec = {key: value for key, value in pod["spec"].items() if key not in _OF_GPUS}
    assert sweep.metadata.uid is not None  # as an API server shows it
    return {**pod, "spec": {**spec, "affinity": _near_episodes(spec.get("affinity", {}), sweep.metadata.uid)}}


def _near_episodes(affinity: Object, uid: str) -> Object:
    """Where episodes run, if it can: a claim may be attached to one node only."""
    key = "preferredDuringSchedulingIgnoredDuringExecution"
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {names.LABEL_SWEEP_UID: uid}}}
    by_pod = affinity.get("podAffinity", {})
    preferred = [*by_pod.get(key, ()), {"weight": 100, "podAffinityTerm": term}]
    return {**affinity, "podAffinity": {**by_pod, key: preferred}}
