"""`Cut`: one decision, created once with everything it was made from, and never changed.

Where a sweep gets more seeds after a cut, another one is made of all its episodes, which names the one it replaces.

It asks for nothing, and so it has no spec and no status: like a ControllerRevision it has `data`. Scores are numbers,
not strings: a double is written with as many digits as tell it from all others, and everybody who reads JSON has it
back (docs/operator.md). They stand in columns, as the curves of an Episode do, so that 10,000 episodes fit into 1 MB:
what follows from the order is not repeated for each of them.
"""

from collections.abc import Iterable
from itertools import repeat
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.episode import EpisodeName
from seedsweep.api.recorded import Bound, ObjectName, Recorded
from seedsweep.api.seeds import MAX_EPISODES

MAX_EXCLUSION = 45
"""Bytes of JSON: of as many episodes as a sweep may have, a Cut has to stay below 1 MB."""


class RankedEpisode(NamedTuple):
    """An eligible episode at its place in the ranking."""

    episode: str
    score: float | None
    loss: float | None
    kept: bool


class ExcludedEpisode(Recorded):
    """An episode that had no final score at the rung, and why."""

    episode: EpisodeName
    """Name of the episode, wiI-doJ from its seeds."""
    reason: Annotated[str, Bound(MAX_EXCLUSION)]
    """Why the episode was not compared, in short. Its Episode object has the details."""


class CutData(Recorded):
    """The inputs of the cut in rank order, and what follows from them."""

    sweep: ObjectName
    """Name of the SeedSweep whose episodes were compared."""
    bracket: int
    """Number of the bracket that was cut, from 0."""
    rung: int
    """Number of the rung within its bracket, from 0; beside a floor, 1."""
    growth: int = 0
    """Number of earlier cuts at this rung, each of fewer episodes, before the sweep got more seeds."""
    replaces: ObjectName | None = None
    """Name of the Cut that this one replaces: its losers stay lost, its survivors may lose. Absent: this is the
    first."""
    evaluation: int
    """Number of the evaluation at which the episodes were compared, from 1."""
    keep: int
    """Maximum number of episodes that are kept, p."""
    rank_by: Literal["best", "latest"]
    """Score that episodes were ranked by: `best`, their best one up to the rung, or `latest`, the one at the rung."""
    ranked: Annotated[list[EpisodeName], Bound(MAX_EPISODES)]
    """Names of all episodes that were compared, the best first. The first `keep` of them survive."""
    scores: Annotated[list[float | None], Bound(MAX_EPISODES)] = Field(default_factory=list)
    """Scores of the ranked episodes at the rung, in the same order; null where every evaluation was undefined."""
    losses: Annotated[list[float | None], Bound(MAX_EPISODES)] = Field(default_factory=list)
    """Validation losses at the evaluations that the scores are from, in the same order, which decide ties; null where
    not reported. Empty: none were reported."""
    excluded: Annotated[list[ExcludedEpisode], Bound(MAX_EPISODES)] = Field(default_factory=list)
    """The episodes without a final score at the rung, and why."""
    threshold: float | None = None
    """Score of the last episode that was kept. Absent: it has no defined score."""
    tied_at_threshold: int = 0
    """Number of episodes with exactly the threshold's score. If a loser is among them, the tie-breakers decided."""

    @property
    def name(self) -> str:
        """Name of its Cut object."""
        return cut_name(self.sweep, self.bracket, self.rung, self.growth)

    @property
    def size(self) -> int:
        """Number of episodes that it was made of."""
        return len(self.ranked) + len(self.excluded)

    @property
    def decided_by_tie(self) -> bool:
        """Whether the last that was kept and the first that lost have the same score."""
        return 0 < self.keep < len(self.ranked) and self.scores[self.keep - 1] == self.scores[self.keep]

    @property
    def kept(self) -> frozenset[str]:
        """Names of the survivors."""
        return frozenset(self.ranked[: self.keep])

    @property
    def rows(self) -> list[RankedEpisode]:
        """The ranked episodes, the best first, each with what it was ranked by."""
        columns = zip(self.ranked, self.scores, self.losses or repeat(None), strict=False)
        return [RankedEpisode(name, score, loss, i < self.keep) for i, (name, score, loss) in enumerate(columns)]

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        lengths = {"scores": len(self.scores), "losses": len(self.losses) or len(self.ranked)}
        for name, length in lengths.items():
            if length != len(self.ranked):
                raise ValueError(f"{name} has {length} entries for {len(self.ranked)} ranked episodes")
        return self


class Cut(Recorded):
    """A cut of one bracket at one rung."""

    api_version: Literal["seedsweep.io/v1alpha1"] = "seedsweep.io/v1alpha1"
    kind: Literal["Cut"] = "Cut"
    metadata: ObjectMeta
    data: CutData
    """The scores that the cut was made from, in rank order, and what follows from them. Never changes."""


def cut_name(sweep: str, bracket: int, rung: int, growth: int = 0) -> str:
    """The cut's name, a function of its key, so that creating it twice is refused."""
    return f"{sweep}-b{bracket}-r{rung}" + (f"-g{growth}" if growth else "")


def standing_cuts(cuts: Iterable[Cut]) -> list[Cut]:
    """The cuts that no other replaces, by bracket and rung."""
    in_order = sorted(cuts, key=lambda cut: (cut.data.bracket, cut.data.rung, cut.data.growth))
    return list({(cut.data.bracket, cut.data.rung): cut for cut in in_order}.values())
