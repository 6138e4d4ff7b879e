"""What `plan` returns: facts to record first, then decisions, values that a backend carries out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from seedsweep.api.cut import CutData, CutEvidence
from seedsweep.api.episode import BestEvaluation, EpisodeId, EpisodeStatus, StopReason
from seedsweep.api.status import SweepStatus

Failure = tuple[str, str]
"""Why a sweep fails: reason and message of the condition Failed."""


@dataclass(frozen=True, slots=True)
class RecordEpisode:
    """Write an episode's status. `durable`: before anything that rests on it; else when there is time."""

    episode: EpisodeId
    status: EpisodeStatus
    durable: bool


@dataclass(frozen=True, slots=True)
class RecordCut:
    """Create the cut. If it already exists, that one is obeyed and this one is dropped."""

    cut: CutData


@dataclass(frozen=True, slots=True)
class RecordEvidence:
    """Add its evidence to a cut, which is on record. Nothing rests on it: where that fails, all else goes on."""

    cut: CutData
    evidence: CutEvidence


@dataclass(frozen=True, slots=True)
class StartEpisode:
    """Start an attempt; what makes it safe to repeat is the name of the pod or process."""

    episode: EpisodeId
    attempt: int
    """0 for the first."""
    stop_after: int | None
    rungs: tuple[int, ...]
    """Evaluations of the episode's rungs, for the trainer's best weights up to each."""
    avoid_node: str | None = None
    """The node that the last attempt failed on, or lost."""


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """End an attempt by its uid; its reason is on record before."""

    episode: EpisodeId
    uid: str
    reason: StopReason
    save: bool
    """Whether its state may still be wanted; a loser's is not worth the grace period."""

    @property
    def force(self) -> bool:
        """Nobody is there to end it: forget it, whatever may still run."""
        return self.reason is StopReason.NODE_LOST


@dataclass(frozen=True, slots=True)
class Prune:
    """Free an episode's stored checkpoints; `keep_best`: all but its best weights."""

    episode: EpisodeId
    keep_best: bool


@dataclass(frozen=True, slots=True)
class HandOverWinner:
    """Hand over the winner: its weights of that evaluation, and its score on the test set, once."""

    episode: EpisodeId
    best: BestEvaluation
    average_of: Mapping[EpisodeId, BestEvaluation] = field(default_factory=dict)
    """Whose average takes the winner's place, if it is no worse than they are; empty: nobody's."""


@dataclass(frozen=True, slots=True)
class CompareLosers:
    """Compare the losers of a cut, each with the last that was kept, by their answers to the validation examples."""

    cut: CutData


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Before any episode starts: have the configuration checked, and put into storage what all episodes need."""


Decision = StartEpisode | StopAttempt | Prune | HandOverWinner | CompareLosers | WarmUp
Record = RecordEpisode | RecordCut | RecordEvidence


@dataclass(frozen=True, slots=True)
class Event:
    """A transition worth telling people, posted after the record that made it true."""

    reason: str
    message: str
    episode: EpisodeId | None = None
    kind: Literal["Normal", "Warning"] = "Normal"
    rests_on: Literal["Records", "Cut", "Nothing"] = "Records"
    """What has to be recorded in the same turn for it to be true: all, the cut that it tells of, or nothing."""
    key: str = ""
    """Tells this occurrence from others of the same reason, where the message alone does not."""

    @property
    def is_of_records(self) -> bool:
        """It tells what became of an episode or a cut, once; else what is new in the status, until that is written."""
        return self.episode is not None or self.rests_on == "Cut"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that follows from one observation."""

    records: tuple[Record, ...]
    decisions: tuple[Decision, ...]
    status: SweepStatus
    events: tuple[Event, ...] = ()
    look_again_in: timedelta | None = field(default=None)
    """The next moment at which time alone changes the plan; None: only news can."""
    read_often: frozenset[str] = frozenset()
    """UIDs of attempts whose metrics are worth more than one reading an interval (engine.policies.scrape_pace)."""
    finished: bool = False
    """Nothing is left to do; the status has a Complete or Failed condition."""
