"""The curves of a record's whole runs as arrays, for statistics that need the ends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedsweep.api.episode import Episode
from seedsweep.api.status import SweepStatus
from seedsweep.report.facts import outcome_of
from seedsweep.report.record import Record


@dataclass(frozen=True, slots=True)
class WholeCurves:
    """n runs that were trained to the end or diverged, of E evaluations each, and who is not among them."""

    episodes: tuple[Episode, ...]
    scores: NDArray[np.float64]
    """(n, E); NaN where undefined, and after the end of a run that diverged."""
    losses: NDArray[np.float64] | None
    """(n, E); None where not all tell them."""
    left_out: tuple[Episode, ...]
    """Those that crashed or are not finished."""

    @property
    def diverged(self) -> int:
        """How many of them diverged."""
        return sum(outcome_of(episode) == "Diverged" for episode in self.episodes)


def whole_curves(record: Record) -> WholeCurves:
    """Read them; none where the number of evaluations is not known yet."""
    planned = (record.sweep.status or SweepStatus()).evaluations or 0
    whole = tuple(e for e in record.episodes if planned and _is_whole(e, planned))
    here = {e.spec.id for e in whole}
    told = all(len(e.status.losses) == len(e.status.scores) for e in whole)
    return WholeCurves(
        episodes=whole,
        scores=_curves([e.status.scores for e in whole], planned),
        losses=_curves([e.status.losses for e in whole], planned) if told else None,
        left_out=tuple(e for e in record.episodes if e.spec.id not in here),
    )


def _is_whole(episode: Episode, planned: int) -> bool:
    """One that crashed is none, though it came to its last evaluation."""
    outcome = outcome_of(episode)
    return outcome == "Diverged" or (outcome != "Failed" and len(episode.status.scores) >= planned)


def _curves(values: Sequence[Sequence[float | None]], planned: int) -> NDArray[np.float64]:
    """One a row."""
    curves = np.full((len(values), planned), math.nan)
    for row, curve in zip(curves, values, strict=True):
        row[: len(curve)] = [math.nan if value is None else value for value in curve[:planned]]
    return curves
