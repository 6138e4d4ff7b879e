"""`Episode`: the ledger of one fine-tuning run. It outlives pods and processes."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, NamedTuple, Self

from pydantic import Field

from seedsweep.api.base import ApiModel, Seed
from seedsweep.api.core import ObjectMeta


class EpisodeId(NamedTuple):
    """The seeds of an episode, which are its identity."""

    weight_init: int
    data_order: int

    @property
    def name(self) -> str:
        """The episode's name in paths, labels and pod names."""
        return f"wi{self.weight_init}-do{self.data_order}"


class EndReason(StrEnum):
    """Why an attempt ended."""

    DONE = "Done"
    STOPPED_AT_RUNG = "StoppedAtRung"
    DIVERGED = "Diverged"
    BAD_CONFIGURATION = "BadConfiguration"
    OUT_OF_MEMORY = "OutOfMemory"
    FAILED = "Failed"
    STUCK = "Stuck"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    """A clean end that left no score behind."""
    INTERRUPTED = "Interrupted"
    """Preempted, evicted, drained, its node lost, or vanished without a word."""
    STOPPED = "Stopped"
    """By us: its `stop` says why."""


class StopReason(StrEnum):
    """Why we stop an attempt: every deletion cites one of these, recorded before it."""

    CUT = "Cut"
    DOMINATED = "Dominated"
    PAUSED = "Paused"
    SUSPENDED = "Suspended"
    DEADLINE = "Deadline"
    STUCK = "Stuck"
    NODE_LOST = "NodeLost"
    FINISHED = "Finished"


class Attempt(ApiModel):
    """One pod or process of the episode."""

    uid: str
    node: str | None = None
    device: str | None = None
    image: str | None = None
    fingerprint: str | None = None
    stop_after: int | None = None
    started: str | None = None
    """When it got its place (RFC 3339)."""
    ended: str | None = None
    stop: StopReason | None = None
    """Set before we stop it."""
    reason: EndReason | None = None
    """Set when it ended."""
    exit_code: int | None = None
    message: str = ""
    """Why it failed, in its own words."""
    evaluations: int = 0
    """Evaluations known when it ended."""
    checkpoint: int = 0
    """Newest evaluation with a durable checkpoint."""
    diverged_at: int | None = None
    steps_at_start: int = 0
    steps: int = 0
    """Optimizer steps reached; trained by this attempt: steps - stepsAtStart."""
    gpu_seconds: float = 0.0


class RungScore(ApiModel):
    """The score an episode is ranked by at a rung. Final: the first record wins and never changes."""

    rung: int
    evaluation: int
    score: float | None = None
    """None: every evaluation up to the rung was undefined; ranks below all numbers."""
    loss: float | None = None
    """Validation loss at the evaluation the score is from."""
    sampled: bool = False
    """Taken from samples of a gauge, not from a published curve."""


class Verdict(ApiModel):
    """How the episode ended for good."""

    outcome: Literal["Finished", "LostByCut", "LostByDominance", "Failed", "Diverged"]
    rung: int | None = None
    """The rung at which it lost, or that it never reached."""
    cut: str | None = None
    dominators: list[str] = Field(default_factory=list)
    """The episodes that outranked it, as many as the rung keeps."""
    reason: str = ""


class BestEvaluation(ApiModel):
    """The earliest best evaluation among those that count."""

    score: float
    evaluation: int
    loss: float | None = None

    @classmethod
    def of(
        cls, scores: Sequence[float | None], losses: Sequence[float | None], upto: int, *, maximize: bool
    ) -> Self | None:
        """Of evaluations 1..upto of a curve; None where all are undefined or there are none."""
        best: int | None = None
        champion: float | None = None
        for i, score in enumerate(scores[:upto]):
            if score is None:
                continue
            if champion is None or (score > champion if maximize else score < champion):
                best, champion = i, score
        if best is None or champion is None:
            return None
        return cls(score=champion, evaluation=best + 1, loss=losses[best] if best < len(losses) else None)


EpisodeState = Literal["Waiting", "Running", "Paused", "Finished", "Lost", "Audited", "Failed", "Diverged"]


class EpisodeSpec(ApiModel):
    """Identity, fixed at creation."""

    sweep: str
    weight_init: Seed
    data_order: Seed
    index: int
    bracket: int = 0
    audited: bool = False
    """Flagged before the start: runs on even if it loses."""

    @property
    def id(self) -> EpisodeId:
        """The seeds."""
        return EpisodeId(self.weight_init, self.data_order)


class EpisodeStatus(ApiModel):
    """What is on record about an episode."""

    state: EpisodeState = "Waiting"
    attempts: list[Attempt] = Field(default_factory=list)
    rung_scores: list[RungScore] = Field(default_factory=list)
    scores: list[float | None] = Field(default_factory=list)
    """The curve: validation score of evaluation 1, 2, ...; null where undefined."""
    losses: list[float | None] = Field(default_factory=list)
    """Validation losses beside them, or empty."""
    best: BestEvaluation | None = None
    verdict: Verdict | None = None
    baseline: float | None = None
    non_deterministic: bool = False
    """A replay of recorded evaluations gave other values; the first record stands."""


class Episode(ApiModel):
    """One fine-tuning run: a weight-init seed and a data-order seed."""

    api_version: Literal["seedsweep.io/v1alpha1"] = "seedsweep.io/v1alpha1"
    kind: Literal["Episode"] = "Episode"
    metadata: ObjectMeta
    spec: EpisodeSpec
    status: EpisodeStatus = EpisodeStatus()
