"""Which curves of a record are drawn one by one, and what the others do together."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedsweep.api.episode import Episode
from seedsweep.engine.layout import Layout
from seedsweep.report.episodes import episode_rows
from seedsweep.report.facts import counting_evaluations
from seedsweep.report.record import Record

ALL_DRAWN = 40
"""Episodes, whose curves can still be told apart."""
DRAWN = 20
"""Of more episodes; as many as Dodge et al. (2020) draw."""
BEST_OF_FULL = 10
"""Episodes that are shown from near where nothing was cut."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Selection:
    """Curves that are drawn."""

    names: frozenset[str]
    of: int
    """All there are."""

    @property
    def all(self) -> bool:
        """Whether none is left out."""
        return len(self.names) == self.of


def drawn_curves(record: Record) -> Selection:
    """All, or of more than can be told apart `DRAWN` at even distances by rank, from the winner to the last."""
    rows = episode_rows(record)
    if len(rows) > ALL_DRAWN:
        ranked = [row for row in rows if row.rank is not None]
        at = {round(i * (len(ranked) - 1) / (DRAWN - 1)) for i in range(DRAWN)} if ranked else set()
        rows = [ranked[i] for i in sorted(at)]
    return Selection(frozenset(row.name for row in rows), len(record.episodes))


def finalists(record: Record) -> tuple[list[Episode], int]:
    """The best of those that no cut stopped, at most ALL_DRAWN, best first, and how many there are in all.

    Of more episodes than BEST_OF_FULL that nothing was cut from, the best so many; none of fewer.
    """
    by_name = {episode.spec.id.name: episode for episode in record.episodes}
    ranked = [by_name[row.name] for row in episode_rows(record) if row.rank is not None]
    if not record.cuts:
        return (ranked[:BEST_OF_FULL], BEST_OF_FULL) if len(ranked) > BEST_OF_FULL else ([], 0)
    kept: dict[int, frozenset[str]] = {}
    for cut in record.cuts:
        # In the order in which they were made: the last one of a bracket stands.
        kept[cut.data.bracket] = cut.data.kept
    uncut = {bracket for bracket, ladder in enumerate(Layout.of(record.sweep).rungs) if not ladder}
    through = [e for e in ranked if e.spec.bracket in uncut or e.spec.id.name in kept.get(e.spec.bracket, frozenset())]
    return through[:ALL_DRAWN], len(through)


def longest(record: Record) -> int:
    """Evaluations of the longest curve."""
    return max((len(episode.status.scores) for episode in record.episodes), default=0)


def counting_scores(record: Record) -> NDArray[np.float64]:
    """(episodes, evaluations): scores that can be the result; NaN where undefined, or not trained so far."""
    scores = np.full((len(record.episodes), longest(record)), math.nan)
    for row, episode in zip(scores, record.episodes, strict=True):
        upto = counting_evaluations(episode)
        row[:upto] = [math.nan if score is None else score for score in episode.status.scores[:upto]]
    return scores


def bands(record: Record) -> list[tuple[float, ...]]:
    """By evaluation: n with a score that counts, and the quantiles of these scores; NaN where n is 0."""
    found: list[tuple[float, ...]] = []
    for column in counting_scores(record).T:
        known = column[np.isfinite(column)]
        quantiles = np.quantile(known, QUANTILES) if known.size else np.full(len(QUANTILES), math.nan)
        found.append((known.size, *quantiles.tolist()))
    return found
