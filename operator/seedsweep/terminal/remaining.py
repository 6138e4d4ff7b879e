"""How long a sweep still takes: steps left to each rung, at the speed seen so far. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from heapq import heapreplace
from itertools import pairwise

from seedsweep.api.checks import rung_evaluation
from seedsweep.engine.facts.budget import Prices, carried_anyway
from seedsweep.engine.layout import Layout, step_of
from seedsweep.engine.observation import Observation
from seedsweep.terminal.board import Board, Row


def time_left(layout: Layout, board: Board, seen: Observation, now: datetime) -> float | None:
    """Seconds until the last survivor ends; None while the speed or the length of an episode is unknown."""
    speed = steps_per_second(seen, now)
    if speed is None or board.evaluations is None or board.steps is None:
        return None
    places = min(seen.parallelism, seen.status.observed_places or seen.parallelism)
    # A cut needs every score of its rung: a wave begins when the one before it has ended.
    return (
        sum(makespan(wave, places) for wave in steps_left(layout, board.rows, board.evaluations, board.steps)) / speed
    )


def steps_per_second(seen: Observation, now: datetime) -> float | None:
    """Mean speed of one place: steps over seconds of all attempts, ended and live, start-up included."""
    steps, seconds = 0, 0.0
    for trained, took in _work_done(seen, now):
        # A clock that was set back between the two ends tells nothing.
        if took > timedelta(0):
            steps += trained
            seconds += took.total_seconds()
    return steps / seconds if steps > 0 and seconds > 0 else None


def _work_done(seen: Observation, now: datetime) -> Iterator[tuple[int, timedelta]]:
    for attempt in (a for status in seen.episodes.values() for a in status.attempts):
        if attempt.start_time is not None and attempt.completion_time is not None:
            took = datetime.fromisoformat(attempt.completion_time) - datetime.fromisoformat(attempt.start_time)
            yield attempt.steps - attempt.steps_at_start, took
    for live in seen.attempts:
        if live.live and live.bound is not None and live.reading is not None:
            yield live.reading.steps_done - live.reading.steps_at_start, now - live.bound


def makespan(work: Iterable[float], places: int) -> float:
    """Time for these pieces of work on so many places, longest first, each whole on one place."""
    ends = [0.0] * max(1, places)
    for piece in sorted(work, reverse=True):
        heapreplace(ends, ends[0] + piece)
    return max(ends)


def steps_left(layout: Layout, rows: Sequence[Row], evaluations: int, steps: int) -> list[list[float]]:
    """Steps to go, a list per wave: those in the race to their next rung, then as many as each cut keeps.

    Brackets are laid side by side, for they share the places.
    """
    waves: list[list[float]] = [[] for _ in range(1 + max(len(ladder) for ladder in layout.rungs))]
    for bracket, ladder in enumerate(layout.rungs):
        at = [step_of(rung_evaluation(rung.at_percent, evaluations), evaluations, steps) for rung in ladder]
        ends = [*at, steps]
        racing = [r for r in rows if layout.bracket_of[r.episode] == bracket and not r.settled]
        if layout.floor is not None:
            # Which of the others the budget carries is not known yet.
            sure = set(layout.episodes[: carried_anyway(layout, Prices.of(layout, evaluations, steps))])
            racing = [r for r in racing if r.live or r.progress > 0 or r.episode in sure]
        made = max((row.passed for row in racing), default=len(ladder))
        for row in racing:
            end = ends[row.passed] if row.state != "audited" else steps
            waves[0].append(max(0.0, end - row.progress * steps))
        kept = ladder[made:]
        for wave, (rung, (start, end)) in enumerate(zip(kept, pairwise(ends[made:]), strict=True), start=1):
            waves[wave] += [float(end - start)] * min(rung.keep, len(racing))
    return waves
