"""What a world shows the engine: what is on record, what lives, and what the living have published."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from seedsweep.api.cut import CutData, CutEvidence
from seedsweep.api.episode import BestEvaluation, EndReason, EpisodeId, EpisodeStatus, Interruption, StopReason
from seedsweep.api.status import Average, SweepStatus, TestScore

Value = TypeVar("Value")
TroubleKind = Literal["CannotBegin", "MetricsUnreachable", "MetricsUnusable"]
"""An attempt cannot begin, its metrics cannot be reached, or they are there and cannot be used."""

_RESUMING_LEVELS = frozenset({"L2", "L3"})
_OF_ONE_EPISODE = frozenset({"NameTaken", "PodHeld"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What one attempt has published, by a scrape or by its termination message: both say the same.

    `scores[i]` is the validation score of evaluation i + 1, None where undefined.
    """

    scores: tuple[float | None, ...] = ()
    losses: tuple[float | None, ...] | None = None
    evaluations_planned: int | None = None
    steps_done: int = 0
    steps_planned: int | None = None
    steps_at_start: int = 0
    checkpoint: int = 0
    """Newest evaluation whose checkpoint is complete and durable."""
    diverged_at: int | None = None
    """The evaluation that was due next when loss or weights became non-finite."""
    baseline: float | None = None
    baseline_error: float | None = None
    """Standard error of the baseline, over draws of as many validation examples."""
    level: str = "L1"
    fingerprint: str = ""
    data: str = ""
    initialization: str = ""
    provenance: str = ""
    sampled: bool = False
    """The curve is made of samples of a gauge."""
    done: bool = False
    """It said with its last words that the episode is complete, however many evaluations were planned."""

    @property
    def resumes(self) -> bool:
        """Whether its trainer stops where it is told to, and goes on from a checkpoint: both come with level 2."""
        return self.level in _RESUMING_LEVELS


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, as the world tells it; `reason` tells the kinds apart (engine.facts.retry)."""

    reason: EndReason
    at: datetime
    exit_code: int | None = None
    message: str = ""
    interruption: Interruption | None = None
    """What interrupted it, where it was interrupted."""
    output: str = ""
    """The last lines that it printed, where it failed."""
    unread: str = ""
    """Why its metrics could not be read the last time; empty where they were."""


@dataclass(frozen=True, slots=True)
class SeenAttempt:
    """A pod or process that exists, or has ended and is not on record as ended yet."""

    episode: EpisodeId
    uid: str
    created: datetime
    bound: datetime | None = None
    """When it got its place; None while it waits for one."""
    unschedulable_since: datetime | None = None
    """Since when no place was found for it; None for pods that wait behind a gate of a queue."""
    trouble: str = ""
    """Why it cannot begin, where the world says so: an image that cannot be pulled, no node that fits."""
    trouble_kind: TroubleKind = "CannotBegin"
    gated: bool = False
    """It waits behind a gate, as of a queue, and does not look for a place yet."""
    stop_after: int | None = None
    stopping: bool = False
    """Was told to end, and has not yet."""
    stop: StopReason | None = None
    """Why we told it to end, which its own record may lack: it could not be written then."""
    due: datetime | None = None
    """When it should have been gone, where it was told to end: its grace was over."""
    held_by: str = ""
    """Finalizers that keep it, though its deletion was asked for."""
    given_up: bool = False
    """Whoever watches over nodes has taken it from its node."""
    silent_since: datetime | None = None
    """Since when its node gives no sign of life."""
    reading: Reading | None = None
    progressed: datetime | None = None
    """When its number of evaluations last grew, but not before the world began to watch it: a loop that was away
    cannot tell what hangs. None before the first."""
    ending: Ending | None = None
    node: str | None = None
    device: str | None = None
    image: str | None = None
    gpus: float = 1.0
    """GPUs it holds (places, where there are none)."""
    held: timedelta | None = None
    """How long it held its place by its node's own clock, where nobody else saw it end."""
    unusable: str = ""
    """Why what it publishes can never count, such as a score outside its range; it is stopped for that."""

    @property
    def live(self) -> bool:
        """It exists and has not ended; one that is told to end still counts."""
        return self.ending is None

    @property
    def heeds_stop_after(self) -> bool:
        """It was given one, and ends there by itself; before its first reading, it is taken to."""
        return self.stop_after is not None and (self.reading is None or self.reading.resumes)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the world would not do something when it was last asked. It stands until the world has done it."""

    reason: str
    """One word for a condition."""
    message: str
    until: datetime
    """Not to be asked again before."""

    @property
    def of_one_episode(self) -> bool:
        """It hinders this episode alone; a quota hinders all."""
        return self.reason in _OF_ONE_EPISODE


@dataclass(frozen=True, slots=True)
class HandOverOutcome:
    """What became of handing over the winner: weights exported, test set scored once."""

    episode: str
    weights: str | None = None
    exported: str | None = None
    """Where a copy is, if one was asked for."""
    test: TestScore | None = None
    average: Average | None = None
    """What became of the average, where one was asked for."""
    error: str = ""
    """Why it could not be done; the result stands without it."""
    missing: BestEvaluation | None = None
    """What was to be handed over, where no weights with its score are stored."""
    instead: tuple[BestEvaluation, ...] = ()
    """The episode's best weights that are stored all the same, by their own scores."""


@dataclass(frozen=True, slots=True)
class WarmedUp:
    """How far a warm-up of the storage has come."""

    under_way: bool = False
    over: bool = False
    """Done or given up: episodes may start."""
    parameters: int | None = None
    """Of the model, once counted."""
    refused: str = ""
    """Why no episode can train with this configuration."""
    error: str = ""
    """Why it was given up."""


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """What a world that does not reach the storage itself has others do there, and how that goes."""

    warm_up: WarmedUp | None = None
    """None: there is nothing to warm up, or it was done before."""
    freeing: frozenset[EpisodeId] = frozenset()
    """Asked for, and not done yet."""
    freed: Mapping[EpisodeId, bool] = field(default_factory=dict)
    """Done, and perhaps not on record yet: True where the best weights stay."""
    unable: str = ""
    """Why nothing can be freed at all."""
    trouble: str = ""
    """Why what was asked for is not done yet."""
    exhausted: bool = False
    """It was tried as often as the end of a sweep waits for."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far the comparison of a cut's losers has come."""

    under_way: bool = False
    found: CutEvidence | None = None
    """What came of it, and is not on record yet."""
    settled: bool = False
    """On record, or given up: nothing waits for it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything one call of `plan` may use, beside the sweep's layout and the time."""

    status: SweepStatus
    episodes: Mapping[EpisodeId, EpisodeStatus] = field(default_factory=dict)
    """On record; an episode without an entry has never been started."""
    cuts: Mapping[tuple[int, int], CutData] = field(default_factory=dict)
    """By (bracket, rung)."""
    attempts: Sequence[SeenAttempt] = ()
    refused: Mapping[EpisodeId, Refusal] = field(default_factory=dict)
    """Starts that the world turned down."""
    unrecorded: Mapping[EpisodeId, Refusal] = field(default_factory=dict)
    """Episodes whose record the world could not write: before `until`, nothing of them is recorded or rests on news."""
    refused_cuts: Mapping[tuple[int, int], Refusal] = field(default_factory=dict)
    """Cuts that the world could not create, by (bracket, rung): before `until`, all but their bracket goes on."""
    hindrances: Sequence[Refusal] = ()
    """What else the world was refused, such as deletions: the weightiest first."""
    suspend: bool = False
    has_failed: bool = False
    """The sweep's condition Failed is on record, not only planned."""
    parallelism: int = 1
    """As the spec or a runner's flag has it now; may change at any time."""
    generation: int | None = None
    stored: Mapping[EpisodeId, bool] = field(default_factory=dict)
    """Episodes with something in the sweep's storage: True with a checkpoint to resume from, False with best
    weights only. What stands here and is no longer needed is pruned."""
    resumable: bool = True
    """Attempts find the checkpoints of earlier ones: there is storage, and the trainer resumes."""
    has_storage: bool = True
    """What attempts store outlives them, whether or not others resume from it."""
    hand_over: HandOverOutcome | None = None
    """None while it is not done."""
    handing_over: bool = False
    """The hand-over is under way."""
    records_progress: bool = False
    """Every evaluation goes on record as it is published, as on one machine, where that costs nothing. Else a curve is
    recorded at its rungs and ends."""
    compares: bool = False
    """The world can compare the losers of a cut with the last that it kept, by the answers that attempts left."""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """By name of a cut; of one without an entry, the comparison has not begun."""
    housekeeping: Housekeeping | None = None
    """None: what the engine decides about the storage is done at once, or there is none."""

    def known_to(self, episodes: AbstractSet[EpisodeId]) -> "Observation":
        """Without what belongs to other episodes, as after a hand has labelled a pod: no rule can know them."""
        house = self.housekeeping
        tables = [self.episodes, self.refused, self.unrecorded, self.stored]
        if house is not None:
            tables.append(house.freed)
        known = all(table.keys() <= episodes for table in tables) and all(a.episode in episodes for a in self.attempts)
        if known and (house is None or house.freeing <= episodes):
            return self
        if house is not None:
            house = replace(house, freeing=house.freeing & episodes, freed=_of(episodes, house.freed))
        return replace(
            self,
            episodes=_of(episodes, self.episodes),
            attempts=tuple(a for a in self.attempts if a.episode in episodes),
            refused=_of(episodes, self.refused),
            unrecorded=_of(episodes, self.unrecorded),
            stored=_of(episodes, self.stored),
            housekeeping=house,
        )


def _of(episodes: AbstractSet[EpisodeId], values: Mapping[EpisodeId, Value]) -> dict[EpisodeId, Value]:
    return {episode: value for episode, value in values.items() if episode in episodes}
