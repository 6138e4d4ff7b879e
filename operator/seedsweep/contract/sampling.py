"""Trainers that publish no curve, only how far they are and their latest score: their curve is made of samples.

A sample is held until the next: an evaluation that fell between two scrapes has the score seen last before it, and
one before the first sample has that of the first. What a curve once held never changes.
"""

import math

from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.api.sweep import GaugeNames
from seedsweep.contract.exposition import Samples, ScrapeError, count, defined, single
from seedsweep.contract.protocol import MetricName
from seedsweep.engine.observation import Reading

PERCENT = 100
"""Evaluations of an episode that publishes a share as its progress: one for each percent."""
_ROUNDING = 1e-4
"""Of a percent: 0.29 in float32 is a little less."""


def sample(before: Reading | None, samples: Samples, names: GaugeNames) -> Reading:
    """The curve so far, continued by what the two gauges say now.

    Args:
        before: what the same attempt's scrapes gave so far. The first sample of an evaluation stays.
        samples: with those of both gauges.
        names: of the gauges, where they are not the contract's.

    Raises:
        ScrapeError: a gauge is not there, or its value cannot be.
    """
    planned, done = _progress(samples, names)
    name = names.score or MetricName.SCORE
    score = single(samples, name)
    if score is None:
        raise ScrapeError(f"{name} is not there: publish it from the start, NaN until there is a score")
    known = before.scores if before is not None else ()
    return Reading(
        scores=_extended(known, done, defined(score, name)), evaluations_planned=planned, level="L0", sampled=True
    )


def _extended(known: tuple[float | None, ...], done: int, score: float | None) -> tuple[float | None, ...]:
    if done <= len(known):
        return known[:done]
    if not known and score is None:
        # Not an undefined evaluation but none yet: the first score there is counts for these, too.
        return ()
    held = known[-1] if known else score
    return (*known, *(held,) * (done - len(known) - 1), score)


def _progress(samples: Samples, names: GaugeNames) -> tuple[int, int]:
    """Evaluations planned and done."""
    if names.progress is not None:
        share = single(samples, names.progress)
        if share is None or not math.isfinite(share) or not 0 <= share <= 1:
            raise ScrapeError(f"{names.progress} is {share}, not a share of the episode from 0 to 1")
        return PERCENT, int(PERCENT * share + _ROUNDING)
    planned = count(samples, MetricName.EVALUATIONS_PLANNED) or 0
    done = count(samples, MetricName.EVALUATIONS_DONE)
    if done is None or not done <= planned <= MAX_EVALUATIONS:
        raise ScrapeError(
            f"{MetricName.EVALUATIONS_DONE} is {done} of {MetricName.EVALUATIONS_PLANNED} {planned} (at most "
            f"{MAX_EVALUATIONS}): publish both, or name a gauge from 0 to 1 in spec.trainer.gauges.progress"
        )
    return planned, done
