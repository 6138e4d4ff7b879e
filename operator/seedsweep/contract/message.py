"""The termination message: what a pod that is gone still tells, and how it is packed into 4 kB."""

import base64
import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.contract.foreign import mapping, parse_json, recordable, shown, whole
from seedsweep.contract.protocol import CONTRACT_VERSION, MAX_STEPS

MESSAGE_BYTES = 4096
"""What Kubernetes keeps of a termination message; the rest would be cut off."""
MAX_REASON = 1_000
"""Characters of a message's reason that are kept."""


class Outcome(StrEnum):
    """How far an attempt has come, as its message says."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """Ended after the stop-after evaluation, with a checkpoint where there is storage."""
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    """Ended by SIGTERM."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TrainerInfo:
    """Who publishes and under what conditions; the labels of the info metric."""

    episode: str
    uid: str
    contract: str = str(CONTRACT_VERSION)
    level: str = "L1"
    """L1 the whole curve; L2 honours stop-after and resumes; L3 separate seeds, bit-exact."""
    fingerprint: str = ""
    """Digest of device model, threads, versions, dtype and eager or compiled: equal means bit-comparable."""
    data: str = ""
    """Digest of the examples trained and validated on."""
    initialization: str = ""
    """Digest of the freshly initialised tensors."""
    provenance: str = ""
    """Of our own trainer: the data and weights that it starts from (seedsweep.api.provenance)."""


@dataclass(frozen=True, slots=True)
class Message:
    """What an attempt tells. Scores are float32, as published."""

    info: TrainerInfo
    outcome: Outcome
    evaluations_planned: int
    steps_done: int
    steps_planned: int
    steps_at_start: int = 0
    checkpoint: int = 0
    diverged_at: int | None = None
    """The evaluation that was due next when the loss or the weights became non-finite."""
    baseline: float | None = None
    scores: tuple[float, ...] = field(default=())
    """Score of evaluation 1, 2, ...; NaN where undefined."""
    losses: tuple[float, ...] | None = None
    reason: str = ""
    """For people: why it failed and what to change."""
    baseline_error: float | None = None
    """Standard error of the baseline, over draws of as many validation examples."""


_OPTIONAL: Mapping[str, Any] = {
    "steps_at_start": 0,
    "checkpoint": 0,
    "diverged_at": None,
    "baseline": None,
    "baseline_error": None,
    "losses": None,
    "reason": "",
}


class MessageError(ValueError):
    """A termination message is whole, but holds what it must not; the message says what."""


def as_published(score: float) -> float:
    """Round to float32, the precision of every channel, so that all agree exactly.

    Of the doubles that are this float32, it is the one with the fewest digits: 0.655 stays 0.655.

    Raises:
        ValueError: too large for a float32.
    """
    try:
        if not math.isfinite(score):
            return math.nan
        packed = struct.pack("<f", float(score))
    except OverflowError:
        raise ValueError(f"{shown(score)} does not fit a float32, whose largest number is 3.4e38") from None
    single: float = struct.unpack("<f", packed)[0]
    # Nine digits tell all float32 apart.
    candidates = (float(f"{single:.{digits}g}") for digits in range(6, 10))
    return next(value for value in candidates if struct.pack("<f", value) == packed)


def encode_message(message: Message) -> bytes:
    """Compact JSON behind an 8-digit checksum.

    It fits into MESSAGE_BYTES for MAX_EVALUATIONS and ASCII labels: first `reason` is shortened, then losses are left
    out.
    """
    fields = asdict(message)
    fields["scores"] = _pack(message.scores)
    fields["losses"] = None if message.losses is None else _pack(message.losses)
    reason = recordable(message.reason, MAX_REASON)
    while True:
        fields["reason"] = reason
        body = json.dumps(fields, separators=(",", ":"))
        encoded = f"{_digest(body)} {body}\n".encode()
        if len(encoded) <= MESSAGE_BYTES or not (reason or fields["losses"]):
            return encoded
        if reason:
            reason = reason[: len(reason) // 2]
        else:
            fields["losses"] = None


def decode_message(text: str) -> Message | None:
    """The message, or None for what is not whole: a file half written, another program's last words.

    Raises:
        MessageError: it is whole, but no trainer may say this. A checksum does not vouch for what it covers.
    """
    checksum, _, body = text.strip().partition(" ")
    if len(text) > MESSAGE_BYTES or checksum != _digest(body):
        return None
    try:
        fields = parse_json(body)
    except ValueError:
        raise MessageError("behind its checksum is no JSON") from None
    if not isinstance(fields, dict):
        raise MessageError(f"behind its checksum is {shown(fields)} instead of an object")
    fields = {**_OPTIONAL, **fields}
    scores = _curve(fields, "scores")
    losses = _curve(fields, "losses") if fields["losses"] is not None else None
    if losses is not None and len(losses) != len(scores):
        raise MessageError(f"{len(scores)} scores but {len(losses)} losses: give a loss for each or none")
    return Message(
        info=_info(fields),
        outcome=_outcome(fields),
        evaluations_planned=_count(fields, "evaluations_planned", MAX_EVALUATIONS),
        steps_done=_count(fields, "steps_done", MAX_STEPS),
        steps_planned=_count(fields, "steps_planned", MAX_STEPS),
        steps_at_start=_count(fields, "steps_at_start", MAX_STEPS),
        checkpoint=_count(fields, "checkpoint", MAX_EVALUATIONS),
        diverged_at=_count(fields, "diverged_at", MAX_EVALUATIONS + 1) if fields["diverged_at"] is not None else None,
        baseline=_score(fields, "baseline"),
        baseline_error=_score(fields, "baseline_error"),
        scores=scores,
        losses=losses,
        reason=_text(fields, "reason")[:MAX_REASON],
    )


def _pack(values: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode(errors="replace")).hexdigest()[:8]


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = _given(fields, name)
    if not isinstance(value, str):
        raise MessageError(f"{name} is {shown(value)}, not a text")
    return recordable(value, MESSAGE_BYTES)


def _count(fields: Mapping[str, Any], name: str, most: int) -> int:
    value = _given(fields, name)
    found = whole(value, 0, most)
    if found is None:
        raise MessageError(f"{name} is {shown(value)}, not a whole number from 0 to {most}")
    return found


def _given(fields: Mapping[str, Any], name: str) -> object:
    if name not in fields:
        raise MessageError(f"there is no {name}")
    return fields[name]


def _curve(fields: Mapping[str, Any], name: str) -> tuple[float, ...]:
    text = _text(fields, name)
    try:
        raw = base64.b64decode(text, validate=True)
        values = struct.unpack(f"<{len(raw) // 4}f", raw)
    except (ValueError, struct.error):
        raise MessageError(f"{name} is not the base64 of little-endian float32") from None
    if len(values) > MAX_EVALUATIONS:
        raise MessageError(f"{len(values)} {name} are more than the {MAX_EVALUATIONS} evaluations of an episode")
    return tuple(map(as_published, values))


def _score(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields[name]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MessageError(f"{name} is {shown(value)}, not a number")
    try:
        return as_published(value)
    except ValueError as error:
        raise MessageError(f"{name}: {error}") from None


def _outcome(fields: Mapping[str, Any]) -> Outcome:
    text = _text(fields, "outcome")
    try:
        return Outcome(text)
    except ValueError:
        raise MessageError(f"outcome is {shown(text)}, none of {', '.join(Outcome)}") from None


def _info(fields: Mapping[str, Any]) -> TrainerInfo:
    given = mapping(fields.get("info"))
    known = {name: _text(given, name) for name in TrainerInfo.__dataclass_fields__ if name in given}
    return TrainerInfo(**{"episode": "", "uid": "", **known})
