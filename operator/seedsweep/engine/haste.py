"""Which attempts are worth reading more often, since others wait for the GPUs that they hold."""

from datetime import timedelta

from seedsweep.engine.draft import Draft
from seedsweep.engine.observation import SeenAttempt
from seedsweep.engine.race import Need, Race

OFTEN = 5
"""Times in one `spec.scrape.intervalSeconds`."""
_AHEAD = 2
"""Intervals before an attempt is expected at its rung: its pace is known only as exactly as it is read."""

_PATIENCE = 2
"""Evaluations past its rung in which its checkpoint there should have come."""


def read_often(draft: Draft, race: Race) -> frozenset[str]:
    """UIDs of the attempts that are about to reach a rung at which nobody told them to stop, while others wait.

    What such an attempt trains between its rung and the reading that shows it may be for nothing.
    """
    waited_for = any(a.bound is None for a in draft.live.values()) or any(
        s.need in (Need.RUNG, Need.END) and e not in draft.live for e, s in race.standings.items()
    )
    return frozenset(a.uid for a in draft.live.values() if waited_for and _nears_its_rung(draft, race, a))


def _nears_its_rung(draft: Draft, race: Race, attempt: SeenAttempt) -> bool:
    standing, reading = race.standings.get(attempt.episode), attempt.reading
    if attempt.stopping or attempt.uid in draft.stopped or standing is None or reading is None:
        return False
    if standing.need not in (Need.RUNG, Need.FATE) or standing.goal is None or reading.checkpoint >= standing.goal:
        return False
    if attempt.heeds_stop_after or (standing.need is Need.FATE and not draft.seen.resumable):
        return False
    to_go = standing.goal - len(reading.scores)
    if to_go <= 0:
        # Where no checkpoint comes soon, none may ever come.
        return to_go >= -_PATIENCE
    pace = _pace(draft, attempt)
    if pace is None:
        return False
    assert attempt.progressed is not None  # where there is a pace
    interval = timedelta(seconds=draft.layout.spec.scrape.interval_seconds)
    moment = attempt.progressed + to_go * pace - _AHEAD * interval
    draft.wake_at(moment)
    return draft.now >= moment


def _pace(draft: Draft, attempt: SeenAttempt) -> timedelta | None:
    """Time from one evaluation to the next, its start-up spread over them; None before its first."""
    placed = draft.placed_at(attempt)
    if attempt.reading is None or placed is None or attempt.progressed is None:
        return None
    made = len(attempt.reading.scores) - draft.begun_at(attempt)
    return (attempt.progressed - placed) / made if made > 0 else None
