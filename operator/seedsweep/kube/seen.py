"""What a pod tells: where it is, what keeps it from beginning, how it ended. Pure, and never surprised by a pod."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seedsweep.api.episode import EndReason, EpisodeId
from seedsweep.engine.observation import Ending, Reading
from seedsweep.exits import classify_end
from seedsweep.exposition import ScrapeError
from seedsweep.kube import names
from seedsweep.scrape import Expected, reading_of
from seedsweep_trainer.contract import decode_message

MAX_TEXT = 300
_ENDED = frozenset({"Succeeded", "Failed"})
_CLEAN = frozenset({EndReason.DONE, EndReason.STOPPED_AT_RUNG})
_NORMAL_WAITS = frozenset({"ContainerCreating", "PodInitializing", ""})


@dataclass(frozen=True, slots=True)
class Terminated:
    """How its container ended."""

    exit_code: int | None
    reason: str
    message: str
    at: datetime | None


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
    """When its deletion was asked for."""
    trouble: str
    """Why it cannot begin."""
    reason: str
    """The pod's own: Evicted, NodeLost and the like."""
    message: str
    disrupted: str
    """Reason of the condition DisruptionTarget, where it holds: who took the pod away."""
    terminated: Terminated | None


def facts_of(pod: Mapping[str, Any]) -> PodFacts | None:
    """The facts of an episode's pod; None for one that carries no seeds."""
    try:
        return _facts(pod)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        return None


def _facts(pod: Mapping[str, Any]) -> PodFacts:
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    labels, annotations = metadata["labels"], metadata.get("annotations") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    scheduled, disruption = conditions.get("PodScheduled", {}), conditions.get("DisruptionTarget", {})
    container: Mapping[str, Any] = next(iter(status.get("containerStatuses") or ()), {})
    state = container.get("state") or {}
    placed = scheduled.get("status") == "True"
    stop_after = annotations.get(names.ANNOTATION_STOP_AFTER)
    unplaced = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    return PodFacts(
        uid=str(metadata["uid"]),
        name=str(metadata["name"]),
        version=int(metadata["resourceVersion"]),
        owner_uid=names.owner_uid(metadata),
        episode=EpisodeId(int(labels[names.LABEL_WEIGHT_INIT]), int(labels[names.LABEL_DATA_ORDER])),
        stop_after=int(stop_after) if stop_after else None,
        created=_moment(metadata["creationTimestamp"]),
        bound=_moment(scheduled["lastTransitionTime"]) if placed else None,
        unschedulable_since=_moment(scheduled["lastTransitionTime"]) if unplaced else None,
        phase=str(status.get("phase") or ""),
        running="running" in state,
        ip=status.get("podIP"),
        node=spec.get("nodeName"),
        image=container.get("imageID") or container.get("image"),
        deleted=_moment(metadata["deletionTimestamp"]) if metadata.get("deletionTimestamp") else None,
        trouble=_trouble(state, f"Unschedulable: {scheduled.get('message', '')}" if unplaced else ""),
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or "")[:MAX_TEXT],
        disrupted=str(disruption.get("reason") or "") if disruption.get("status") == "True" else "",
        terminated=_terminated(state.get("terminated")),
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _trouble(state: Mapping[str, Any], unplaced: str) -> str:
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason") or "")
    if reason in _NORMAL_WAITS:
        return unplaced[:MAX_TEXT]
    return f"{reason}: {waiting.get('message') or ''}".rstrip(": ")[:MAX_TEXT]


def _terminated(state: Mapping[str, Any] | None) -> Terminated | None:
    if state is None:
        return None
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
    end = facts.terminated or Terminated(None, "", "", None)
    message = decode_message(end.message)
    reading, refused = None, ""
    if message is not None:
        try:
            reading = reading_of(message, expected)
        except ScrapeError as error:
            message, refused = None, str(error)
    reason = classify_end(end.exit_code, message)
    if end.reason == "OOMKilled":
        reason = EndReason.OUT_OF_MEMORY
    elif reason not in _CLEAN and (facts.disrupted or (facts.reason and facts.terminated is None)):
        # Evicted, preempted, drained, or never admitted by its node: not the trainer's doing.
        reason = EndReason.INTERRUPTED
    text = message.reason if message is not None else ""
    if not text and reason in _CLEAN and refused:
        text = f"its metrics cannot be used: {refused}"
    elif not text and reason not in _CLEAN:
        text = _explanation(facts, end, known=message is not None)
    return Ending(reason, end.at or now, end.exit_code, text), reading


def _explanation(facts: PodFacts, end: Terminated, *, known: bool) -> str:
    if end.reason == "OOMKilled":
        return "killed for memory (OOMKilled): raise the limit, or use a smaller batchSize"
    if facts.disrupted or facts.reason:
        return f"{facts.disrupted or facts.reason}: {facts.message}".rstrip(": ")
    last = [line.strip() for line in end.message.splitlines() if line.strip()]
    return last[-1][-MAX_TEXT:] if last and not known else ""


def vanished(facts: PodFacts, now: datetime) -> Ending:
    """The end of a pod whose object went away before it was seen to end."""
    why = facts.disrupted or facts.reason
    return Ending(EndReason.INTERRUPTED, now, None, f"{why}: {facts.message}".rstrip(": ") if why else "")
