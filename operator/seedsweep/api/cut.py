"""`Cut`: one decision, created once with everything it was made from, and never changed."""

from typing import Literal

from pydantic import Field

from seedsweep.api.base import ApiModel
from seedsweep.api.core import ObjectMeta


class RankedEpisode(ApiModel):
    """An eligible episode at its place in the ranking."""

    episode: str
    """Its name."""
    score: float | None = None
    """At the rung; absent where every evaluation was undefined."""
    loss: float | None = None
    """At the evaluation the score is from; decides ties."""
    kept: bool
    """Whether it goes on."""


class ExcludedEpisode(ApiModel):
    """An episode that had no final score at the rung, and why."""

    episode: str
    """Its name."""
    reason: str
    """Why it was not compared."""


class CutSpec(ApiModel):
    """The inputs of the cut in rank order, and what follows from them."""

    sweep: str
    """Name of its SeedSweep."""
    bracket: int
    """Which part of the episodes."""
    rung: int
    """Which of its cuts, from 0."""
    evaluation: int
    """At which the episodes were compared."""
    keep: int
    """p: how many go on, at most."""
    rank_by: Literal["best", "latest"]
    """Best score so far, or the score at the rung."""
    ranked: list[RankedEpisode]
    """Every eligible episode, best first."""
    excluded: list[ExcludedEpisode] = Field(default_factory=list)
    """Those without a final score, and why."""
    audited: list[str] = Field(default_factory=list)
    """Losers that run on for the audit."""
    threshold: float | None = None
    """Score of the last one kept."""
    tied_at_threshold: int = 0
    """How many had exactly the threshold's score; above 1, the tie-breakers decided."""

    @property
    def kept(self) -> frozenset[str]:
        """Names of the survivors."""
        return frozenset(entry.episode for entry in self.ranked if entry.kept)


class Cut(ApiModel):
    """A cut of one bracket at one rung."""

    api_version: Literal["seedsweep.io/v1alpha1"] = "seedsweep.io/v1alpha1"
    kind: Literal["Cut"] = "Cut"
    metadata: ObjectMeta
    spec: CutSpec


def cut_name(sweep: str, bracket: int, rung: int) -> str:
    """The cut's name, a function of its key, so that creating it twice is refused."""
    return f"{sweep}-b{bracket}-r{rung}"
