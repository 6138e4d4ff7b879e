"""`Episode`: the ledger of one fine-tuning run. It outlives pods and processes."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field

from seedsweep.api.base import Distinct, Seed
from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.early_stopping import MAX_RUNGS
from seedsweep.api.recorded import Bound, ObjectName, Recorded, Timestamp

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
MAX_DOMINATORS = 32
"""Named by each verdict: in a large sweep most episodes have one, and a rung may keep thousands."""
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
    FLOOR = "Floor"
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
    """UID of the pod, or of the process on one machine."""
    node: ObjectName | None = None
    """Name of the node where the attempt ran. Absent: it was never scheduled, or ran on one machine."""
    device: Annotated[str, Bound(MAX_DEVICE)] | None = None
    """Name of the device that the attempt ran on, such as a GPU. Absent: not reported."""
    image: Annotated[str, Bound(MAX_IMAGE)] | None = None
    """Container image of the attempt, with its digest. Absent: not known."""
    fingerprint: Annotated[str, Bound(MAX_FINGERPRINT)] | None = None
    """Fingerprint of the attempt's hardware and software: equal fingerprints compute the same. Absent: not reported."""
    stop_after: int | None = None
    """Number of the evaluation after which the attempt was told to stop. Absent: the last."""
    start_time: Timestamp | None = None
    """Time at which the attempt got its place (RFC 3339). Absent: it has none yet."""
    completion_time: Timestamp | None = None
    """Time at which the attempt ended (RFC 3339). Absent: it is running."""
    stop: StopReason | None = None
    """Why SeedSweep stops the attempt, recorded before it does. Absent: it is not stopped."""
    reason: EndReason | None = None
    """Why the attempt ended, in one word. Absent: it is running."""
    interruption: Interruption | None = None
    """Kind of the interruption of the attempt, in one word. Absent: it was not interrupted."""
    exit_code: int | None = None
    """Exit code of the trainer's process. Absent: none is known."""
    message: Annotated[str, Bound(MAX_FAILURE)] = ""
    """Why the attempt failed, as reported by the trainer or by what ended it; after a clean end, what is missing."""
    output: Annotated[str, Bound(MAX_OUTPUT)] = ""
    """The last lines that the trainer printed, if it failed."""
    evaluations: int = 0
    """Number of evaluations that were known when the attempt ended."""
    checkpoint: int = 0
    """Number of the newest evaluation with a durable checkpoint; 0 if there is none."""
    diverged_at: int | None = None
    """Number of the evaluation before which loss or weights became non-finite. Absent: they did not."""
    steps_at_start: int = 0
    """Number of optimizer steps in the checkpoint that the attempt resumed from."""
    steps: int = 0
    """Number of optimizer steps that the attempt reached; it trained steps - stepsAtStart of them itself."""
    gpu_seconds: float = 0.0
    """GPU seconds that the attempt held; seconds of a place if there is no GPU."""


class RungScore(Recorded):
    """The score of an episode at a rung or a floor. Final: the first record wins and never changes."""

    rung: int
    """Number of the rung within the episode's bracket, from 0. A floor is number 0, and a rung beside it number 1."""
    evaluation: int
    """Number of the evaluation at which the rung compares, from 1."""
    score: float | None = None
    """Score that the episode is ranked by. Absent: every evaluation up to the rung was undefined, which ranks below all
    numbers."""
    loss: float | None = None
    """Validation loss at the evaluation that the score is from. Absent: not reported."""
    sampled: bool = False
    """Whether the score was taken from samples of a gauge, and not from a published curve."""


class Fall(Recorded):
    """Why an episode fell below the floor: its score there, and what it had to beat."""

    score: float | None = None
    """Score of the episode at the floor. Absent: every evaluation up to there was undefined."""
    baseline: float
    """Validation score of a constant prediction, as the trainer published it."""
    standard_error: float
    """Standard error of the baseline over draws of as many validation examples, as the trainer published it."""
    margin: Annotated[str, Bound(32)]
    """Number of standard errors by which the score had to be better than the baseline."""


class Verdict(Recorded):
    """How the episode ended for good."""

    outcome: Literal["Finished", "LostByCut", "LostByDominance", "LostByFloor", "Failed", "Diverged"]
    """How the episode ended, in one word."""
    rung: int | None = None
    """Number of the rung at which the episode lost, or that it never reached, from 0; a floor is number 0, and a rung
    beside it number 1. Absent: it trained to the end."""
    cut: ObjectName | None = None
    """Name of the Cut by which the episode lost. Absent: it did not lose by a cut."""
    dominators: Annotated[list[EpisodeName], Bound(MAX_DOMINATORS)] = Field(default_factory=list)
    """Names of the episodes that outranked it, as many as the rung keeps; of more than 32, the 32 lowest."""
    fall: Fall | None = None
    """What the episode was compared with at the floor. Absent: it did not fall below one."""
    reason: Annotated[str, Bound(MAX_VERDICT)] = ""
    """How the episode ended, in words for people."""


class BestEvaluation(Recorded):
    """The earliest best evaluation among those that count."""

    about = ("evaluation",)

    score: float
    """Validation score of the evaluation."""
    evaluation: int
    """Number of the evaluation, from 1."""
    loss: float | None = None
    """Validation loss of the evaluation. Absent: not reported."""
    lost: float | None = None
    """Score of the best evaluation on record, where no weights with that score are stored: a replay gave another one,
    or they were lost with their attempt. Then this is the best evaluation whose weights are stored, by their own score.
    Absent: this is the best evaluation on record."""

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
    """Which parts of an episode's storage were freed."""

    about = ("attempts",)

    attempts: int
    """Number of attempts when the storage was freed: a later one has stored something again."""
    best_kept: bool
    """Whether the best weights of the episode stay in the storage."""


EpisodeState = Literal["Waiting", "Running", "Paused", "Trained", "Finished", "Lost", "Audited", "Failed", "Diverged"]


class EpisodeSpec(Recorded):
    """Identity, fixed at creation."""

    sweep: ObjectName
    """Name of the SeedSweep that the episode belongs to."""
    weight_init: Seed
    """Weight-init seed: it seeds the tensors that the model does not bring."""
    data_order: Seed
    """Data-order seed: it seeds the order of the training examples."""
    index: int
    """Index of the episode among those that the sweep had when this record was made, from 0."""
    bracket: int = 0
    """Number of the bracket whose episodes it is compared with, from 0."""
    audited: bool = False
    """Whether the episode was selected before the start to train on even if it loses."""

    @property
    def id(self) -> EpisodeId:
        """The seeds."""
        return EpisodeId(self.weight_init, self.data_order)


class EpisodeStatus(Recorded):
    """What is on record about an episode."""

    state: EpisodeState = "Waiting"
    """State of the episode in one word, for people: programs read the verdict and the attempts."""
    attempts: Annotated[list[Attempt], Bound(MAX_ATTEMPTS)] = Field(default_factory=list)
    """The pods or processes of the episode, in the order in which they began."""
    rung_scores: Annotated[list[RungScore], Bound(MAX_RUNGS), Distinct(keys=("rung",))] = Field(default_factory=list)
    """The scores that the episode is ranked by, in the order of the rungs."""
    scores: Annotated[list[float | None], Bound(MAX_EVALUATIONS_ON_RECORD)] = Field(default_factory=list)
    """The curve: validation scores of evaluations 1, 2, and so on; null where undefined."""
    losses: Annotated[list[float | None], Bound(MAX_EVALUATIONS_ON_RECORD)] = Field(default_factory=list)
    """Validation losses of evaluations 1, 2, and so on; null where undefined. Empty: the trainer reports none."""
    best: BestEvaluation | None = None
    """The earliest best evaluation of those that count. Absent: there is none yet."""
    verdict: Verdict | None = None
    """How the episode ended for good. Absent: it has not."""
    baseline: float | None = None
    """Validation score of a constant prediction. Absent: not reported."""
    baseline_error: float | None = None
    """Standard error of the baseline over draws of as many validation examples. Absent: not reported."""
    initialization: Annotated[str, Bound(MAX_FINGERPRINT)] | None = None
    """Digest of the tensors that the weight-init seed drew, before the first step. Equal digests of two
    episodes show that both began with the same new tensors. Absent: none was drawn, or not reported."""
    sampled: bool = False
    """Whether some of the curve was taken from samples of a gauge, so that values between two of them were missed."""
    non_deterministic: bool = False
    """Whether repeating recorded evaluations gave other values. The first record counts."""
    freed: Freed | None = None
    """Which parts of the episode's storage were freed. Absent: its checkpoints still exist."""


class Episode(Recorded):
    """One fine-tuning run: a weight-init seed and a data-order seed."""

    api_version: Literal["seedsweep.io/v1alpha1"] = "seedsweep.io/v1alpha1"
    kind: Literal["Episode"] = "Episode"
    metadata: ObjectMeta
    spec: EpisodeSpec
    """Seeds of the episode and its place in the sweep, fixed at its creation."""
    status: EpisodeStatus = EpisodeStatus()
    """The record of the episode. It only grows."""
