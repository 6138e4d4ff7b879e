"""`Cut`: one decision, created once with everything it was made from, and never changed.

Where a sweep gets more seeds after a cut, another one is made of all its episodes, which names the one it replaces.
Beside the decision stands its evidence, which is added once: which losers the validation examples tell from the last
that was kept. Nothing rests on it.

It asks for nothing, and so it has no spec and no status: like a ControllerRevision it has `data`. Scores are numbers,
not strings: a double is written with as many digits as tell it from all others, and everybody who reads JSON has it
back (docs/operator.md). They stand in columns, as the curves of an Episode do, so that 10,000 episodes fit into 1 MB:
what follows from the order is not repeated for each of them.
"""

from collections.abc import Iterable
from itertools import repeat
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from seedsweep.api.comparison import ALIKE, APART, MAX_WHY, UNKNOWN, Compared
from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.episode import EpisodeName
from seedsweep.api.recorded import Bound, ObjectName, Recorded
from seedsweep.api.seeds import MAX_EPISODES

MAX_EXCLUSION = 45
"""Bytes of JSON: of as many episodes as a sweep may have, a Cut has to stay below 1 MB."""
MAX_NAMED = 4_000
"""Losers up to which evidence names them, for the same reason; of more it has the counts alone."""


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
    def losers(self) -> list[str]:
        """Names of the ranked episodes that are not kept, in rank order."""
        return self.ranked[self.keep :]

    @property
    def few_kept(self) -> bool:
        """See CutEvidence."""
        return 4 * self.keep < len(self.ranked)

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


class CutEvidence(Recorded):
    """Which losers the validation examples tell from the last episode that was kept, by a paired test of each.

    The tests compare the answers to single examples that the trainer stored, at the evaluations that the cut ranked by.
    """

    summary: Annotated[str, Bound(64)]
    """Number of losers that could not be told apart from the last episode that was kept, of all losers whose answers
    are stored."""
    against: EpisodeName
    """Name of the last episode that was kept, which every loser is compared with."""
    compared: int
    """Number of losers that were compared: those whose answers are stored, as are those of the last that was kept."""
    alike: int
    """Number of losers that could not be told apart from the last episode that was kept: their scores differ by no
    more than the draw of the validation examples explains."""
    told_apart: int
    """Number of losers that could be told apart from the last episode that was kept."""
    unknown: int
    """Number of losers that were not compared, because answers are missing or unusable. Nothing is known of them."""
    why_unknown: Annotated[str, Bound(MAX_WHY)] = ""
    """Why the first of the losers that were not compared was not."""
    alike_episodes: Annotated[list[EpisodeName], Bound(MAX_NAMED)] = Field(default_factory=list)
    """Names of the losers that could not be told apart, in rank order. Empty if more than 4,000 episodes lost: then
    the numbers alone are on record."""
    unknown_episodes: Annotated[list[EpisodeName], Bound(MAX_NAMED)] = Field(default_factory=list)
    """Names of the losers that were not compared, in rank order. Empty if more than 4,000 episodes lost. All losers
    that are in neither list were told apart."""
    examples: int = 0
    """Number of validation examples that the tests are of; 0 if none was made."""
    test: Literal["McNemarExact", "Permutation"] | None = None
    """Test that was made: McNemar's exact test for accuracy, a permutation test for other metrics. Absent: none."""
    level: float
    """Two-sided p-value up to which two episodes count as told apart, for each loser by itself."""
    few_kept: bool = False
    """Whether fewer than a quarter of the ranked episodes were kept. The last of them then owes so much of its place to
    luck that equal models are told apart more often than `level` says."""

    @property
    def losers(self) -> int:
        """How many there are."""
        return self.compared + self.unknown

    @property
    def exact(self) -> bool:
        """Whether the tests are McNemar's exact ones."""
        return self.test == "McNemarExact"

    @classmethod
    def of(cls, cut: CutData, found: Compared) -> Self:
        """What was found of all losers of a cut; those that it has no letter for are not known."""
        losers = cut.losers
        letters = found.letters.ljust(len(losers), UNKNOWN)
        alike, apart, unknown = map(letters.count, (ALIKE, APART, UNKNOWN))
        named = losers if len(losers) <= MAX_NAMED else []
        return cls(
            summary=_summary(alike, alike + apart, unknown),
            against=cut.ranked[cut.keep - 1],
            compared=alike + apart,
            alike=alike,
            told_apart=apart,
            unknown=unknown,
            why_unknown=found.why,
            alike_episodes=[name for name, letter in zip(named, letters, strict=False) if letter == ALIKE],
            unknown_episodes=[name for name, letter in zip(named, letters, strict=False) if letter == UNKNOWN],
            examples=found.examples if alike + apart else 0,
            test=("McNemarExact" if found.exact else "Permutation") if alike + apart else None,
            level=found.level,
            few_kept=cut.few_kept,
        )


def _summary(alike: int, compared: int, unknown: int) -> str:
    if not compared:
        return "unknown"
    losers = "loser" if compared == 1 else "losers"
    return f"{alike:,} of {compared:,} {losers}" + (f", {unknown:,} unknown" if unknown else "")


class Cut(Recorded):
    """A cut of one bracket at one rung."""

    api_version: Literal["seedsweep.io/v1alpha1"] = "seedsweep.io/v1alpha1"
    kind: Literal["Cut"] = "Cut"
    metadata: ObjectMeta
    data: CutData
    """The scores that the cut was made from, in rank order, and what follows from them. Never changes."""
    evidence: CutEvidence | None = None
    """Which losers the validation examples tell from the last episode that was kept. Added once, after the cut, and
    never changed. Absent: not known, because the comparison is still to come, could not be made or had nothing to
    compare. It never means that all are alike."""


def cut_name(sweep: str, bracket: int, rung: int, growth: int = 0) -> str:
    """The cut's name, a function of its key, so that creating it twice is refused."""
    return f"{sweep}-b{bracket}-r{rung}" + (f"-g{growth}" if growth else "")


def standing_cuts(cuts: Iterable[Cut]) -> list[Cut]:
    """The cuts that no other replaces, by bracket and rung."""
    in_order = sorted(cuts, key=lambda cut: (cut.data.bracket, cut.data.rung, cut.data.growth))
    return list({(cut.data.bracket, cut.data.rung): cut for cut in in_order}.values())
