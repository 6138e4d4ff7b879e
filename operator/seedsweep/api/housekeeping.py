"""What a housekeeping pod is asked to do in a sweep's storage, and what it answers.

The operator mounts no claim and reads no secret: what must touch storage is done by a pod with the sweep's own mounts
and credentials. The task reaches it as JSON in SEEDSWEEP_TASK; the answer is its termination message, as JSON.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from seedsweep.api.base import ApiModel, Count
from seedsweep.api.comparison import Compared, Comparison
from seedsweep.api.episode import BestEvaluation, EpisodeId
from seedsweep.api.recorded import Recorded
from seedsweep.api.status import Average, TestScore
from seedsweep.api.sweep import Export


class Pruning(ApiModel):
    """Free what an episode has stored."""

    episode: str
    """Its name."""
    keep: Annotated[int, Field(ge=1)] | None = None
    """Evaluation whose best weights stay; absent: nothing stays."""
    score: float | None = None
    """Score of these weights. Absent: any of the evaluation stay."""

    @classmethod
    def keeping(cls, best: BestEvaluation | None, episode: str) -> Self:
        """All but the weights of this best; None: all."""
        return cls(episode=episode) if best is None else cls(episode=episode, keep=best.evaluation, score=best.score)


class Member(ApiModel):
    """A survivor whose best weights go into an average."""

    episode: str
    """Its name."""
    evaluation: Annotated[int, Field(ge=1)]
    """Whose weights they are."""
    score: float
    """Score of these weights."""


def names_of(members: Iterable[Member]) -> list[str]:
    """The members' names, in the order in which their weights are summed."""
    return sorted(member.episode for member in members)


def members_of(bests: Mapping[EpisodeId, BestEvaluation]) -> list[Member]:
    """The members with these best weights."""
    return [Member(episode=e.name, evaluation=best.evaluation, score=best.score) for e, best in bests.items()]


class HandOver(ApiModel):
    """Make the winner's folder from an episode's best weights, and score it once on the test set."""

    episode: str
    """Its name."""
    evaluation: Annotated[int, Field(ge=1)]
    """Whose weights they are."""
    score: float | None = None
    """Score of these weights. Absent: any of the evaluation will do."""
    own: bool = False
    """They are a custom trainer's: handed over as they were stored, and scored by its own command alone."""
    average: list[Member] = Field(default_factory=list)
    """Whose average is handed over in the winner's place, if it is no worse than they are. Empty: the winner is."""
    tried: Average | None = None
    """What became of an average that could not be made or scored before."""
    card: str
    """The model card, in Markdown, but for the test score, which the hand-over adds."""
    export: Export | None = None
    """Where a copy goes."""

    def is_of(self, best: BestEvaluation) -> bool:
        """Whether it is this best that it asks for."""
        return best.evaluation == self.evaluation and self.score in (None, best.score)

    @property
    def members(self) -> list[str]:
        """Names of those whose average is asked for, or was before, in order; empty where none is."""
        return self.tried.episodes if self.tried is not None else names_of(self.average)

    def is_of_same(self, other: "HandOver") -> bool:
        """Whether both ask for the same weights, or for an average of the same members."""
        asked, others = ((h.episode, h.evaluation, h.score, h.members) for h in (self, other))
        return asked == others


class HousekeepingTask(ApiModel):
    """What one pod does, in this order."""

    warm_up: bool = False
    """Before any episode starts: check the configuration; put model, tokenizer and tokenised data where all find it."""
    prune: list[Pruning] = Field(default_factory=list)
    """What is no longer needed."""
    hand_over: HandOver | None = None
    compare: Comparison | None = None
    """Losers of a cut, with the last that was kept. It is asked for alone, so that nothing else waits or fails with
    it."""
    remove_all: bool = False
    """The sweep was deleted and its retention policy says that its storage goes with it."""


class HousekeepingAnswer(Recorded):
    """What came of it; an error is said here, and nothing that is not said was done."""

    error: str = ""
    """Why the task could not be done, or not all of it."""
    parameters: Count | None = None
    """Of the model, after a warm-up: a checkpoint takes about 12 bytes for each, best weights 4."""
    weights: str | None = None
    """Path or URI of the winner's folder."""
    exported: str | None = None
    """Path, URI or hub address of the copy."""
    test: TestScore | None = None
    average: Average | None = None
    """What became of the average, where one was asked for. Without `weights`: the winner is to be handed over."""
    compared: Compared | None = None
    """What a comparison has found of the losers that it was given."""
    instead: list[BestEvaluation] = Field(default_factory=list)
    """Best weights that the episode has, where those to be handed over are not there: then nothing was handed over."""

    @property
    def only_tried(self) -> bool:
        """An average could not be made or scored, and nothing was handed over yet."""
        return self.average is not None and self.weights is None and not self.error

    @model_validator(mode="after")
    def _answers(self) -> Self:
        if self.model_extra and not self.model_fields_set & type(self).model_fields.keys():
            raise ValueError("is not an answer: it has no field of one")
        return self
