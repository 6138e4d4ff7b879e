"""`Cut`: one decision, created once with everything it was made from, and never changed.

It asks for nothing, and so it has no spec and no status: like a ControllerRevision it has `data`. Scores are numbers,
not strings: a double is written with as many digits as tell it from all others, and everybody who reads JSON has it
back (docs/operator.md).
"""

from typing import Annotated, Literal

from pydantic import Field

from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.episode import EpisodeName
from seedsweep.api.recorded import Bound, ObjectName, Recorded
from seedsweep.api.seeds import MAX_EPISODES

MAX_EXCLUSION = 100
"""Bytes of JSON: of as many episodes as a sweep may have, a Cut has to stay below 1 MB."""


class RankedEpisode(Recorded):
    """An eligible episode at its place in the ranking."""

    episode: EpisodeName
    """Name of the episode, wiI-doJ after its seeds."""
    score: float | None = None
    """Score of the episode at the rung. Absent: every evaluation was undefined."""
    loss: float | None = None
    """Validation loss at the evaluation that the score is from, which decides ties. Absent: not told."""
    kept: bool
    """Whether the episode trains on."""


class ExcludedEpisode(Recorded):
    """An episode that had no final score at the rung, and why."""

    episode: EpisodeName
    """Name of the episode, wiI-doJ after its seeds."""
    reason: Annotated[str, Bound(MAX_EXCLUSION)]
    """Why the episode was not compared, in short. Its Episode object has all of it."""


class CutData(Recorded):
    """The inputs of the cut in rank order, and what follows from them."""

    sweep: ObjectName
    """Name of the SeedSweep whose episodes were compared."""
    bracket: int
    """Number of the bracket that was cut, from 0."""
    rung: int
    """Number of the rung within its bracket, from 0."""
    evaluation: int
    """Number of the evaluation at which the episodes were compared, from 1."""
    keep: int
    """Number of episodes that train on at most, p."""
    rank_by: Literal["best", "latest"]
    """Score that episodes were ranked by: `best`, their best one up to the rung, or `latest`, the one at the rung."""
    ranked: Annotated[list[RankedEpisode], Bound(MAX_EPISODES)]
    """All episodes that were compared, the best first."""
    excluded: Annotated[list[ExcludedEpisode], Bound(MAX_EPISODES)] = Field(default_factory=list)
    """The episodes without a final score at the rung, and why."""
    audited: Annotated[list[EpisodeName], Bound(MAX_EPISODES)] = Field(default_factory=list)
    """Names of the losers that train on for the audit."""
    threshold: float | None = None
    """Score of the last episode that was kept. Absent: it has no defined score."""
    tied_at_threshold: int = 0
    """Number of episodes with exactly the threshold's score. Above 1, the tie-breakers decided."""

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
    """The scores that the cut was made from, in rank order, and what follows from them. Never changes."""


def cut_name(sweep: str, bracket: int, rung: int) -> str:
    """The cut's name, a function of its key, so that creating it twice is refused."""
    return f"{sweep}-b{bracket}-r{rung}"
