"""The pod of an episode: a function of the sweep and the start. Whatever the sweep says, it meets Pod Security
"restricted": not root, no privileges, a root file system that is read only, no token for the API server.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seedsweep.api.base import ApiModel
from seedsweep.api.checks import Problem
from seedsweep.api.core.labels import is_own
from seedsweep.api.episode import EpisodeId
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.gpus import gpu_problems
from seedsweep.api.sweep import SeedSweep, SweepSpec
from seedsweep.contract.protocol import DEFAULT_TERMINATION_LOG, Env
from seedsweep.contract.variables import config_text, episode_variables, literal
from seedsweep.engine.decisions import StartEpisode
from seedsweep.kube.objects import names

CONTAINER = "trainer"
METRICS_PORT = "metrics"
SCRATCH = "/var/run/seedsweep"
"""Where the read-only pod may write: an emptyDir."""
STORAGE = "/var/lib/seedsweep"
"""Where the sweep's claim is mounted."""

MAX_POD_BYTES = 1 << 18
"""Of one manifest in JSON: thousands of them are listed and watched."""

Object = dict[str, Any]

_SCRATCH_VOLUME = "seedsweep-scratch"
_STORAGE_VOLUME = "seedsweep-storage"
_ANY_ADDRESS = "0.0.0.0"
_OF_CONTAINER = {"image", "image_pull_policy", "command", "args", "env_from", "resources", "volume_mounts"}


ANY_START = StartEpisode(EpisodeId(0, 0), 0, None, ())
"""Of any episode: for what is the same in all pods of a sweep."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What the administrator allows."""

    service_accounts: frozenset[str] = frozenset()
    """Those that episodes may run as, beside the namespace's default, without a token."""
    housekeeping_image: str | None = None
    """Of our own trainer, for the storage of sweeps whose trainer is not ours."""
    housekeeping_requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "500m", "memory": "2Gi"})
    """What a housekeeping pod asks for; it scores the winner on the test set."""
    housekeeping_seconds: int = 3600
    """How long one may take, and how long it may wait for a place."""


def pod_problems(sweep: SeedSweep, settings: PodSettings) -> list[Problem]:
    """What only a cluster refuses, and the API server cannot tell by a pod."""
    problems = []
    spec, trainer = sweep.spec, sweep.spec.trainer
    if trainer.image is None:
        problems.append(Problem("spec.trainer.image", None, "is required on a cluster: add the trainer's image"))
    account = spec.pod_template.spec.service_account_name
    if account is not None and account not in settings.service_accounts:
        allowed = ", ".join(sorted(settings.service_accounts)) or "none"
        remedy = f"is not among those that the administrator allows ({allowed}): remove it"
        problems.append(Problem("spec.podTemplate.spec.serviceAccountName", account, remedy))
    problems += gpu_problems(spec)
    if trainer.fine_tuning is not None:
        problems += _tuning_problems(trainer.fine_tuning)
    if trainer.weights is not None and spec.storage is not None and settings.housekeeping_image is None:
        remedy = (
            "cannot be handed over, because the operator has no housekeeping image: ask the administrator to set "
            "housekeeping.image of the chart, or remove weights"
        )
        problems.append(Problem("spec.trainer.weights", None, remedy))
    size = len(json.dumps(pod_manifest(sweep, ANY_START), ensure_ascii=False).encode())
    if size > MAX_POD_BYTES:
        remedy = f"makes pods of {size} bytes, more than {MAX_POD_BYTES}: move what is long into ConfigMaps"
        problems.append(Problem("spec", None, remedy))
    return problems


def _tuning_problems(tuning: FineTuning) -> Iterator[Problem]:
    """References that start from the folder of a file, which a pod does not know."""
    data = tuning.dataset
    remedy = "starts from a folder of your machine: give an absolute path in a volume of the pod, or package:NAME/FILE"
    for part in ("path", "train", "validation", "test"):
        reference = getattr(data, part)
        if reference is not None and not reference.startswith(("/", "package:")):
            yield Problem(f"spec.trainer.fineTuning.dataset.{part}", reference, remedy)
    # Without a dot it is a name on the hub.
    if tuning.model.startswith((".", "~")):
        yield Problem("spec.trainer.fineTuning.model", tuning.model, remedy)


def pod_manifest(sweep: SeedSweep, start: StartEpisode) -> Object:
    """The manifest of one attempt."""
    assert sweep.metadata.uid is not None  # as an API server shows it
    template, name = sweep.spec.pod_template, sweep.metadata.name
    annotations = {
        **_eviction(sweep.spec),
        **not_ours(template.metadata.annotations),
        names.ANNOTATION_ATTEMPT: str(start.attempt),
    }
    if start.stop_after is not None:
        annotations[names.ANNOTATION_STOP_AFTER] = str(start.stop_after)
    labels = {
        **not_ours(template.metadata.labels),
        "app.kubernetes.io/name": "seedsweep",
        names.LABEL_COMPONENT: CONTAINER,
        "app.kubernetes.io/instance": name,
        **names.labels(name, sweep.metadata.uid, start.episode),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": names.object_name(name, start.episode),
            "namespace": sweep.metadata.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [names.owner_reference(name, sweep.metadata.uid)],
        },
        "spec": _pod_spec(sweep, start),
    }


def not_ours(given: Mapping[str, str]) -> dict[str, str]:
    """Labels or annotations without those that SeedSweep sets itself, whichever release took the sweep."""
    return {key: value for key, value in given.items() if not is_own(key)}


def _eviction(spec: SweepSpec) -> dict[str, str]:
    """What autoscalers may do with a pod that works: what it loses by that decides."""
    if spec.storage is not None and spec.trainer.fine_tuning is not None:
        # About a minute of training at most, for it goes on from its last checkpoint.
        return {names.ANNOTATION_SAFE_TO_EVICT: "true"}
    return {names.ANNOTATION_SAFE_TO_EVICT: "false", names.ANNOTATION_DO_NOT_DISRUPT: "true"}


def _pod_spec(sweep: SeedSweep, start: StartEpisode) -> Object:
    given = _dump(sweep.spec.pod_template.spec)
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {
        **given,
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {**given.get("securityContext", {}), **security},
        "volumes": [*given.get("volumes", ()), *_volumes(sweep.spec)],
        "containers": [_container(sweep, start)],
    }
    if start.avoid_node is not None:
        pod["affinity"] = _preferring_others(given.get("affinity", {}), start.avoid_node)
    return pod


def _preferring_others(affinity: Object, node: str) -> Object:
    """What the sweep wants of nodes, and any node rather than this one; the only one left still does."""
    key = "preferredDuringSchedulingIgnoredDuringExecution"
    other = {"key": "metadata.name", "operator": "NotIn", "values": [node]}
    by_node = affinity.get("nodeAffinity", {})
    preferred = [*by_node.get(key, ()), {"weight": 100, "preference": {"matchFields": [other]}}]
    return {**affinity, "nodeAffinity": {**by_node, key: preferred}}


def _volumes(spec: SweepSpec) -> list[Object]:
    volumes: list[Object] = [{"name": _SCRATCH_VOLUME, "emptyDir": {}}]
    if spec.storage is not None and spec.storage.persistent_volume_claim is not None:
        volumes.append({"name": _STORAGE_VOLUME, "persistentVolumeClaim": _dump(spec.storage.persistent_volume_claim)})
    return volumes


def _container(sweep: SeedSweep, start: StartEpisode) -> Object:
    given = _dump(sweep.spec.trainer, _OF_CONTAINER)
    return {
        **given,
        "name": CONTAINER,
        "env": _environment(sweep, start),
        "ports": [{"name": METRICS_PORT, "containerPort": sweep.spec.scrape.port}],
        "volumeMounts": _mounts(sweep.spec, given.get("volumeMounts", [])),
        "terminationMessagePath": DEFAULT_TERMINATION_LOG,
        # What a trainer without last words printed last explains its failure.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _mounts(spec: SweepSpec, given: list[Object]) -> list[Object]:
    ours = [{"name": _SCRATCH_VOLUME, "mountPath": SCRATCH}]
    if all(mount["mountPath"].rstrip("/") != "/tmp" for mount in given):
        ours.append({"name": _SCRATCH_VOLUME, "mountPath": "/tmp"})
    if spec.storage is not None and spec.storage.persistent_volume_claim is not None:
        ours.append({"name": _STORAGE_VOLUME, "mountPath": STORAGE})
    return [*given, *ours]


def _environment(sweep: SeedSweep, start: StartEpisode) -> list[Object]:
    """Ours first: $(NAME) reaches only back."""
    given = [_dump(variable) for variable in sweep.spec.trainer.env]
    taken = {variable["name"] for variable in given}
    defaults = {
        "HOME": SCRATCH,
        "HF_HOME": f"{SCRATCH}/huggingface",
        # The user that a cluster picks may have no name, and torch asks for one.
        "LOGNAME": CONTAINER,
    }
    values = {
        **episode_variables(sweep.spec, start.episode, start.rungs, start.stop_after),
        Env.WORK_DIR: SCRATCH,
        Env.METRICS_HOST: _ANY_ADDRESS,
        Env.METRICS_PORT: str(sweep.spec.scrape.port),
        Env.TERMINATION_LOG: DEFAULT_TERMINATION_LOG,
        **{name: value for name, value in defaults.items() if name not in taken},
    }
    if sweep.spec.storage is not None:
        values[Env.STORAGE_DIR] = storage_path(sweep)
        values[Env.CHECKPOINT_DIR] = f"{values[Env.STORAGE_DIR]}/{start.episode.name}"
    return [
        *({"name": str(name), "value": literal(value)} for name, value in values.items()),
        {"name": str(Env.ATTEMPT_UID), "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        _config(sweep),
        *given,
    ]


def _config(sweep: SeedSweep) -> Object:
    config = sweep.spec.trainer.config
    if config is not None and config.config_map is not None:
        return {"name": str(Env.CONFIG), "valueFrom": {"configMapKeyRef": _dump(config.config_map)}}
    return {"name": str(Env.CONFIG), "value": literal(config_text(sweep.spec.trainer))}


def storage_path(sweep: SeedSweep) -> str:
    """The sweep's folder as its pods see it, a path or a URI."""
    uri = sweep.spec.storage.uri if sweep.spec.storage is not None else None
    return f"{STORAGE if uri is None else uri.rstrip('/')}/{storage_folder(sweep)}"


def storage_folder(sweep: SeedSweep) -> str:
    """Of a sweep within its storage: no two sweeps share one, whatever their names."""
    return f"{sweep.metadata.namespace}/{sweep.metadata.uid}"


def _dump(model: ApiModel, include: set[str] | None = None) -> Object:
    """As core Kubernetes types have it: what was given, and nothing that was not."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True, include=include)
