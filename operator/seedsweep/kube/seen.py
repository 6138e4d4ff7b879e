"""What a pod tells: where it is, what keeps it from beginning, who took it. Pure, and never surprised by a pod."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from seedsweep.api.episode import EpisodeId, Interruption
from seedsweep.kube import names
from seedsweep.kube.pods import CONTAINER

MAX_TEXT = 300
NORMAL_WAITS = frozenset({"ContainerCreating", "PodInitializing", ""})
_NOBODY: Mapping[str, Any] = {}
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
    started: datetime | None = None
    """By its node's clock, as the next."""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What matters of a pod: small, for there are thousands."""

    uid: str
    name: str
    version: int
    owner_uid: str | None
    episode: EpisodeId
    stop_after: int | None
    created: datetime
    bound: datetime | None
    unschedulable_since: datetime | None
    gated: bool
    """It waits behind a gate, as of a queue."""
    phase: str
    running: bool
    ip: str | None
    node: str | None
    image: str | None
    """With its digest, once it was pulled."""
    silent_since: datetime | None
    """Since when its node gives no sign of life."""
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


def facts_of(pod: Mapping[str, Any]) -> PodFacts | None:
    """The facts of an episode's pod; None for one that is no episode's, or makes no sense."""
    try:
        return _facts(pod)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _facts(pod: Mapping[str, Any]) -> PodFacts | None:
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    episode = names.episode_of(metadata["name"])
    if episode is None:
        return None
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    placed, unplaced = scheduled.get("status") == "True", scheduled.get("status") == "False"
    since = moment(scheduled["lastTransitionTime"]) if placed or unplaced else None
    stop_after = (metadata.get("annotations") or {}).get(names.ANNOTATION_STOP_AFTER)
    container = _ours(status.get("containerStatuses"))
    state = container.get("state") or {}
    taken, interruption = _taken(status, conditions)
    return PodFacts(
        uid=str(metadata["uid"]),
        name=str(metadata["name"]),
        version=int(metadata["resourceVersion"]),
        owner_uid=names.owner_uid(metadata),
        episode=episode,
        stop_after=int(stop_after) if stop_after else None,
        created=moment(metadata["creationTimestamp"]),
        bound=since if placed else None,
        # Behind a gate of a queue it does not look for a place yet.
        unschedulable_since=since if unplaced and scheduled.get("reason") == "Unschedulable" else None,
        gated=unplaced and scheduled.get("reason") == "SchedulingGated",
        phase=str(status.get("phase") or ""),
        running="running" in state,
        ip=_text(status.get("podIP")),
        node=_text(spec.get("nodeName")),
        image=_text(container.get("imageID")) or _text(container.get("image")),
        silent_since=_silent_since(state, conditions.get("Ready", _NOBODY)),
        deleted=bool(metadata.get("deletionTimestamp")),
        grace=timedelta(seconds=int(metadata.get("deletionGracePeriodSeconds") or 0)),
        held_by=", ".join(map(str, metadata.get("finalizers") or ()))[:MAX_TEXT],
        trouble=_trouble(status) or (told(scheduled) if unplaced else ""),
        taken=taken,
        interruption=interruption,
        terminated=_terminated(state["terminated"]) if state.get("terminated") else None,
    )


def _ours(statuses: Any) -> Mapping[str, Any]:
    """The trainer's container: others may have been put beside it."""
    found: Mapping[str, Any] = next((s for s in statuses or () if s["name"] == CONTAINER), {})
    return found


def moment(text: str) -> datetime:
    """A time as the API server writes it; raises ValueError."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _text(value: Any) -> str | None:
    return str(value) if value else None


def told(said: Mapping[str, Any]) -> str:
    """The reason and message of a part of a status."""
    return f"{said.get('reason') or ''}: {said.get('message') or ''}".strip(": ")[:MAX_TEXT]


def _trouble(status: Mapping[str, Any]) -> str:
    """Why a container cannot begin: the image, a missing ConfigMap, a user that may not be root."""
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if (waiting.get("reason") or "") not in NORMAL_WAITS:
            return told(waiting)
    return ""


def _silent_since(state: Mapping[str, Any], ready: Mapping[str, Any]) -> datetime | None:
    """Who watches over nodes marks the pods of one that is silent as not ready, and gives no reason; a kubelet does."""
    if "running" not in state or ready.get("status") != "False" or ready.get("reason"):
        return None
    since = ready.get("lastTransitionTime")
    return moment(since) if since else None


def _taken(status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> tuple[str, Interruption | None]:
    reason = str(status.get("reason") or "")
    target, disruption, ready = (
        conditions.get(kind, _NOBODY) for kind in ("TerminationTarget", "DisruptionTarget", "Ready")
    )
    if target.get("status") == "True":
        # Kueue says so before it deletes a pod; Volcano says it as below.
        return told(target), Interruption.PREEMPTED_BY_QUEUE
    if ready.get("status") == "False" and ready.get("reason") == "Evict":
        return told(ready), Interruption.PREEMPTED_BY_QUEUE
    if reason:
        # Its node, or who watches over nodes, ended it: that tells more than the condition that comes with it.
        return told(status), _BY_STATUS.get(reason, Interruption.NOT_ADMITTED)
    if disruption.get("status") == "True":
        return told(disruption), _BY_DISRUPTION.get(str(disruption.get("reason")), Interruption.EVICTED)
    return "", None


def _terminated(state: Mapping[str, Any]) -> Terminated:
    started, at = state.get("startedAt"), state.get("finishedAt")
    return Terminated(
        exit_code=int(state["exitCode"]) if "exitCode" in state else None,
        reason=str(state.get("reason") or ""),
        message=str(state.get("message") or ""),
        started=moment(started) if started else None,
        at=moment(at) if at else None,
    )
