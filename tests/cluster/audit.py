"""What happened on the API server, as its own audit log tells it: the witness that tests call."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

CHUNK = 1 << 16
"""Bytes that are read at once, looking for the end of a line."""
WRITES = ["create", "update", "patch", "delete", "deletecollection"]
READS = ["get", "list", "watch"]

# The cluster's own programs: what they read is of no interest.
INSIDERS = ["kube-controller-manager", "kube-scheduler", "kwok", "kueue"]

# The first rule that fits decides. Bodies are kept only of what the operator and its pods write.
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "None", "users": ["system:apiserver", *INSIDERS], "verbs": READS},
        {"level": "None", "namespaces": ["kube-system"], "verbs": READS},
        {"level": "None", "nonResourceURLs": ["*"]},
        {
            "level": "RequestResponse",
            "verbs": WRITES,
            "resources": [{"group": "seedsweep.io"}, {"group": "", "resources": ["pods", "pods/*"]}],
        },
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One answered request. `body` is what was sent (a patch, DeleteOptions), `answer` what came back.

    Both are None where the policy keeps metadata only. `name` is the created object's where the API server made it.
    """

    at: datetime
    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    body: Mapping[str, Any] | None
    answer: Mapping[str, Any] | None


def read(log: Path, since: int = 0) -> Iterator[AuditEvent]:
    """The events after a byte position, in the order in which they were answered; a half-written line waits."""
    if not log.exists():
        return
    with log.open("rb") as file:
        file.seek(since)
        for line in file:
            if line.endswith(b"\n"):
                yield _event(json.loads(line))


def end(log: Path) -> int:
    """The byte position after the last whole line."""
    with log.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        while at > 0:
            start = max(0, at - CHUNK)
            file.seek(start)
            newline = file.read(at - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            at = start
    return 0


def _event(record: Mapping[str, Any]) -> AuditEvent:
    target = record.get("objectRef", {})
    body = _as_object(record.get("requestObject"))
    answer = _whole(record.get("responseObject"), body)
    return AuditEvent(
        at=datetime.fromisoformat(record["requestReceivedTimestamp"]),
        user=record["user"]["username"],
        verb=record["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name") or (answer or {}).get("metadata", {}).get("name", ""),
        code=record.get("responseStatus", {}).get("code", 0),
        body=body,
        answer=answer,
    )


def _as_object(asked: Mapping[str, Any] | list[Mapping[str, Any]] | None) -> Mapping[str, Any] | None:
    """What a JSON Patch sets, as an object with these parts alone; all else as it was sent."""
    if not isinstance(asked, list):
        return asked
    found: dict[str, Any] = {}
    for operation in asked:
        *parents, last = operation["path"].removeprefix("/").split("/")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = operation.get("value")
    return found


def _whole(answer: Mapping[str, Any] | None, asked: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What was written, where only its metadata was asked for: the rest is as it was sent."""
    if answer is None or asked is None or answer.get("kind") != "PartialObjectMetadata":
        return answer
    return {**asked, "metadata": answer["metadata"]}
