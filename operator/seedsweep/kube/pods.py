"""The pod of an episode: a function of the sweep, the start and the administrator's settings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedsweep.api.checks import Problem
from seedsweep.api.sweep import SeedSweep, SweepSpec
from seedsweep.engine.decisions import StartEpisode
from seedsweep.kube import names
from seedsweep_trainer.contract import CONTRACT_VERSION, DEFAULT_TERMINATION_LOG, Env

CONTAINER = "trainer"
SCRATCH = "/var/run/seedsweep"
"""Where the read-only pod may write: an emptyDir."""
STORAGE = "/var/lib/seedsweep"
"""Where the sweep's claim is mounted."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What the administrator allows."""

    service_accounts: frozenset[str] = frozenset()
    """Those that episodes may run as, beside the namespace's default, without a token."""


def pod_problems(sweep: SeedSweep, settings: PodSettings) -> list[Problem]:
    """What only a cluster refuses."""
    problems = []
    trainer = sweep.spec.trainer
    if trainer.image is None:
        problems.append(Problem("spec.trainer.image", None, "is required on a cluster: add the trainer's image"))
    account = sweep.spec.pod_template.spec.service_account_name
    if account is not None and account not in settings.service_accounts:
        allowed = ", ".join(sorted(settings.service_accounts)) or "none"
        remedy = f"is not among those that the administrator allows ({allowed}): remove it"
        problems.append(Problem("spec.podTemplate.spec.serviceAccountName", account, remedy))
    return problems


def gpus_of(spec: SweepSpec) -> float:
    """GPUs of one episode; 1 place where it asks for none."""
    limits = {**spec.trainer.resources.requests, **spec.trainer.resources.limits}
    count = sum(int(amount) for name, amount in limits.items() if name.endswith("/gpu") or "/mig-" in name)
    return float(max(1, count))


def pod_manifest(sweep: SeedSweep, start: StartEpisode, settings: PodSettings) -> dict[str, Any]:
    """The manifest of one attempt."""
    assert sweep.metadata.uid is not None  # as an API server shows it
    assert sweep.metadata.namespace is not None
    del settings
    spec, template = sweep.spec, sweep.spec.pod_template
    annotations = {**template.metadata.annotations, names.ANNOTATION_ATTEMPT: str(start.attempt)}
    if start.stop_after is not None:
        annotations[names.ANNOTATION_STOP_AFTER] = str(start.stop_after)
    pod = template.spec.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    pod.update(
        restartPolicy="Never",
        automountServiceAccountToken=False,
        enableServiceLinks=False,
        securityContext={
            **pod.get("securityContext", {}),
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        volumes=[*pod.get("volumes", ()), *_volumes(spec)],
        containers=[_container(sweep, start)],
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": names.object_name(sweep.metadata.name, start.episode),
            "namespace": sweep.metadata.namespace,
            "labels": {
                **template.metadata.labels,
                **names.labels(sweep.metadata.name, sweep.metadata.uid, start.episode),
            },
            "annotations": annotations,
            "ownerReferences": [names.owner_reference(sweep.metadata.name, sweep.metadata.uid)],
        },
        "spec": pod,
    }


def _container(sweep: SeedSweep, start: StartEpisode) -> dict[str, Any]:
    trainer = sweep.spec.trainer
    given = trainer.model_dump(
        mode="json",
        by_alias=True,
        exclude_unset=True,
        exclude_none=True,
        include={"image", "image_pull_policy", "command", "args", "env_from", "resources", "volume_mounts"},
    )
    own_env = [e.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True) for e in trainer.env]
    mounts = [{"name": "seedsweep-scratch", "mountPath": SCRATCH}, {"name": "seedsweep-scratch", "mountPath": "/tmp"}]
    if sweep.spec.storage is not None and sweep.spec.storage.persistent_volume_claim is not None:
        mounts.append({"name": "seedsweep-storage", "mountPath": STORAGE})
    return {
        **given,
        "name": CONTAINER,
        "env": [*_environment(sweep, start), *own_env],
        "ports": [{"name": "metrics", "containerPort": sweep.spec.scrape.port}],
        "volumeMounts": [*given.get("volumeMounts", ()), *mounts],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _environment(sweep: SeedSweep, start: StartEpisode) -> list[dict[str, Any]]:
    spec, episode = sweep.spec, start.episode
    values: dict[str, str] = {
        Env.CONTRACT: str(CONTRACT_VERSION),
        Env.EPISODE: episode.name,
        Env.WEIGHT_INIT_SEED: str(episode.weight_init),
        Env.DATA_ORDER_SEED: str(episode.data_order),
        Env.RUNGS: ",".join(map(str, start.rungs)),
        Env.WORK_DIR: SCRATCH,
        Env.METRICS_HOST: "0.0.0.0",
        Env.METRICS_PORT: str(spec.scrape.port),
        Env.TERMINATION_LOG: DEFAULT_TERMINATION_LOG,
        "HOME": SCRATCH,
        "HF_HOME": f"{SCRATCH}/huggingface",
    }
    if spec.seeds.single is not None:
        values[Env.SEED] = str(episode.weight_init)
    if start.stop_after is not None:
        values[Env.STOP_AFTER] = str(start.stop_after)
    if spec.storage is not None:
        root = STORAGE if spec.storage.uri is None else spec.storage.uri.rstrip("/")
        values[Env.CHECKPOINT_DIR] = f"{root}/{sweep.metadata.namespace}/{sweep.metadata.uid}/{episode.name}"
    environment: list[dict[str, Any]] = [{"name": str(name), "value": value} for name, value in values.items()]
    environment.append({"name": str(Env.ATTEMPT_UID), "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}})
    return [*environment, _config(sweep)]


def _config(sweep: SeedSweep) -> dict[str, Any]:
    trainer = sweep.spec.trainer
    if trainer.config is not None and trainer.config.config_map is not None:
        reference: Mapping[str, str] = {"name": trainer.config.config_map.name, "key": trainer.config.config_map.key}
        return {"name": str(Env.CONFIG), "valueFrom": {"configMapKeyRef": reference}}
    if trainer.fine_tuning is not None:
        text = json.dumps(trainer.fine_tuning.model_dump(mode="json", by_alias=True, exclude_unset=True))
    else:
        text = (trainer.config.json_text if trainer.config is not None else None) or "{}"
    # Kubernetes would expand $(NAME) in it.
    return {"name": str(Env.CONFIG), "value": text.replace("$(", "$$(")}


def _volumes(spec: SweepSpec) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "seedsweep-scratch", "emptyDir": {}}]
    if spec.storage is not None and spec.storage.persistent_volume_claim is not None:
        claim = {"claimName": spec.storage.persistent_volume_claim.claim_name}
        volumes.append({"name": "seedsweep-storage", "persistentVolumeClaim": claim})
    return volumes
