"""What a comparison of a cut's losers needs to know, and what it finds: each against the last episode that was kept.

The files with their answers lie where the operator does not reach. So what is to be compared is a value that a pod's
variable can carry, and what was found one that its termination message can: a letter for each loser.
"""

from typing import Annotated, Self

from pydantic import Field

from seedsweep.api.base import ApiModel, Count
from seedsweep.api.recorded import Recorded

MAX_COMPARED = 400
"""Losers that one task holds: it is a single variable, which an operating system limits to 128 KiB."""
MAX_SOUGHT = 3
"""Attempts of an episode whose files are looked at."""
MAX_WHY = 256
"""Bytes of JSON."""
ALIKE, APART, UNKNOWN = "A", "T", "U"
"""Not told apart, told apart, and not known: a loser's letter."""


class Sought(ApiModel):
    """An episode whose answers are sought: those that gave it the score that it was ranked by."""

    episode: str
    """Its name."""
    evaluation: Annotated[int, Field(ge=1)]
    """Whose answers they are."""
    score: float
    """On record; the answers have to give it."""
    attempts: Annotated[list[str], Field(max_length=MAX_SOUGHT)]
    """UIDs of the attempts that may have left them, in their order: the first that did counts."""


class Compared(Recorded):
    """What the answers tell of the losers of a cut, as far as it was compared."""

    letters: Annotated[str, Field(pattern=f"^[{ALIKE}{APART}{UNKNOWN}]*$")] = ""
    """One for each loser, in rank order."""
    examples: Count = 0
    """Validation examples that they were compared on; 0 where the answers of the last that was kept are not known."""
    exact: bool = True
    """Whether every test was McNemar's exact one; else they were permutation tests."""
    level: Annotated[float, Field(gt=0, lt=1)]
    """Two-sided p-value up to which two were told apart."""
    why: str = ""
    """Of the first whose answers are not known, why."""

    def after(self, before: Self | None) -> Self:
        """Both together: of the losers that were compared before, and of these."""
        if before is None:
            return self
        return self.evolve(
            letters=before.letters + self.letters, exact=before.exact and self.exact, why=before.why or self.why
        )


class Comparison(ApiModel):
    """Compare the next losers of a cut with the last episode that it kept, on the same validation examples."""

    cut: str
    """Its name."""
    metric: str | None = None
    """Name of the metric that ranks, as in a sweep's file. Absent: that which the answers name."""
    against: Sought | None = None
    """The last that was kept. Absent: its score is not on record."""
    losers: list[Sought | None]
    """Those that are compared now, in rank order; null: its score is not defined, or not on record."""
    found: Compared | None = None
    """Of the losers before them; absent: these are the first."""
