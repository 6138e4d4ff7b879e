"""The status of a SeedSweep: small whatever t is, a summary for people and never a trigger."""

from typing import Annotated, Literal

from pydantic import Field

from seedsweep.api.base import Count, Distinct
from seedsweep.api.core.objects import Condition, Generation
from seedsweep.api.early_stopping import MAX_BRACKETS, MAX_MEMBERS, MAX_RUNGS
from seedsweep.api.episode import MAX_FINGERPRINT, EpisodeName, Interruption
from seedsweep.api.provenance import Provenance
from seedsweep.api.recorded import MAX_MESSAGE, Bound, ObjectName, Recorded, Timestamp

Phase = Literal["Pending", "Running", "Suspended", "Concluding", "Complete", "Failed"]
Design = Literal["full", "cut", "cut+audit", "floor", "floor+cut"]
Place = Annotated[str, Bound(2 * 4096)]
"""A path or URI in the storage, with the name of its claim."""
Column = Annotated[str, Bound(256)]

INVALID = "Invalid"
"""Reason of Accepted=False and Failed=True: the spec cannot be carried out, until an edit mends it."""
HAND_OVER_FAILED = "HandOverFailed"
"""The one failure that is not for ever: the winner stands, and its hand-over can be tried again."""
MAX_CONDITIONS = 32
MAX_FINGERPRINTS = 20


class EpisodeCounts(Recorded):
    """Number of episodes in each state; the sum is t."""

    waiting: int = 0
    """Number of episodes that have not begun."""
    running: int = 0
    """Number of episodes that are training."""
    paused: int = 0
    """Number of episodes that have begun and are stopped for now."""
    trained: int = 0
    """Number of episodes that have trained to the end and wait for the cut."""
    finished: int = 0
    """Number of episodes that were kept and have trained to the end."""
    lost: int = 0
    """Number of episodes that were stopped at a rung, or are outranked there since the sweep got more seeds."""
    audited: int = 0
    """Number of episodes that have lost and train on for the audit."""
    failed: int = 0
    """Number of episodes that were given up."""
    diverged: int = 0
    """Number of episodes whose loss or weights became non-finite."""
    unused: int = 0
    """Number of episodes that the budget did not pay for. They never began."""


class CutSummary(Recorded):
    """A cut in the status; the whole of it is in the Cut object `ref`."""

    bracket: int
    """Number of the bracket that was cut, from 0."""
    rung: int
    """Number of the rung within its bracket, from 0; beside a floor, 1."""
    evaluation: int
    """Number of the evaluation at which the episodes were compared, from 1."""
    threshold: float | None = None
    """Score of the last episode that was kept. Absent: it has no defined score."""
    kept: int
    """Number of episodes that train on."""
    of: int
    """Number of episodes before the cut."""
    ref: ObjectName
    """Name of the Cut object, which has the ranked scores."""


class TestScore(Recorded):
    """Score of the model that was handed over, on data that were not used for selection."""

    metric: Annotated[str, Bound(MAX_MESSAGE)]
    """Name of the metric of the test score."""
    score: float | None = None
    """Score on the test set. Absent: undefined on these examples."""
    n: Count
    """Number of examples in the test set."""
    interval: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """Lower and upper bound of the score, by resampling the test examples. Absent: there is no interval for the metric,
    or no score."""
    confidence: float
    """Confidence of the interval as a share, such as 0.95."""
    baseline: float | None = None
    """Score of a constant prediction on the test set. Absent: not known."""


class Average(Recorded):
    """The average of the survivors' best weights, if spec.result asks for it."""

    members: Count
    """Number of survivors whose weights are averaged."""
    episodes: Annotated[list[EpisodeName], Bound(MAX_MEMBERS)] = Field(default_factory=list)
    """Names of these survivors. Absent: there are more than an average takes."""
    score: float | None = None
    """Score of the average on the validation data. Absent: no average was made, or its score is undefined."""
    members_score: float | None = None
    """Mean score of the members on the validation data. Absent: no average was made."""
    handed_over: bool = False
    """Whether the average was handed over, instead of the winner."""
    reason: Annotated[str, Bound(MAX_MESSAGE)] = ""
    """Why the winner was handed over instead of the average, for people. Empty: the average was handed over."""


class Best(Recorded):
    """The result: the best validation score that counts, with its test score."""

    about = ("episode", "evaluation")

    episode: EpisodeName
    """Name of the winning episode, wiI-doJ from its seeds."""
    weight_init: int
    """Weight-init seed of the winning episode."""
    data_order: int
    """Data-order seed of the winning episode."""
    score: float
    """Score of the winning episode on the validation data."""
    evaluation: int
    """Number of the evaluation that the score is from, from 1."""
    lost: float | None = None
    """Better recorded score of the winning episode that no stored weights reproduce. Absent: there is none."""
    average: Average | None = None
    """Result of the average that spec.result asks for. Absent: none was asked for, or nothing is handed over yet."""
    weights: Place | None = None
    """Location of the weights that were handed over, the winner's or the average: a path or URI for from_pretrained.
    Absent: not handed over."""
    exported: Place | None = None
    """Location of the copy that spec.export asks for. Absent: none was made."""
    test: TestScore | None = None
    """Test score of the model that was handed over. Absent: there is no test set, or it is not scored yet."""
    baseline: float | None = None
    """Score of a constant prediction on the validation data. Absent: not known."""

    @property
    def is_average(self) -> bool:
        """Whether an average was handed over, which the test score is of, and not the winner."""
        return self.average is not None and self.average.handed_over


class Cost(Recorded):
    """Optimizer steps and GPU seconds (seconds of a place if there is no GPU), each kind counted separately."""

    useful_steps: int = 0
    """Number of optimizer steps that count, each once, up to where its episode ends."""
    overshoot_steps: int = 0
    """Number of optimizer steps past the rung that losers trained before they stopped."""
    wasted_steps: int = 0
    """Number of optimizer steps that were trained again because an interruption lost them."""
    audit_steps: int = 0
    """Number of optimizer steps that losers trained for the audit."""
    planned_steps: int | None = None
    """Number of optimizer steps that the design costs at most: t step(e) + p (S - step(e)), summed over rungs and
    brackets; B S with a floor. Absent: not known yet."""
    full_steps: int | None = None
    """Number of optimizer steps if every episode trained to the end, t S, without those that a budget does not pay for.
    Absent: not known yet."""
    gpu_seconds: float = 0.0
    """GPU seconds that all attempts have held in total; seconds of a place if there is no GPU."""
    saved_steps: int = 0
    """Number of optimizer steps that losers did not train."""
    saved_gpu_seconds: float = 0.0
    """GPU seconds that the saved steps would have taken at the rate of those that were trained."""

    @property
    def net_saved_steps(self) -> int:
        """Steps saved, less those that were trained again; negative where interruptions cost more."""
        return self.saved_steps - self.wasted_steps


class InterruptionCount(Recorded):
    """How often attempts of the sweep had one kind of interruption."""

    kind: Interruption
    """Kind of the interruption, in one word, as in Episodes."""
    attempts: int
    """Number of attempts with this kind of interruption."""


class Summary(Recorded):
    """Ready-made text for the columns of kubectl get: for people, never to be read by a program."""

    episodes: Column = ""
    """Number of episodes in each state, as text."""
    score: Column = ""
    """Best validation score so far, to four places, as text."""
    saved: Column = ""
    """Share of all steps that losers did not train, less those trained again, as text in percent."""
    gpu_hours: Column = ""
    """GPU hours that all attempts have held so far, as text."""


class SweepStatus(Recorded):
    """Observations, decisions and costs so far."""

    observed_generation: Generation | None = None
    """The metadata.generation of the spec that this status is about."""
    phase: Phase = "Pending"
    """Summary in one word, for people: programs read the conditions."""
    message: Annotated[str, Bound(MAX_MESSAGE)] = ""
    """What is happening now, or why nothing is, in one line for people."""
    summary: Summary = Summary()
    """Ready-made text for the columns of kubectl get, for people and not for programs."""
    start_time: Timestamp | None = None
    """Time at which the first attempt started (RFC 3339). Absent: there was none yet."""
    completion_time: Timestamp | None = None
    """Time at which the sweep was over, or was rejected (RFC 3339). Absent: it goes on."""
    suspended_seconds: float = 0.0
    """Seconds that the sweep has been suspended, over all past suspensions, and seconds that it was over before it got
    more seeds."""
    evaluations: int | None = None
    """Number E of evaluations of a full episode. Absent: not known yet."""
    steps: int | None = None
    """Number S of optimizer steps of a full episode. Absent: not known yet."""
    parameters: int | None = None
    """Number of parameters of the model. Absent: not counted yet."""
    observed_places: int | None = None
    """Number of available GPUs, if fewer than requested. Absent: no pod was left without one."""
    design: Design = "full"
    """Which statistics the record supports: every episode trained to the end (`full`), losers were stopped (`cut`), a
    part of the losers trained on (`cut+audit`), those below a floor were stopped (`floor`), or of those above it the
    losers as well (`floor+cut`)."""
    counts: EpisodeCounts = EpisodeCounts()
    """Number of episodes in each state. They add up to all episodes of the sweep."""
    conditions: Annotated[list[Condition], Bound(MAX_CONDITIONS), Distinct(keys=("type",))] = Field(
        default_factory=list
    )
    """Conditions of the sweep, each with its time and reason."""
    cuts: Annotated[list[CutSummary], Bound(MAX_BRACKETS * MAX_RUNGS), Distinct(keys=("bracket", "rung"))] = Field(
        default_factory=list
    )
    """The cuts that were made so far, each with the name of its Cut object."""
    interruptions: Annotated[list[InterruptionCount], Bound(100), Distinct(keys=("kind",))] = Field(
        default_factory=list
    )
    """How often attempts were interrupted, by kind. Each was then started again."""
    best: Best | None = None
    """The result so far: the best validation score that counts, its episode and its test score. Absent: no score
    yet."""
    cost: Cost = Cost()
    """Optimizer steps and GPU seconds that were spent and saved, each kind counted separately."""
    data_digest: Annotated[str, Bound(MAX_FINGERPRINT)] | None = None
    """Hash of the data, as the trainers report it. Absent: not known yet."""
    provenance: Provenance | None = None
    """What all episodes of SeedSweep's own trainer start from: data, model and their revisions. Absent: not known yet,
    or another trainer."""
    live_key: Annotated[str, Bound(64)] | None = None
    """Key for the operator's live view: those who may read this sweep may see it live. It changes with every start of
    the operator. Absent once the sweep is over."""
    fingerprints: Annotated[list[Annotated[str, Bound(MAX_FINGERPRINT)]], Bound(MAX_FINGERPRINTS)] = Field(
        default_factory=list
    )
    """Kinds of hardware and software that trained. More than one casts doubt on comparisons."""

    @property
    def validation_examples(self) -> int | None:
        """Number of examples in the validation data; None where it is not known."""
        return self.provenance.examples.validation if self.provenance is not None else None

    def condition(self, type_: str) -> Condition | None:
        """The condition of this type, if it was ever set."""
        return next((c for c in self.conditions if c.type == type_), None)

    @property
    def rejected(self) -> bool:
        """Whether its spec was found invalid: that is an end which an edit may undo."""
        accepted = self.condition("Accepted")
        return accepted is not None and accepted.status == "False"

    @property
    def failure(self) -> Condition | None:
        """The condition Failed, where it holds."""
        failed = self.condition("Failed")
        return failed if failed is not None and failed.status == "True" else None

    @property
    def failed(self) -> bool:
        """Whether it has failed while it was carried out: a rejected spec, which an edit may mend, is no such end."""
        return self.failure is not None and self.failure.reason != INVALID

    @property
    def hand_over_failed(self) -> bool:
        """Whether it has failed by its hand-over alone."""
        return self.failure is not None and self.failure.reason == HAND_OVER_FAILED

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return self.completion_time is not None and not self.rejected

    @property
    def handed_over(self) -> bool:
        """Whether the winner is where it stays, or there is none."""
        return not self.hand_over_failed and (self.over or (self.best is not None and self.best.weights is not None))
