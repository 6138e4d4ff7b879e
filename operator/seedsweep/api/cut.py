"""`Cut`: one decision, created once with everything it was made from, and never changed.

It asks for nothing, and so it has no spec and no status: like a ControllerRevision it has `data`. Scores are numbers,
not strings: a double is written with as many digits as tell it from all others, and everybody who reads JSON has it
back (docs/operator.md).
"""

from typing import Annotated, Literal

from pydantic import Field

from seedsweep.api.core import ObjectMeta
from seedsweep.api.episode import EpisodeName
from seedsweep.api.recorded import Bound, ObjectName, Recorded
from seedsweep.api.seeds import MAX_EPISODES

MAX_EXCLUSION = 100
"""Bytes of JSON: of as many episodes as a sweep may have, a Cut has to stay below 1 MB."""


class RankedEpisode(Recorded):
    """An eligible episode at its place in the ranking."""

    episode: EpisodeName
    """Its name."""
    score: float | None = None
    """At the rung; absent where every evaluation was undefined."""
    loss: float | None = None
    """At the evaluation the score is from; decides ties."""
    kept: bool
    """Whether it goes on."""


class ExcludedEpisode(Recorded):
    """An episode that had no final score at the rung, and why."""

    episode: EpisodeName
    """Its name."""
    reason: Annotated[str, Bound(MAX_EXCLUSION)]
    """Why it was not compared, in short: its Episode has all of it."""


class CutData(Recorded):
    """The inputs of the cut in rank order, and what follows from them."""

    sweep: ObjectName
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
    ranked: Annotated[list[RankedEpisode], Bound(MAX_EPISODES)]
    """Every eligible episode, best first."""
    excluded: Annotated[list[ExcludedEpisode], Bound(MAX_EPISODES)] = Field(default_factory=list)
    """Those without a final score, and why."""
    audited: Annotated[list[EpisodeName], Bound(MAX_EPISODES)] = Field(default_factory=list)
    """Losers that run on for the audit."""
    threshold: float | None = None
    """Score of the last one kept."""
    tied_at_threshold: int = 0
    """How many had exactly the threshold's score; above 1, the tie-breakers decided."""

    @property
    def kept(self) -> frozenset[str]:
        """Names of the survivors."""
        return frozenset(entry.episode for entry in self.ranked if entry.kept)


class Cut(Recorded):
    """A cut of one bracket at one rung."""

    api_version: Literal["seedsweep.io/v1alpha1"] = "seedsweep.io/v1alpha1"
    kind: Literal["Cut"] = "Cut"
    metadata: ObjectMeta
    data: CutData


def cut_name(sweep: str, bracket: int, rung: int) -> str:
    """The cut's name, a function of its key, so that creating it twice is refused."""
    return f"{sweep}-b{bracket}-r{rung}"
