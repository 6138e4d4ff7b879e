"""The status of a SeedSweep: small whatever t is, a summary for people and never a trigger."""

from typing import Annotated, Literal

from pydantic import Field

from seedsweep.api.base import Count, Distinct
from seedsweep.api.core import Condition, Generation
from seedsweep.api.early_stopping import MAX_BRACKETS, MAX_RUNGS
from seedsweep.api.episode import MAX_FINGERPRINT, EpisodeName, Interruption
from seedsweep.api.provenance import Provenance
from seedsweep.api.recorded import MAX_MESSAGE, Bound, ObjectName, Recorded, Timestamp

Phase = Literal["Pending", "Running", "Suspended", "Concluding", "Complete", "Failed"]
Design = Literal["full", "cut", "cut+audit"]
Place = Annotated[str, Bound(2 * 4096)]
"""A path or URI in the storage, with the name of its claim."""
Column = Annotated[str, Bound(256)]

INVALID = "Invalid"
"""Reason of Accepted=False and Failed=True: the spec cannot be carried out, until an edit mends it."""
MAX_CONDITIONS = 32
MAX_FINGERPRINTS = 20


class EpisodeCounts(Recorded):
    """How many episodes are where; the sum is t."""

    waiting: int = 0
    """Not begun."""
    running: int = 0
    """Training."""
    paused: int = 0
    """Begun, and stopped for now."""
    trained: int = 0
    """Trained to the end, waiting for the cut."""
    finished: int = 0
    """Kept, and trained to the end."""
    lost: int = 0
    """Stopped at a rung."""
    audited: int = 0
    """Lost, and training on for the audit."""
    failed: int = 0
    """Given up."""
    diverged: int = 0
    """Loss or weights became non-finite."""


class CutSummary(Recorded):
    """A cut in the status; the whole of it is in the Cut object `ref`."""

    bracket: int
    """Which part of the episodes."""
    rung: int
    """Which of its cuts, from 0."""
    evaluation: int
    """At which it was made."""
    threshold: float | None = None
    """Score of the last one kept."""
    kept: int
    """How many go on."""
    of: int
    """How many there were."""
    ref: ObjectName
    """Name of the Cut."""


class TestScore(Recorded):
    """The winner on data that nothing was selected on."""

    metric: Annotated[str, Bound(MAX_MESSAGE)]
    """Its name."""
    score: float | None = None
    """Of the winner; absent where it is undefined on these examples."""
    n: Count
    """Examples."""
    interval: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """Lower and upper bound, over examples; absent where there is none."""
    confidence: float
    """Of the interval, such as 0.95."""
    baseline: float | None = None
    """Score of the constant prediction."""


class Best(Recorded):
    """The result: the best validation score that counts, and what it is worth."""

    about = ("episode", "evaluation")

    episode: EpisodeName
    """Its name."""
    weight_init: int
    """Its weight-init seed."""
    data_order: int
    """Its data-order seed."""
    score: float
    """On the validation data."""
    evaluation: int
    """Number of the evaluation it is from."""
    weights: Place | None = None
    """Where the weights are, loadable by from_pretrained."""
    exported: Place | None = None
    """Where spec.export has a copy."""
    test: TestScore | None = None
    baseline: float | None = None
    """Validation score of the constant prediction."""


class Cost(Recorded):
    """Optimizer steps and GPU seconds (seconds of a place where there is no GPU), each kind counted apart."""

    useful_steps: int = 0
    """Each counted once, up to where its episode ends."""
    overshoot_steps: int = 0
    """Past the rung before a loser stopped."""
    wasted_steps: int = 0
    """Trained twice, because an interruption lost them."""
    audit_steps: int = 0
    """Trained by losers for the audit."""
    planned_steps: int | None = None
    """t step(e) + p (S - step(e)), summed over rungs and brackets: what the design costs at most."""
    full_steps: int | None = None
    """t S: every episode trained fully."""
    gpu_seconds: float = 0.0
    """Held by all attempts together."""
    saved_steps: int = 0
    """Steps that lost episodes did not train, of all they would have: grows with every cut."""
    saved_gpu_seconds: float = 0.0
    """What those would have taken at the rate of those trained."""


class InterruptionCount(Recorded):
    """How often attempts of the sweep were interrupted by one kind of thing."""

    kind: Interruption
    """As the attempts in the Episodes have it."""
    attempts: int
    """How many."""


class Summary(Recorded):
    """Ready-made text for the columns of kubectl get: for people, never to be read by a program."""

    episodes: Column = ""
    """How many are where."""
    score: Column = ""
    """The best one, to four places."""
    saved: Column = ""
    """Of all steps that t full episodes would take, the share that losers did not train."""
    gpu_hours: Column = ""
    """Spent so far."""


class SweepStatus(Recorded):
    """What is known, decided and spent."""

    observed_generation: Generation | None = None
    """Of the spec that this is about."""
    phase: Phase = "Pending"
    """A summary for people; the conditions say more."""
    message: Annotated[str, Bound(MAX_MESSAGE)] = ""
    """One line for people: what happens now, or why nothing does."""
    summary: Summary = Summary()
    start_time: Timestamp | None = None
    """When the first attempt was there (RFC 3339)."""
    completion_time: Timestamp | None = None
    """When it was over (RFC 3339)."""
    suspended_seconds: float = 0.0
    """In all suspensions that are over."""
    evaluations: int | None = None
    """E, once known."""
    steps: int | None = None
    """S, once a trainer reported it."""
    parameters: int | None = None
    """Of the model, once a warm-up of the storage has counted them."""
    observed_places: int | None = None
    """Fewer GPUs than asked for were to be had; absent while none was refused."""
    design: Design = "full"
    """What statistics this record can carry."""
    counts: EpisodeCounts = EpisodeCounts()
    conditions: Annotated[list[Condition], Bound(MAX_CONDITIONS), Distinct(keys=("type",))] = Field(
        default_factory=list
    )
    """What holds, since when and why."""
    cuts: Annotated[list[CutSummary], Bound(MAX_BRACKETS * MAX_RUNGS), Distinct(keys=("bracket", "rung"))] = Field(
        default_factory=list
    )
    """The decisions so far."""
    interruptions: Annotated[list[InterruptionCount], Bound(100), Distinct(keys=("kind",))] = Field(
        default_factory=list
    )
    """What interrupted attempts, which were then started again."""
    best: Best | None = None
    cost: Cost = Cost()
    data_digest: Annotated[str, Bound(MAX_FINGERPRINT)] | None = None
    """Hash of the data, as the trainers report it."""
    provenance: Provenance | None = None
    """Of our own trainer: what all episodes started from."""
    live_key: Annotated[str, Bound(64)] | None = None
    """Word that the operator's live view asks for: whoever may read this sweep may see it live. Only while it is under
    way; another one after every start of the operator."""
    fingerprints: Annotated[list[Annotated[str, Bound(MAX_FINGERPRINT)]], Bound(MAX_FINGERPRINTS)] = Field(
        default_factory=list
    )
    """Kinds of hardware and software that trained; more than one casts doubt on comparisons."""

    def condition(self, type_: str) -> Condition | None:
        """The condition of this type, if it was ever set."""
        return next((c for c in self.conditions if c.type == type_), None)

    @property
    def rejected(self) -> bool:
        """Whether its spec was found invalid: that is an end which an edit may undo."""
        accepted = self.condition("Accepted")
        return accepted is not None and accepted.status == "False"

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return self.completion_time is not None and not self.rejected

    @property
    def handed_over(self) -> bool:
        """Whether the winner is where it stays, or there is none."""
        return self.over or (self.best is not None and self.best.weights is not None)
