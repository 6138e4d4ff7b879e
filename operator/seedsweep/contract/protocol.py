"""What a trainer and SeedSweep agree on, version 1: names, exit codes and the termination message.

Both sides read these names from here. docs/trainer-contract.md explains them to trainers in any language.
"""

import base64
import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from seedsweep.api.finetuning import MAX_EVALUATIONS
from seedsweep.contract.foreign import mapping, parse_json, recordable, shown, whole

CONTRACT_VERSION = 1
DEFAULT_METRICS_PORT = 9400
DEFAULT_TERMINATION_LOG = "/dev/termination-log"
MESSAGE_BYTES = 4096
"""What Kubernetes keeps of a termination message; the rest would be cut off."""
MAX_STEPS = 10**12
"""Optimizer steps of an episode."""
MAX_LABEL = 256
"""Characters of each text in TrainerInfo."""
MAX_REASON = 1_000
"""Characters of a message's reason that are kept."""


class Env(StrEnum):
    """Environment variables that an attempt starts with."""

    CONTRACT = "SEEDSWEEP_CONTRACT"
    EPISODE = "SEEDSWEEP_EPISODE"
    ATTEMPT_UID = "SEEDSWEEP_ATTEMPT_UID"
    WEIGHT_INIT_SEED = "SEEDSWEEP_WEIGHT_INIT_SEED"
    DATA_ORDER_SEED = "SEEDSWEEP_DATA_ORDER_SEED"
    SEED = "SEEDSWEEP_SEED"
    """One seed for everything, for scripts with a single --seed: set where the sweep's seeds are `single`."""
    RUNGS = "SEEDSWEEP_RUNGS"
    """Evaluations at which a cut is made, comma-separated, 1-based; empty without early stopping."""
    STOP_AFTER = "SEEDSWEEP_STOP_AFTER"
    """Checkpoint and exit 0 after this evaluation; absent: run to the end."""
    WORK_DIR = "SEEDSWEEP_WORK_DIR"
    """A folder of this attempt alone, for its result and log."""
    CHECKPOINT_DIR = "SEEDSWEEP_CHECKPOINT_DIR"
    """The episode's folder, a path or an fsspec URI, one subfolder per attempt UID; absent: nothing outlives the
    attempt."""
    STORAGE_DIR = "SEEDSWEEP_STORAGE_DIR"
    """The sweep's folder in its storage, a path or an fsspec URI: episodes' folders, best/ and cache/ lie in it."""
    TASK = "SEEDSWEEP_TASK"
    """JSON: what a housekeeping pod is to do (seedsweep.api.housekeeping)."""
    METRICS_HOST = "SEEDSWEEP_METRICS_HOST"
    METRICS_PORT = "SEEDSWEEP_METRICS_PORT"
    CONFIG = "SEEDSWEEP_CONFIG"
    """JSON: `spec.trainer.fineTuning`, or the `config` of a trainer of one's own."""
    METRIC = "SEEDSWEEP_METRIC"
    """JSON: name, goal and range of the metric that ranks episodes; absent where the trainer knows it by its data."""
    TERMINATION_LOG = "SEEDSWEEP_TERMINATION_LOG"


class MetricName(StrEnum):
    """Names on /metrics (Prometheus text format), all gauges."""

    SCORE = "seedsweep_validation_score"
    EVALUATIONS_DONE = "seedsweep_evaluations_done"
    EVALUATIONS_PLANNED = "seedsweep_evaluations_planned"
    CURVE_SCORE = "seedsweep_evaluation_score"
    """The whole curve, a sample per evaluation labelled evaluation="1".."E"; NaN where undefined."""
    CURVE_LOSS = "seedsweep_evaluation_loss"
    """Validation loss per evaluation, the first tie-breaker; all of them or none."""
    CHECKPOINT = "seedsweep_checkpoint_evaluation"
    """Newest evaluation whose checkpoint is complete and durable; 0 without one."""
    STEPS_DONE = "seedsweep_steps_done"
    STEPS_PLANNED = "seedsweep_steps_planned"
    STEPS_AT_START = "seedsweep_steps_at_start"
    """The optimizer step this attempt resumed at; 0 for a fresh start."""
    BASELINE = "seedsweep_baseline_score"
    """Score of always answering the majority class (or the mean)."""
    INFO = "seedsweep_trainer_info"
    """1, with the labels of TrainerInfo."""


class ExitCode(IntEnum):
    """Clear of 1, 2 and 126 to 165, which shells, Python and signals use."""

    OK = 0
    """Done, stopped after the asked evaluation, or diverged: the message says which."""
    BAD_CONFIGURATION = 78
    OUT_OF_MEMORY = 79


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
    """The termination message: what a pod that is gone still tells. Scores are float32, as published."""

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


_OPTIONAL: Mapping[str, Any] = {
    "steps_at_start": 0,
    "checkpoint": 0,
    "diverged_at": None,
    "baseline": None,
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
        baseline=_baseline(fields),
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


def _baseline(fields: Mapping[str, Any]) -> float | None:
    value = fields["baseline"]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MessageError(f"baseline is {shown(value)}, not a number")
    try:
        return as_published(value)
    except ValueError as error:
        raise MessageError(f"baseline: {error}") from None


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
