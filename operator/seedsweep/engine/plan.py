"""`plan`: from what is on record and what lives to what to record, to do and to say. Pure, and whole each time."""

from datetime import datetime, timedelta

from seedsweep.api.episode import StopReason
from seedsweep.api.status import INVALID
from seedsweep.engine.census import episode_state, take_census
from seedsweep.engine.conditions import Outlook, evaluate_status, note_refusal, start_time, suspended_for, transitions
from seedsweep.engine.decisions import Plan, Prune
from seedsweep.engine.draft import Draft
from seedsweep.engine.haste import read_often
from seedsweep.engine.layout import Layout
from seedsweep.engine.ledger import absorb_attempts
from seedsweep.engine.length import agree_on_length
from seedsweep.engine.observation import Housekeeping, Observation
from seedsweep.engine.places import Waits, allot, observed_places, stop_everything, stop_settled
from seedsweep.engine.race import Race, run_race
from seedsweep.engine.result import HAND_OVER_FAILED, Failure, conclude, find_best, find_failure
from seedsweep.engine.stalls import find_stall
from seedsweep.engine.storage import note_freed, prune, warm_up


def plan(layout: Layout, seen: Observation, now: datetime) -> Plan:
    """All that follows from one observation.

    The same layout, observation and time give the same plan. What it decides rests on recorded facts
    alone; what it records comes before what it decides. With a new cut, or more news than one turn takes in,
    it only records, and asks to be called again at once.
    """
    draft = Draft(layout, seen, now)
    failure = agree_on_length(draft)
    absorb_attempts(draft)
    note_freed(draft)
    race = run_race(draft)
    if draft.only_records:
        _update_states(draft)
        status = note_refusal(draft, race, seen.status.evolve(evaluations=draft.evaluations, steps=draft.steps))
        events = (*draft.events, *transitions(seen.status, status))
        return Plan(draft.records(), (), status, events, look_again_in=timedelta(0))
    census = take_census(draft, race)
    failure = failure or _lasting_failure(draft) or find_failure(draft, race, census) or _deadline(draft, race)
    places = observed_places(draft, race)
    waits = Waits()
    often: frozenset[str] = frozenset()
    warming = False
    if failure is not None:
        waits = stop_everything(draft, StopReason.DEADLINE if failure[0] == "DeadlineExceeded" else StopReason.FINISHED)
    elif not (warming := warm_up(draft)):
        stop_settled(draft, race)
        waits = allot(draft, race, 0 if seen.suspend else _effective(seen.parallelism, places), places)
        often = read_often(draft, race)
    found = find_best(draft)
    winner = found[0] if found is not None else None
    settled = not race.standings and not draft.frozen
    ending = settled or failure is not None
    handed_over = conclude(draft, race, winner) if ending else False
    left = prune(draft, race, winner, failing=failure is not None)
    housekeeping = seen.housekeeping or Housekeeping()
    over = ending and handed_over and not draft.live and not draft.frozen and (left == 0 or housekeeping.exhausted)
    stall = None
    if not over:
        stall = find_stall(draft, race, waits, starting=failure is None and not warming, chores=warming or settled)
    outlook = Outlook(
        census=census,
        best=found[1] if found is not None else None,
        failure=failure,
        settled=settled,
        over=over,
        left=left,
        warming=warming,
        observed_places=places,
        stall=stall,
        for_retry=waits.for_retry,
    )
    status = evaluate_status(draft, race, outlook)
    _update_states(draft)
    wait = None if draft.next_look is None else max(draft.next_look - now, timedelta(0))
    begins_to_fail = failure is not None and not _is_on_record(draft, failure)
    asked = housekeeping.freeing or (seen.housekeeping is not None and _prunes(draft))
    news = draft.written() or _prunes(draft) or begins_to_fail
    if ending and left and not over and not asked and news:
        # What is freed at once is freed by then, and a failure on record.
        wait = timedelta(0)
    if begins_to_fail and not draft.frozen.keys().isdisjoint(draft.live):
        # What stops those whose own record cannot be written is on record by then.
        wait = timedelta(0)
    return Plan(
        records=draft.records(),
        decisions=tuple(draft.decisions),
        status=status,
        events=(*draft.events, *transitions(seen.status, status)),
        look_again_in=wait,
        read_often=often,
        finished=outlook.over,
    )


def _prunes(draft: Draft) -> bool:
    return any(isinstance(decision, Prune) for decision in draft.decisions)


def _lasting_failure(draft: Draft) -> Failure | None:
    """A sweep that failed stays failed, but for a spec that an edit has mended and a hand-over that is tried again."""
    failed = draft.seen.status.condition("Failed")
    if failed is None or failed.status != "True" or failed.reason in (INVALID, HAND_OVER_FAILED):
        return None
    return failed.reason, failed.message


def _is_on_record(draft: Draft, failure: Failure) -> bool:
    failed = draft.seen.status.condition("Failed")
    return failed is not None and failed.status == "True" and failed.reason == failure[0]


def _deadline(draft: Draft, race: Race) -> Failure | None:
    limit = draft.layout.spec.active_deadline_seconds
    # Not only once it is on record: where nothing ever begins, no later turn would set the alarm.
    started = start_time(draft)
    if limit is None or started is None or not race.standings:
        return None
    suspended = draft.seen.status.suspended_seconds + suspended_for(draft)
    deadline = draft.past(started) + timedelta(seconds=limit + suspended)
    if draft.now >= deadline:
        return "DeadlineExceeded", f"activeDeadlineSeconds: {limit} have passed; the best so far is kept"
    if not draft.seen.suspend:
        draft.wake_at(deadline)
    return None


def _effective(parallelism: int, observed: int | None) -> int:
    # One more than there are: a Pending pod tells the autoscaler or the queue that more would be used.
    return parallelism if observed is None else min(parallelism, observed + 1)


def _update_states(draft: Draft) -> None:
    """Bring the `state` column of the records that are written anyway up to date."""
    for episode in draft.written():
        status = draft.status(episode)
        state = episode_state(draft, episode)
        if status.state != state:
            draft.statuses[episode] = status.evolve(state=state)
