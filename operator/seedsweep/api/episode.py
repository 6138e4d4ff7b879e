"""`Episode`: the ledger of one fine-tuning run. It outlives pods and processes."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field

from seedsweep.api.base import Distinct, Seed
from seedsweep.api.core import ObjectMeta
from seedsweep.api.early_stopping import MAX_RUNGS
from seedsweep.api.recorded import Bound, ObjectName, Recorded, Timestamp
from seedsweep.api.seeds import MAX_EPISODES

MAX_ATTEMPTS = 400
"""Of one episode, which is given up then: its record has to stay below 1 MB."""
MAX_EVALUATIONS_ON_RECORD = 1_000
"""As many as one body of metrics holds."""
MAX_FAILURE = 1_000
"""Bytes of JSON of what a failed attempt, of which there are few, says about itself."""
MAX_OUTPUT = 1_200
"""The same of the end of what it printed."""
MAX_ENDING = 300
"""The same of what one that ended otherwise says."""
MAX_DEVICE = 128
MAX_IMAGE = 300
MAX_FINGERPRINT = 128
MAX_VERDICT = 1_200
"""Bytes of JSON of a verdict's reason: a failure, and how often it was tried."""

EpisodeName = Annotated[str, Bound(64)]


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
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    """What it publishes can never count."""
    FINISHED = "Finished"


class Interruption(StrEnum):
    """What interrupted an attempt; none of it is the trainer's doing, and none spends its budget of failures."""

    PREEMPTED = "Preempted"
    """By the scheduler or its node, for a pod of higher priority."""
    PREEMPTED_BY_QUEUE = "PreemptedByQueue"
    """A queue took back what it had admitted."""
    EVICTED = "Evicted"
    """Through the API, as when a node is drained."""
    TAINTED = "Tainted"
    """Its node got a taint that it does not tolerate."""
    NODE_PRESSURE = "NodePressure"
    """Its node ran out of memory, disk or process numbers."""
    NODE_SHUTDOWN = "NodeShutdown"
    NODE_LOST = "NodeLost"
    """Its node went away, or gave no sign of life for too long."""
    NOT_ADMITTED = "NotAdmitted"
    """Its node would not have it after all."""
    POD_DEADLINE = "PodDeadline"
    """Somebody gave its pod a deadline of its own."""
    DELETED = "Deleted"
    """Somebody deleted its pod, and left no reason."""
    TERMINATED = "Terminated"
    """SIGTERM from outside, as with the notice of a spot node."""
    KILLED = "Killed"
    """SIGKILL from outside, and not for the memory that its container may have."""
    VANISHED = "Vanished"
    """Without a word."""


class Attempt(Recorded):
    """One pod or process of the episode."""

    uid: Annotated[str, Bound(64)]
    """Of the pod or process."""
    node: ObjectName | None = None
    """Where it ran."""
    device: Annotated[str, Bound(MAX_DEVICE)] | None = None
    """What it ran on."""
    image: Annotated[str, Bound(MAX_IMAGE)] | None = None
    """The container image with its digest."""
    fingerprint: Annotated[str, Bound(MAX_FINGERPRINT)] | None = None
    """Of hardware and software."""
    stop_after: int | None = None
    """Evaluation at which it was told to stop; absent: the last."""
    start_time: Timestamp | None = None
    """When it got its place (RFC 3339)."""
    completion_time: Timestamp | None = None
    """When it ended (RFC 3339)."""
    stop: StopReason | None = None
    """Set before we stop it."""
    reason: EndReason | None = None
    """Set when it ended."""
    interruption: Interruption | None = None
    """What interrupted it, where it was interrupted."""
    exit_code: int | None = None
    """Of its process."""
    message: Annotated[str, Bound(MAX_FAILURE)] = ""
    """Why it failed, in its own words, or in those of who ended it."""
    output: Annotated[str, Bound(MAX_OUTPUT)] = ""
    """The last lines that it printed, where it failed."""
    evaluations: int = 0
    """Evaluations known when it ended."""
    checkpoint: int = 0
    """Newest evaluation with a durable checkpoint."""
    diverged_at: int | None = None
    """Evaluation before which loss or weights became non-finite."""
    steps_at_start: int = 0
    """Optimizer steps of the checkpoint that it resumed from."""
    steps: int = 0
    """Optimizer steps reached; trained by this attempt: steps - stepsAtStart."""
    gpu_seconds: float = 0.0
    """Held."""


class RungScore(Recorded):
    """The score an episode is ranked by at a rung. Final: the first record wins and never changes."""

    rung: int
    """Which of its bracket's cuts, from 0."""
    evaluation: int
    """At which the rung compares."""
    score: float | None = None
    """None: every evaluation up to the rung was undefined; ranks below all numbers."""
    loss: float | None = None
    """Validation loss at the evaluation the score is from."""
    sampled: bool = False
    """Taken from samples of a gauge, not from a published curve."""


class Verdict(Recorded):
    """How the episode ended for good."""

    outcome: Literal["Finished", "LostByCut", "LostByDominance", "Failed", "Diverged"]
    """In one word."""
    rung: int | None = None
    """The rung at which it lost, or that it never reached."""
    cut: ObjectName | None = None
    """Name of the Cut it lost by."""
    dominators: Annotated[list[EpisodeName], Bound(MAX_EPISODES)] = Field(default_factory=list)
    """The episodes that outranked it, as many as the rung keeps."""
    reason: Annotated[str, Bound(MAX_VERDICT)] = ""
    """In words."""


class BestEvaluation(Recorded):
    """The earliest best evaluation among those that count."""

    about = ("evaluation",)

    score: float
    """On the validation data."""
    evaluation: int
    """Its number, from 1."""
    loss: float | None = None
    """On the validation data."""

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


class Freed(Recorded):
    """What was freed of an episode's storage."""

    about = ("attempts",)

    attempts: int
    """How many there had been by then: a later one has stored something again."""
    best_kept: bool
    """Whether its best weights stay."""


EpisodeState = Literal["Waiting", "Running", "Paused", "Trained", "Finished", "Lost", "Audited", "Failed", "Diverged"]


class EpisodeSpec(Recorded):
    """Identity, fixed at creation."""

    sweep: ObjectName
    """Name of its SeedSweep."""
    weight_init: Seed
    """Seeds the tensors that the model does not bring."""
    data_order: Seed
    """Seeds the order of the training examples."""
    index: int
    """Its place among the sweep's episodes, from 0."""
    bracket: int = 0
    """Which part of the episodes it is compared with."""
    audited: bool = False
    """Flagged before the start: runs on even if it loses."""

    @property
    def id(self) -> EpisodeId:
        """The seeds."""
        return EpisodeId(self.weight_init, self.data_order)


class EpisodeStatus(Recorded):
    """What is on record about an episode."""

    state: EpisodeState = "Waiting"
    """One word for people; the verdict and the attempts say more."""
    attempts: Annotated[list[Attempt], Bound(MAX_ATTEMPTS)] = Field(default_factory=list)
    """In the order they began."""
    rung_scores: Annotated[list[RungScore], Bound(MAX_RUNGS), Distinct(keys=("rung",))] = Field(default_factory=list)
    """In the order of the rungs."""
    scores: Annotated[list[float | None], Bound(MAX_EVALUATIONS_ON_RECORD)] = Field(default_factory=list)
    """The curve: validation score of evaluation 1, 2, ...; null where undefined."""
    losses: Annotated[list[float | None], Bound(MAX_EVALUATIONS_ON_RECORD)] = Field(default_factory=list)
    """Validation losses beside them, or empty."""
    best: BestEvaluation | None = None
    """The earliest best of the evaluations that count."""
    verdict: Verdict | None = None
    """How it ended for good; absent until it has."""
    baseline: float | None = None
    """Validation score of the constant prediction."""
    sampled: bool = False
    """Some of the curve was taken from samples of a gauge: values between two of them were missed."""
    non_deterministic: bool = False
    """A replay of recorded evaluations gave other values; the first record stands."""
    freed: Freed | None = None
    """Set once its checkpoints are no longer in the sweep's storage."""


class Episode(Recorded):
    """One fine-tuning run: a weight-init seed and a data-order seed."""

    api_version: Literal["seedsweep.io/v1alpha1"] = "seedsweep.io/v1alpha1"
    kind: Literal["Episode"] = "Episode"
    metadata: ObjectMeta
    spec: EpisodeSpec
    status: EpisodeStatus = EpisodeStatus()
