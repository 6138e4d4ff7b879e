"""Pods as a kubelet needs them, and how it writes into them what became of their containers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cluster.simulator.faults import End
from cluster.simulator.podapi import Object
from seedsweep.api.episode import EpisodeId
from seedsweep.api.housekeeping import HousekeepingTask
from seedsweep.contract.protocol import Env
from seedsweep.contract.variables import expand
from seedsweep.kube.objects.names import ANNOTATION_ATTEMPT, LABEL_DATA_ORDER, LABEL_SWEEP, LABEL_WEIGHT_INIT
from seedsweep.kube.pods.manifest import CONTAINER

NO_EPISODE = EpisodeId(-1, -1)
"""That of a housekeeping pod."""


@dataclass(frozen=True, slots=True)
class InitContainer:
    """One that runs to its end before the trainer's container begins."""

    name: str
    env: Mapping[str, str]
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pod:
    """An episode's pod, or a housekeeping pod, which has a task."""

    namespace: str
    name: str
    uid: str
    sweep: str
    episode: EpisodeId
    attempt: int
    """From 0."""
    version: int
    env: Mapping[str, str]
    """The trainer's, as its process would find it."""
    command: tuple[str, ...]
    """Its own command and arguments; empty: the image's."""
    image: str
    bound: bool
    running: bool
    ip: str | None
    waits_for: str
    """The reason of its waiting container."""
    over: bool
    """It has ended, or was told to."""
    task: HousekeepingTask | None = None
    before: tuple[InitContainer, ...] = ()

    @property
    def path(self) -> str:
        """Of the pod in the API."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"


def parse_pod(found: Object) -> Pod | None:
    """The pod in an object of the API; None where it is not ours."""
    metadata, spec, status = found["metadata"], found["spec"], found.get("status", {})
    labels = metadata.get("labels") or {}
    container = next((c for c in spec["containers"] if c["name"] == CONTAINER), None)
    if container is None or LABEL_SWEEP not in labels:
        return None
    phase = status.get("phase")
    env = _environment(container, metadata["uid"])
    task, seeds = (
        env.get(Env.TASK),
        [int(labels[key]) for key in (LABEL_WEIGHT_INIT, LABEL_DATA_ORDER) if key in labels],
    )
    if task is None and len(seeds) < 2:
        return None
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        sweep=labels[LABEL_SWEEP],
        episode=EpisodeId(*seeds) if task is None else NO_EPISODE,
        attempt=int((metadata.get("annotations") or {}).get(ANNOTATION_ATTEMPT, "0")),
        version=int(metadata["resourceVersion"]),
        env=env,
        command=_command(container, env),
        image=container["image"],
        bound=bool(spec.get("nodeName")),
        running=phase == "Running",
        ip=status.get("podIP"),
        waits_for=_waits_for(status),
        over=phase in ("Succeeded", "Failed") or metadata.get("deletionTimestamp") is not None,
        task=HousekeepingTask.model_validate_json(task) if task is not None else None,
        before=tuple(_init_container(c, metadata["uid"]) for c in spec.get("initContainers", ())),
    )


def _init_container(container: Object, uid: str) -> InitContainer:
    env = _environment(container, uid)
    return InitContainer(container["name"], env, _command(container, env))


def _command(container: Object, env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(part, env) for part in (*container.get("command", ()), *container.get("args", ())))


def _environment(container: Object, uid: str) -> dict[str, str]:
    known: dict[str, str] = {}
    for entry in container.get("env", ()):
        field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        known[entry["name"]] = uid if field == "metadata.uid" else expand(entry.get("value", ""), known)
    return known


def _waits_for(status: Object) -> str:
    for container in status.get("containerStatuses", ()):
        if container["name"] == CONTAINER:
            return str(container.get("state", {}).get("waiting", {}).get("reason", ""))
    return ""


def ended_status(
    pod: Pod, end: End, message: str, began: datetime, at: datetime, failed_before: str | None = None
) -> Object:
    """The patch of a pod's status when its container has ended, or the init container of the name `failed_before`."""
    state = {
        "exitCode": int(end.exit_code),
        "reason": end.reason,
        "message": message,
        "startedAt": _text(began),
        "finishedAt": _text(at),
    }
    status: Object = {
        "phase": "Succeeded" if end.exit_code == 0 else "Failed",
        "containerStatuses": [_container(pod, {"terminated": state})],
    }
    if failed_before is not None:
        done = {"exitCode": 0, "reason": "Completed", "startedAt": _text(began), "finishedAt": _text(at)}
        names = [container.name for container in pod.before]
        names = names[: names.index(failed_before) + 1]
        status["containerStatuses"] = [_container(pod, {"waiting": {"reason": "PodInitializing"}})]
        status["initContainerStatuses"] = [
            {**_container(pod, {"terminated": state if name == failed_before else done}), "name": name}
            for name in names
        ]
    if end.pod_reason:
        status["reason"] = end.pod_reason
        status["message"] = "The node was low on resource: memory."
    if end.disruption:
        condition = {"type": "DisruptionTarget", "status": "True", "reason": end.disruption}
        status["conditions"] = [{**condition, "lastTransitionTime": _text(at)}]
    return {"status": status}


def unpullable_status(pod: Pod) -> Object:
    """The patch of a pod's status while its image cannot be pulled."""
    waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{pod.image}"'}
    return {"status": {"phase": "Pending", "containerStatuses": [_container(pod, {"waiting": waiting})]}}


def _container(pod: Pod, state: Object) -> Object:
    image = {"image": pod.image, "imageID": f"{pod.image}@sha256:{'0' * 64}"}
    return {"name": CONTAINER, "ready": False, "started": False, "restartCount": 0, **image, "state": state}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
