"""Episodes' pods as an API server shows them, for tests of what they tell."""

import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from inputs.pod_sweeps import START, sweep_with
from seedsweep.api.episode import EpisodeId
from seedsweep.contract.consistency import Limits
from seedsweep.contract.message import Message, Outcome, TrainerInfo, encode_message
from seedsweep.contract.scrape import Expected
from seedsweep.engine.observation import Ending
from seedsweep.kube.pods.endings import ending_of
from seedsweep.kube.pods.facts import PodFacts, facts_of
from seedsweep.kube.pods.manifest import pod_manifest

Object = dict[str, Any]

EPISODE = EpisodeId(3, 7)
EXPECTED = Expected("wi3-do7", "u1", Limits(0.0, 1.0))
MESSAGE = Message(TrainerInfo("wi3-do7", "u1"), Outcome.DONE, 10, 100, 100, checkpoint=10, scores=(0.25, 0.5))
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
END = datetime(2026, 5, 4, 11, 30, tzinfo=UTC)
MEMORY = "The node was low on resource: memory."
REASON = "training diverged from its plan"


def pod(status: Object | None = None, **metadata: Any) -> Object:
    """A pod as an API server shows it."""
    found = copy.deepcopy(MANIFEST)
    found["metadata"] |= {"uid": "u1", "resourceVersion": "12", "creationTimestamp": "2026-05-04T11:00:00Z", **metadata}
    found["status"] = {"phase": "Pending", **(status or {})}
    return found


MANIFEST = pod_manifest(sweep_with(), START)


def condition(kind: str, status: str, **fields: str) -> Object:
    return {"type": kind, "status": status, "lastTransitionTime": "2026-05-04T11:00:05Z", **fields}


def container(state: Object, name: str = "trainer", **fields: Any) -> Object:
    return {"name": name, "image": "trainer:1", "state": state, **fields}


def facts(status: Object | None = None, **metadata: Any) -> PodFacts:
    found = facts_of(pod(status, **metadata))
    assert found is not None
    return found


def ended(code: int, words: str = "", cause: str = "Error", **status: Any) -> PodFacts:
    """A pod whose container has ended."""
    state = {"exitCode": code, "reason": cause, "finishedAt": "2026-05-04T11:30:00Z"}
    if words:
        state["message"] = words
    phase = "Succeeded" if code == 0 else "Failed"
    return facts({"phase": phase, "containerStatuses": [container({"terminated": state})], **status})


def said(message: Message = MESSAGE, **changes: Any) -> str:
    return encode_message(replace(message, **changes)).decode()


def ending(seen: PodFacts) -> Ending:
    found = ending_of(seen, EXPECTED, NOW)
    assert found is not None
    return found[0]
