"""`plan`: from what is on record and what lives to what to record, to do and to say. Pure, and whole each time."""

from datetime import datetime, timedelta

from seedsweep.engine.decisions import Failure, Plan
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.attempt_records import record_attempts
from seedsweep.engine.facts.best import record_best, record_lost_weights, record_missing_weights
from seedsweep.engine.facts.episode_length import agree_on_length
from seedsweep.engine.facts.evidence import record_evidence
from seedsweep.engine.facts.floors import record_floor
from seedsweep.engine.facts.freed import record_freed
from seedsweep.engine.facts.rungs import record_rungs
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation
from seedsweep.engine.policies.allotment import allot, stop_all
from seedsweep.engine.policies.places import Places, Waits, read_waits, read_waits_at_the_end
from seedsweep.engine.policies.scrape_pace import read_scrape_pace
from seedsweep.engine.policies.storage import decide_closing, decide_comparisons, decide_warm_up
from seedsweep.engine.questions.capacity import Capacity, read_capacity
from seedsweep.engine.questions.census import episode_state, take_census
from seedsweep.engine.questions.closing import Closing, read_closing, waits_for_records
from seedsweep.engine.questions.deadline import deadline_failure, find_deadline
from seedsweep.engine.questions.result import find_failure, is_on_record
from seedsweep.engine.questions.standings import Race, read_floor_race, read_race
from seedsweep.engine.questions.storage import is_warming_up
from seedsweep.engine.status.conditions import Outlook, evaluate_status, note_refusal, transitions
from seedsweep.engine.status.stalls import find_stall


def plan(layout: Layout, seen: Observation, now: datetime) -> Plan:
    """All that follows from one observation.

    The same layout, observation and time give the same plan. What it decides rests on recorded facts
    alone; what it records comes before what it decides. With a new cut it only records; with more news than one
    turn takes in it decides about the episodes whose news does not wait. Then it asks to be called again at once.
    """
    draft = Draft(layout, seen, now)

    # 1. Facts: what is put on record.
    disagreement = agree_on_length(draft)
    record_attempts(draft)
    record_freed(draft)
    record_evidence(draft)
    race = _record_stops(draft)
    record_best(draft, race.limits)
    record_lost_weights(draft)
    record_missing_weights(draft, race.limits, race.survivors)
    if draft.only_records:
        return _plan_to_record(draft, race)

    # 2. Questions: what follows from it.
    census = take_census(draft, race)
    deadline = find_deadline(draft, race)
    failure = disagreement or find_failure(draft, race, census) or deadline_failure(draft, deadline)
    capacity = read_capacity(draft, race)
    warming = failure is None and is_warming_up(draft)
    closing = read_closing(draft, race, failure)

    # 3. Decisions: who stops and starts, what becomes of the storage.
    waits, often = Waits(), frozenset[str]()
    if failure is not None:
        stop_all(draft, failure)
        waits = read_waits_at_the_end(draft)
    elif warming:
        decide_warm_up(draft)
    else:
        waits, often = _allot(draft, race, capacity)
    draft.wake_at(waits.look_again)
    decide_closing(draft, closing)
    decide_comparisons(draft, closing)
    _note_capacity(draft, capacity)
    if failure is None and not seen.suspend:
        draft.wake_at(deadline)

    # 4. Status: what people read.
    stall = None
    if not closing.over:
        chores = warming or closing.settled
        stall = find_stall(draft, race, waits, starting=failure is None and not warming, chores=chores)
    outlook = Outlook(census, failure, closing, warming, capacity.gpus, stall, waits.for_retry)
    status = evaluate_status(draft, race, outlook)
    _record_states(draft, race)
    return Plan(
        records=draft.records(),
        decisions=tuple(draft.decisions),
        status=status,
        events=(*draft.events, *transitions(seen.status, status)),
        look_again_in=_look_again_in(draft, closing, failure),
        read_often=often,
        finished=closing.over,
    )


def _record_stops(draft: Draft) -> Race:
    """What can be decided at the rungs and at the floor, and how the race stands then."""
    floor = draft.layout.floor
    return (
        read_race(draft, record_rungs(draft)) if floor is None else read_floor_race(draft, record_floor(draft, floor))
    )


def _plan_to_record(draft: Draft, race: Race) -> Plan:
    """Facts alone: the next turn, which is due at once, decides."""
    _record_states(draft, race)
    before = draft.seen.status
    status = note_refusal(draft, race, before.evolve(evaluations=draft.evaluations, steps=draft.steps))
    events = (*draft.events, *transitions(before, status))
    return Plan(draft.records(), (), status, events, look_again_in=timedelta(0))


def _allot(draft: Draft, race: Race, capacity: Capacity) -> tuple[Waits, frozenset[str]]:
    """Ask the policies; returns what waits, and whose metrics are worth reading more often."""
    places = Places.of(draft, race, capacity.gpus)
    allot(places)
    pace = read_scrape_pace(draft, race)
    draft.wake_at(places.look_again, pace.look_again)
    return read_waits(places), pace.often


def _note_capacity(draft: Draft, capacity: Capacity) -> None:
    draft.wake_at(capacity.look_again)
    if capacity.news is not None:
        draft.events.append(capacity.news)


def _record_states(draft: Draft, race: Race) -> None:
    """Bring the `state` column of the records that are written anyway up to date."""
    survivors = frozenset(race.survivors)
    for episode in draft.written():
        status = draft.status(episode)
        state = episode_state(draft, episode, survivors)
        if status.state != state:
            draft.statuses[episode] = status.evolve(state=state)


def _look_again_in(draft: Draft, closing: Closing, failure: Failure | None) -> timedelta | None:
    begins_to_fail = failure is not None and not is_on_record(draft, failure)
    if draft.postponed or waits_for_records(draft, closing, begins_to_fail):
        return timedelta(0)
    return None if draft.next_look is None else max(draft.next_look - draft.now, timedelta(0))
