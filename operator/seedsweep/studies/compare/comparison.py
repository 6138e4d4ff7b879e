"""Two records compared: is the change between them better than what seeds do by themselves?"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from seedsweep.api.episode import EpisodeId
from seedsweep.api.seeds import MAX_EPISODES
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import Analysis, Score
from seedsweep.report.words import counted, p_text
from seedsweep.science.arms import difference as science
from seedsweep.science.arms.difference import CONFIDENCE, FEWEST, Difference
from seedsweep.science.arms.power import difference_to_tell, runs_to_tell
from seedsweep.science.arms.superiority import Superiority, superiority
from seedsweep.science.expected import expected_best

Floats = NDArray[np.float64]
BEST_OF = 5
"""Runs that people often take the best of; the expected best of so many needs twice as many."""


class Verdict(StrEnum):
    """What two records say of a change."""

    BETTER = "better"
    WORSE = "worse"
    SMALLER = "smaller"
    """The difference, if any, is smaller than the one that matters."""
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Arm:
    """A record, and one score of each of its episodes that is in n."""

    folder: str
    record: Record
    analysis: Analysis

    @property
    def by_seeds(self) -> dict[EpisodeId, float]:
        """Scores by episode."""
        found = self.analysis.by_episode
        return {e.spec.id: found[e.spec.id.name] for e in self.record.episodes if e.spec.id.name in found}


@dataclass(frozen=True, slots=True)
class Needed:
    """How many runs of each arm, or pairs of runs, tell a difference four times of five."""

    difference: float
    runs: int | None
    """None where it is more than a sweep can have."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two arms say; differences are B less A, in the metric's unit."""

    arms: tuple[Arm, Arm]
    score: Score
    maximize: bool
    paired: bool
    shared: bool
    """Whether runs of an arm share seeds."""
    difference: Difference | None
    """None where an arm has a single run, or there are fewer than two pairs."""
    superiority: Superiority
    """The chance that a run of B is better than one of A."""
    best_of: tuple[float, float] | None
    """Expected best of BEST_OF runs of either arm; None with fewer than twice as many."""
    pairs: tuple[int, int] | None
    """In how many pairs B is better, and how many pairs there are."""
    verdict: Verdict
    why: str
    """Why it cannot be told, where more than the spread of the scores is the reason."""
    smallest: float | None
    """The smallest difference that matters, as given."""
    detectable: float | None
    """The difference that so many runs would find four times of five."""
    needed: tuple[Needed, ...]
    """For the observed difference, and for the smallest that matters."""

    @property
    def disagree(self) -> bool:
        """Whether one arm has the better mean, and a run of the other is better more often than not."""
        chance = self.superiority.interval
        if self.difference is None or chance is None or chance[0] <= 0.5 <= chance[1]:
            return False
        return (self.difference.estimate > 0) != ((chance[0] > 0.5) == self.maximize)

    @property
    def fewer_than_smallest(self) -> bool:
        """Whether the whole interval is within the smallest difference that matters."""
        found = self.difference.interval if self.difference is not None else None
        return found is not None and self.smallest is not None and max(map(abs, found)) < self.smallest


def compare(a: Arm, b: Arm, *, score: Score, paired: bool, smallest: float | None) -> Comparison:
    """Compare two arms of the same metric and data.

    Args:
        a: what was there.
        b: the change.
        score: what the scores are.
        paired: whether runs with equal seeds are pairs (`sameness.are_pairs`).
        smallest: the smallest difference that matters, above 0, in the metric's unit.
    """
    maximize = a.record.sweep.spec.trainer.maximize
    of_a, of_b = a.by_seeds, b.by_seeds
    together = sorted(of_a.keys() & of_b.keys())
    shared = any(map(_shares_seeds, (of_a, of_b)))
    found, why = _difference(of_a, of_b, together if paired else None, shared)
    verdict = _verdict(found, smallest, maximize=maximize)
    scores = [np.array(list(arm.values())) for arm in (of_a, of_b)]
    sign = 1 if maximize else -1
    seeds = [np.array(list(arm)) for arm in (of_a, of_b)]
    deviations = _deviations(of_a, of_b, together if paired else None)
    return Comparison(
        arms=(a, b),
        score=score,
        maximize=maximize,
        paired=paired,
        shared=shared,
        difference=found,
        superiority=superiority(sign * scores[0], seeds[0], sign * scores[1], seeds[1]),
        best_of=_best_of(*scores, maximize=maximize),
        pairs=(sum(sign * (of_b[e] - of_a[e]) > 0 for e in together), len(together)) if paired else None,
        verdict=verdict,
        why=why if verdict is Verdict.CANNOT_TELL else "",
        smallest=smallest,
        detectable=_detectable(found),
        needed=tuple(_needed(found, smallest, deviations)),
    )


def _shares_seeds(arm: dict[EpisodeId, float]) -> bool:
    """Whether runs share seeds of a kind that has several."""
    kinds = [{e[axis] for e in arm} for axis in (0, 1)]
    return any(1 < len(kind) < len(arm) for kind in kinds)


def _difference(
    a: dict[EpisodeId, float], b: dict[EpisodeId, float], pairs: list[EpisodeId] | None, shared: bool
) -> tuple[Difference | None, str]:
    """The difference, and why it tells nothing where it cannot."""
    keys = [pairs, pairs] if pairs is not None else [list(a), list(b)]
    (x, x_seeds), (y, y_seeds) = (
        (np.array([arm[e] for e in chosen]), np.array(chosen)) for arm, chosen in zip((a, b), keys, strict=True)
    )
    if min(len(x), len(y)) < 2:
        what = "one pair of runs shows" if pairs is not None else "a single run of an arm shows"
        return None, f"{what} no spread, so that nothing tells a change from luck"
    if pairs is not None:
        found = science.clustered_pairs(x, y, x_seeds) if shared else science.flipped(x, y)
        size = counted(len(pairs), "pair")
    else:
        found = science.clustered(x, x_seeds, y, y_seeds) if shared else science.shuffled(x, y)
        size = f"{len(x)} and {len(y)} runs"
    if found.smallest_p is not None and found.smallest_p > 1 - CONFIDENCE:
        least = f"{FEWEST[found.method]} {'pairs' if pairs is not None else 'runs of each'}"
        extreme = f"p = {p_text(found.smallest_p)}"
        return found, f"{size} can never tell: even the most extreme scores give {extreme}. Run at least {least}"
    if found.interval is None:
        return found, "what is compared does not differ between seeds at all, so that nothing shows what they do"
    return found, ""


def _verdict(found: Difference | None, smallest: float | None, *, maximize: bool) -> Verdict:
    if found is None or found.interval is None:
        return Verdict.CANNOT_TELL
    low, high = found.interval
    if low > 0 or high < 0:
        return Verdict.BETTER if (low > 0) == maximize else Verdict.WORSE
    if smallest is not None and max(-low, high) < smallest:
        return Verdict.SMALLER
    return Verdict.CANNOT_TELL


def _best_of(a: Floats, b: Floats, *, maximize: bool) -> tuple[float, float] | None:
    if min(len(a), len(b)) < 2 * BEST_OF:
        return None
    one, other = (expected_best(x.tolist(), BEST_OF, design="full", maximize=maximize) for x in (a, b))
    return one, other


def _deviations(
    a: dict[EpisodeId, float], b: dict[EpisodeId, float], pairs: list[EpisodeId] | None
) -> tuple[float, ...] | None:
    """Of either arm, or of the differences within pairs; None where one is not known."""
    samples = [[b[e] - a[e] for e in pairs]] if pairs is not None else [list(a.values()), list(b.values())]
    if min(map(len, samples)) < 2:
        return None
    return tuple(float(np.std(sample, ddof=1)) for sample in samples)


def _detectable(found: Difference | None) -> float | None:
    if found is None or found.interval is None or found.spread.value == 0:
        return None
    return difference_to_tell(found.spread.value**0.5, found.spread.freedom)


def _needed(found: Difference | None, smallest: float | None, deviations: tuple[float, ...] | None) -> Iterator[Needed]:
    if found is None or deviations is None or not any(deviations):
        return
    # For runs with seeds of their own, as a grid needs more runs for the same.
    least = FEWEST["flipped" if len(deviations) == 1 else "shuffled"]
    for difference in (found.estimate, smallest):
        if difference:
            yield Needed(abs(difference), runs_to_tell(difference, deviations, least, MAX_EPISODES))
