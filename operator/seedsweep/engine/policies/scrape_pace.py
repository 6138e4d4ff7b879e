"""Which attempts are worth reading more often, since others wait for the GPUs that they hold."""

from datetime import datetime, timedelta
from typing import NamedTuple

from seedsweep.engine.draft import Draft
from seedsweep.engine.observation import SeenAttempt
from seedsweep.engine.questions.standings import Need, Race, Standing

OFTEN = 5
"""Times in one `spec.scrape.intervalSeconds`."""
_AHEAD = 2
"""Intervals before an attempt is expected at its rung: its pace is known only as exactly as it is read."""

_PATIENCE = 2
"""Evaluations past its rung in which its checkpoint there should have come."""


class ScrapePace(NamedTuple):
    """Who is read more often."""

    often: frozenset[str]
    """UIDs of attempts."""
    look_again: datetime | None
    """When the next one joins them."""


def read_scrape_pace(draft: Draft, race: Race) -> ScrapePace:
    """More often: attempts about to reach a floor, or a rung at which nobody told them to stop, while others wait.

    What such an attempt trains between its rung and the reading that shows it may be for nothing. Of who falls below a
    floor it always is: its fall is what the next seed waits for.
    """
    waited_for = any(a.bound is None for a in draft.live.values()) or any(
        s.need in (Need.RUNG, Need.END) and e not in draft.live for e, s in race.standings.items()
    )
    near = [a for a in draft.live.values() if waited_for or _floor_ahead(draft, a) is not None]
    since = {a.uid: _nears_its_rung_at(draft, race, a) for a in near}
    often = frozenset(uid for uid, at in since.items() if at is not None and at <= draft.now)
    return ScrapePace(often, min((at for at in since.values() if at is not None and at > draft.now), default=None))


def _nears_its_rung_at(draft: Draft, race: Race, attempt: SeenAttempt) -> datetime | None:
    """From when on it is worth more readings, as far as its pace tells; None where it is not."""
    standing, reading = race.standings.get(attempt.episode), attempt.reading
    if attempt.stopping or attempt.uid in draft.stopped or standing is None or reading is None:
        return None
    floor = _floor_ahead(draft, attempt)
    goal = floor if floor is not None else _rung_ahead(draft, standing, attempt)
    if goal is None or reading.checkpoint >= goal:
        return None
    to_go = goal - len(reading.scores)
    if to_go <= 0:
        # Where no checkpoint comes soon, none may ever come.
        return draft.now if to_go >= -_PATIENCE else None
    pace = _pace(draft, attempt)
    if pace is None:
        return None
    assert attempt.progressed is not None  # where there is a pace
    interval = timedelta(seconds=draft.layout.spec.scrape.interval_seconds)
    return attempt.progressed + to_go * pace - _AHEAD * interval


def _floor_ahead(draft: Draft, attempt: SeenAttempt) -> int | None:
    """Evaluation of the floor that it has yet to come to; None where none is ahead, or where it stops there anyway."""
    if draft.layout.floor is None or draft.evaluations is None or draft.status(attempt.episode).rung_scores:
        return None
    floor = draft.layout.rung_evaluations(draft.evaluations)[0][0]
    return None if attempt.heeds_stop_after and attempt.stop_after == floor else floor


def _rung_ahead(draft: Draft, standing: Standing, attempt: SeenAttempt) -> int | None:
    """Evaluation of the rung at which others decide about it; None where it stops there by itself, or waits anyway."""
    if attempt.heeds_stop_after or (standing.need is Need.CUT and not draft.seen.resumable):
        return None
    return standing.goal if standing.need in (Need.RUNG, Need.CUT) else None


def _pace(draft: Draft, attempt: SeenAttempt) -> timedelta | None:
    """Time from one evaluation to the next, its start-up spread over them; None before its first."""
    placed = draft.placed_at(attempt)
    if attempt.reading is None or placed is None or attempt.progressed is None:
        return None
    made = len(attempt.reading.scores) - draft.begun_at(attempt)
    return (attempt.progressed - placed) / made if made > 0 else None
