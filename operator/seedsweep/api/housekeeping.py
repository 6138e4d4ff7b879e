"""What a housekeeping pod is asked to do in a sweep's storage, and what it answers.

The operator mounts no claim and reads no secret: what must touch storage is done by a pod with the sweep's own mounts
and credentials. The task reaches it as JSON in SEEDSWEEP_TASK; the answer is its termination message, as JSON.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from seedsweep.api.base import ApiModel, Count
from seedsweep.api.recorded import Recorded
from seedsweep.api.status import TestScore
from seedsweep.api.sweep import Export


class Pruning(ApiModel):
    """Free what an episode has stored."""

    episode: str
    """Its name."""
    keep: Annotated[int, Field(ge=1)] | None = None
    """Evaluation whose best weights stay; absent: nothing stays."""


class HandOver(ApiModel):
    """Make the winner's folder from an episode's best weights, and score it once on the test set."""

    episode: str
    """Its name."""
    evaluation: Annotated[int, Field(ge=1)]
    """Whose weights they are."""
    card: str
    """The model card, in Markdown, but for the test score, which the hand-over adds."""
    export: Export | None = None
    """Where a copy goes."""


class HousekeepingTask(ApiModel):
    """What one pod does, in this order."""

    warm_up: bool = False
    """Before any episode starts: check the configuration; put model, tokenizer and tokenised data where all find it."""
    prune: list[Pruning] = Field(default_factory=list)
    """What is no longer needed."""
    hand_over: HandOver | None = None
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

    @model_validator(mode="after")
    def _answers(self) -> Self:
        if self.model_extra and not self.model_fields_set & type(self).model_fields.keys():
            raise ValueError("is not an answer: it has no field of one")
        return self
