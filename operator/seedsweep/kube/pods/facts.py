"""What a pod tells: where it is, what keeps it from beginning, who took it. Pure, and never surprised by a pod."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from seedsweep.api.episode import EpisodeId, Interruption
from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.contract.foreign import decimal, mapping, mappings, shown, text, whole
from seedsweep.contract.message import MESSAGE_BYTES
from seedsweep.contract.protocol import Env
from seedsweep.kube.objects import names
from seedsweep.kube.pods.manifest import CONTAINER, METRICS_PORT

MAX_GRACE_SECONDS = 10**9
ENDED_PHASES = frozenset({"Succeeded", "Failed"})
NORMAL_WAITS = frozenset({"ContainerCreating", "PodInitializing", ""})
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_MAX_EXIT_CODE = 2**31 - 1
_MAX_PORT = 65535
_BY_DISRUPTION = {
    "PreemptionByScheduler": Interruption.PREEMPTED,
    "DeletionByTaintManager": Interruption.TAINTED,
    "DeletionByPodGC": Interruption.NODE_LOST,
    "EvictionByEvictionAPI": Interruption.EVICTED,
}
"""By the reason of a pod's condition DisruptionTarget."""
_BY_STATUS = {
    "Evicted": Interruption.NODE_PRESSURE,
    "Terminated": Interruption.NODE_SHUTDOWN,
    "NodeShutdown": Interruption.NODE_SHUTDOWN,
    "Shutdown": Interruption.NODE_SHUTDOWN,
    "NodeLost": Interruption.NODE_LOST,
    "Preempting": Interruption.PREEMPTED,
    "DeadlineExceeded": Interruption.POD_DEADLINE,
}
"""By the reason that a kubelet, or who watches over nodes, gives a pod; the others are of pods that it turned away."""


@dataclass(frozen=True, slots=True)
class Terminated:
    """How its container ended."""

    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    lasted: timedelta | None = None
    """How long it ran by its node's own clock."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What matters of a pod: small, for there are thousands."""

    uid: str
    name: str
    version: int
    owner_uid: str | None
    episode: EpisodeId
    stop_after: int | None
    bound: bool
    """It has got a place."""
    unschedulable: bool
    """No place was found for it."""
    gated: bool
    """It waits behind a gate, as of a queue."""
    phase: str
    running: bool
    ip: str | None
    port: int | None
    """Where it serves its metrics."""
    node: str | None
    image: str | None
    """With its digest, once it was pulled."""
    silent: bool
    """Its node gives no sign of life."""
    deleted: bool
    """Its deletion was asked for."""
    grace: timedelta
    """What its deletion gives it to end."""
    held_by: str
    """Finalizers, which keep it in the API once it has gone from its node."""
    trouble: str
    """Why it cannot begin."""
    taken: str
    """Who took it from its node, or why its node would not have it, in words: empty where nobody did."""
    interruption: Interruption | None
    """The same in one word."""
    terminated: Terminated | None

    def only_begins(self, before: "PodFacts") -> bool:
        """Whether all that has happened to it since is that it got its place, or began."""
        if self.phase in ENDED_PHASES:
            return False
        return self == replace(
            before,
            version=self.version,
            bound=self.bound,
            phase=self.phase,
            running=self.running,
            ip=self.ip,
            node=self.node,
            image=self.image,
        )


def facts_of(pod: Mapping[str, Any]) -> PodFacts | None:
    """The facts of an episode's pod; None for one that is no episode's, or that does not say which pod it is.

    Any other part that is not as Kubernetes has it counts as absent: it must not hide a pod that is there.
    """
    metadata, spec, status = (mapping(mapping(pod).get(part)) for part in ("metadata", "spec", "status"))
    name, uid, version = text(metadata.get("name")), text(metadata.get("uid")), decimal(metadata.get("resourceVersion"))
    episode = names.episode_of(name)
    if episode is None or not uid or version is None:
        return None
    conditions = conditions_of(status)
    scheduled = mapping(conditions.get("PodScheduled"))
    placed, unplaced = scheduled.get("status") == "True", scheduled.get("status") == "False"
    container, asked = container_of(status), asked_of(spec)
    state = mapping(container.get("state"))
    taken, interruption = _taken(status, conditions)
    return PodFacts(
        uid=uid,
        name=name,
        version=version,
        owner_uid=names.owner_uid(metadata),
        episode=episode,
        # As its trainer has it: an annotation may be changed by others, a variable never is.
        stop_after=whole(decimal(variable_of(asked, Env.STOP_AFTER)), 1, MAX_EVALUATIONS),
        bound=placed,
        # Behind a gate of a queue it does not look for a place yet.
        unschedulable=unplaced and scheduled.get("reason") == "Unschedulable",
        gated=unplaced and scheduled.get("reason") == "SchedulingGated",
        phase=text(status.get("phase")),
        running="running" in state,
        ip=_address(status.get("podIP")),
        port=_port(asked),
        node=text(spec.get("nodeName")) or None,
        image=text(container.get("imageID")) or text(container.get("image")) or None,
        silent=_is_silent(state, mapping(conditions.get("Ready"))),
        deleted=bool(metadata.get("deletionTimestamp")),
        grace=timedelta(seconds=whole(metadata.get("deletionGracePeriodSeconds"), 0, MAX_GRACE_SECONDS) or 0),
        held_by=finalizers_of(metadata),
        trouble=waiting_trouble(status) or (told(scheduled) if unplaced else ""),
        taken=taken,
        interruption=interruption,
        terminated=terminated_of(status),
    )


def conditions_of(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Its conditions, by type."""
    return {text(condition.get("type")): condition for condition in mappings(status.get("conditions"))}


def container_of(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The status of our container: others may have been put beside it. Empty where there is none."""
    ours = (s for s in mappings(status.get("containerStatuses")) if s.get("name") == CONTAINER)
    return next(ours, mapping(None))


def asked_of(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Our container as it was asked for. Empty where there is none."""
    ours = (c for c in mappings(spec.get("containers")) if c.get("name") == CONTAINER)
    return next(ours, mapping(None))


def variable_of(container: Mapping[str, Any], name: str) -> object:
    """What a container was told by the variable of this name; None without it."""
    return next((v.get("value") for v in mappings(container.get("env")) if v.get("name") == name), None)


def terminated_of(status: Mapping[str, Any]) -> Terminated | None:
    """How our container ended; None where it has not."""
    return _terminated(container_of(status))


def init_terminated_of(status: Mapping[str, Any], name: str) -> Terminated | None:
    """How the init container of this name ended; None where it has not."""
    named = (s for s in mappings(status.get("initContainerStatuses")) if s.get("name") == name)
    return _terminated(next(named, mapping(None)))


def is_past_deadline(status: Mapping[str, Any]) -> bool:
    """Whether its node ended it after its activeDeadlineSeconds."""
    return status.get("reason") == "DeadlineExceeded"


def is_taken(status: Mapping[str, Any]) -> bool:
    """Whether somebody took it from its node."""
    return _taken(status, conditions_of(status))[1] is not None


def _terminated(container: Mapping[str, Any]) -> Terminated | None:
    state = mapping(mapping(container.get("state")).get("terminated"))
    if not state:
        return None
    message = state.get("message")
    return Terminated(
        exit_code=whole(state.get("exitCode"), -_MAX_EXIT_CODE, _MAX_EXIT_CODE),
        reason=text(state.get("reason")),
        # As it is, for its checksum; whatever goes on record of it is made fit for that.
        message=message[-MESSAGE_BYTES:] if isinstance(message, str) else "",
        lasted=_lasted(state),
    )


def _lasted(terminated: Mapping[str, Any]) -> timedelta | None:
    started, ended = (moment_or_none(terminated.get(key)) for key in ("startedAt", "finishedAt"))
    return ended - started if started is not None and ended is not None else None


def moment(value: object) -> datetime:
    """A time as the API server writes it, if a clock can show it; raises ValueError."""
    try:
        found = datetime.fromisoformat(value if isinstance(value, str) else "")
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{shown(value)} is no time") from None
    if not _EARLIEST <= found < _LATEST:
        raise ValueError(f"{shown(value)} is not of these times")
    return found


def moment_or_none(value: object) -> datetime | None:
    """The same; None where it is none."""
    try:
        return moment(value)
    except ValueError:
        return None


def told(said: Mapping[str, Any]) -> str:
    """The reason and message of a part of a status."""
    return text(f"{text(said.get('reason'))}: {text(said.get('message'))}".strip(": "))


def waiting_trouble(status: Mapping[str, Any]) -> str:
    """Why a container cannot begin: the image, a missing ConfigMap, a user that may not be root."""
    for container in (*mappings(status.get("initContainerStatuses")), *mappings(status.get("containerStatuses"))):
        waiting = mapping(mapping(container.get("state")).get("waiting"))
        if text(waiting.get("reason")) not in NORMAL_WAITS:
            return told(waiting)
    return ""


def _address(value: object) -> str | None:
    """An IP address, and never a name to be looked up: whoever runs a node can write anything here."""
    try:
        return str(ip_address(text(value)))
    except ValueError:
        return None


def _port(container: Mapping[str, Any]) -> int | None:
    ports = (p.get("containerPort") for p in mappings(container.get("ports")) if p.get("name") == METRICS_PORT)
    return whole(next(ports, None), 1, _MAX_PORT)


def finalizers_of(metadata: Mapping[str, Any]) -> str:
    """Their names, which keep an object in the API; empty where there are none."""
    value = metadata.get("finalizers")
    return text(", ".join(text(name) for name in value)) if isinstance(value, list) else ""


def still_there(name: str, held_by: str) -> str:
    """What is told of a pod that was deleted and keeps its name; `held_by`: its finalizers."""
    why = f"the finalizers {held_by} hold it" if held_by else "its node has not ended it yet"
    return f"pod {name} was deleted and stays: {why}"


def _is_silent(state: Mapping[str, Any], ready: Mapping[str, Any]) -> bool:
    """Who watches over nodes marks the pods of one that is silent as not ready, and gives no reason; a kubelet does."""
    return "running" in state and ready.get("status") == "False" and not ready.get("reason")


def _taken(status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> tuple[str, Interruption | None]:
    reason = text(status.get("reason"))
    target, disruption, ready = (
        mapping(conditions.get(kind)) for kind in ("TerminationTarget", "DisruptionTarget", "Ready")
    )
    if target.get("status") == "True":
        # Kueue says so before it deletes a pod; Volcano says it as below.
        return told(target) or "TerminationTarget", Interruption.PREEMPTED_BY_QUEUE
    if ready.get("status") == "False" and ready.get("reason") == "Evict":
        return told(ready), Interruption.PREEMPTED_BY_QUEUE
    if reason:
        # Its node, or who watches over nodes, ended it: that tells more than the condition that comes with it.
        return told(status) or reason, _BY_STATUS.get(reason, Interruption.NOT_ADMITTED)
    if disruption.get("status") == "True":
        kind = _BY_DISRUPTION.get(text(disruption.get("reason")), Interruption.EVICTED)
        return told(disruption) or "DisruptionTarget", kind
    return "", None
