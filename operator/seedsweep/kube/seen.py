"""What a pod tells: where it is, what keeps it from beginning, how it ended. Pure, and never surprised by a pod."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seedsweep.api.episode import EndReason, EpisodeId
from seedsweep.engine.observation import Ending, Reading
from seedsweep.exits import FINISHED, LastWords, classify_end, explain_end, last_line, parse_last_words
from seedsweep.kube import names
from seedsweep.kube.pods import CONTAINER
from seedsweep.scrape import Expected
from seedsweep_trainer.contract import ExitCode

MAX_TEXT = 300
_ENDED = frozenset({"Succeeded", "Failed"})
_NORMAL_WAITS = frozenset({"ContainerCreating", "PodInitializing", ""})
_OUT_OF_MEMORY = "OOMKilled"


@dataclass(frozen=True, slots=True)
class Terminated:
    """How its container ended."""

    exit_code: int | None = None
    reason: str = ""
    message: str = ""
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
    phase: str
    running: bool
    ip: str | None
    node: str | None
    image: str | None
    """With its digest, once it was pulled."""
    deleted: datetime | None
    """When its grace is over, where its deletion was asked for."""
    trouble: str
    """Why it cannot begin."""
    taken: str
    """Who took it from its node, or why its node would not have it: evicted, preempted, drained, lost and the like."""
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
    since = _moment(scheduled["lastTransitionTime"]) if placed or unplaced else None
    stop_after = (metadata.get("annotations") or {}).get(names.ANNOTATION_STOP_AFTER)
    container = _ours(status.get("containerStatuses"))
    state = container.get("state") or {}
    return PodFacts(
        uid=str(metadata["uid"]),
        name=str(metadata["name"]),
        version=int(metadata["resourceVersion"]),
        owner_uid=names.owner_uid(metadata),
        episode=episode,
        stop_after=int(stop_after) if stop_after else None,
        created=_moment(metadata["creationTimestamp"]),
        bound=since if placed else None,
        # Behind a gate of a queue it does not look for a place yet.
        unschedulable_since=since if unplaced and scheduled.get("reason") == "Unschedulable" else None,
        phase=str(status.get("phase") or ""),
        running="running" in state,
        ip=_text(status.get("podIP")),
        node=_text(spec.get("nodeName")),
        image=_text(container.get("imageID")) or _text(container.get("image")),
        deleted=_moment(metadata["deletionTimestamp"]) if metadata.get("deletionTimestamp") else None,
        trouble=_trouble(status) or (_told(scheduled) if unplaced else ""),
        taken=_taken(status, conditions.get("DisruptionTarget", {})),
        terminated=_terminated(state["terminated"]) if state.get("terminated") else None,
    )


def _ours(statuses: Any) -> Mapping[str, Any]:
    """The trainer's container: others may have been put beside it."""
    found: Mapping[str, Any] = next((s for s in statuses or () if s["name"] == CONTAINER), {})
    return found


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _text(value: Any) -> str | None:
    return str(value) if value else None


def _told(said: Mapping[str, Any]) -> str:
    """The reason and message of a part of a status."""
    return f"{said.get('reason') or ''}: {said.get('message') or ''}".strip(": ")[:MAX_TEXT]


def _trouble(status: Mapping[str, Any]) -> str:
    """Why a container cannot begin: the image, a missing ConfigMap, a user that may not be root."""
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if (waiting.get("reason") or "") not in _NORMAL_WAITS:
            return _told(waiting)
    return ""


def _taken(status: Mapping[str, Any], disruption: Mapping[str, Any]) -> str:
    # A pod has a reason of its own only where its node, or who watches over nodes, ended it.
    return _told(disruption) if disruption.get("status") == "True" else _told(status) if status.get("reason") else ""


def _terminated(state: Mapping[str, Any]) -> Terminated:
    at = state.get("finishedAt")
    return Terminated(
        exit_code=int(state["exitCode"]) if "exitCode" in state else None,
        reason=str(state.get("reason") or ""),
        message=str(state.get("message") or ""),
        at=_moment(at) if at else None,
    )


def ending_of(facts: PodFacts, expected: Expected, now: datetime) -> tuple[Ending, Reading | None] | None:
    """How it ended and what its last words publish; None while it has not ended."""
    if facts.phase not in _ENDED and facts.terminated is None:
        return None
    end = facts.terminated or Terminated(ExitCode.OK if facts.phase == "Succeeded" else None)
    words = parse_last_words(end.message, expected)
    return _ending(facts, end, words, now), words.reading


def _ending(facts: PodFacts, end: Terminated, words: LastWords, now: datetime) -> Ending:
    at = end.at or now
    finished = end.exit_code == ExitCode.OK and words.message is not None and words.message.outcome in FINISHED
    if end.reason == _OUT_OF_MEMORY and end.exit_code != ExitCode.OK:
        text = f"killed for memory ({_OUT_OF_MEMORY}): raise the limit of memory, or use a smaller batchSize"
        return Ending(EndReason.OUT_OF_MEMORY, at, end.exit_code, text)
    if _gone(facts) and not finished:
        # Whatever it made of SIGTERM: not the trainer's doing.
        return Ending(EndReason.INTERRUPTED, at, end.exit_code, _gone(facts))
    reason = classify_end(end.exit_code, words.message)
    output = "" if words.message is not None or words.refused else last_line(end.message)
    return Ending(reason, at, end.exit_code, explain_end(reason, words, output))


def vanished(facts: PodFacts, now: datetime) -> Ending:
    """The end of a pod whose object went away before it was seen to end."""
    return Ending(EndReason.INTERRUPTED, now, None, _gone(facts) or "its pod is gone")


def _gone(facts: PodFacts) -> str:
    """Why it had to go; empty where it went by itself."""
    return facts.taken or ("its pod was deleted" if facts.deleted is not None else "")
