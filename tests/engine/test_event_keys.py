"""What tells one occurrence of an event from another, so that each is told once, whoever tells it."""

from dataclasses import replace

from engine.situations import ended, entry, look, on_record, running, study
from engine.trainees import moment
from seedsweep.api.episode import EndReason
from seedsweep.api.recorded import timestamp
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import Event, Plan
from seedsweep.engine.status.conditions import transitions


def told(todo: Plan, reason: str) -> Event:
    [event] = [event for event in todo.events if event.reason == reason]
    return event


def test_two_attempts_that_begin_alike_are_told_apart_and_one_that_is_seen_twice_is_not() -> None:
    layout = study(4, (3, 2))
    first, second = (told(look(layout, replace(running(0), uid=uid)), "Started") for uid in ("one", "two"))
    assert first.message == second.message
    assert first.key != second.key
    assert first == told(look(layout, replace(running(0), uid="one"), now=500), "Started")


def test_two_attempts_that_end_alike_are_told_apart() -> None:
    layout, keys = study(4, (3, 2)), []
    for uid in ("one", "two"):
        attempt = ended(replace(running(0, 0.5), uid=uid), EndReason.INTERRUPTED)
        record = on_record(0.5, attempts=[entry(uid)])
        keys.append(told(look(layout, attempt, records={0: record}), "Interrupted").key)
    assert keys == ["one", "two"]


def test_a_suspension_is_told_apart_from_the_one_before_and_by_whoever_reads_the_status() -> None:
    layout = study(4, (3, 2))
    events = []
    for now in (100, 200):
        todo = look(layout, suspend=True, now=now)
        events.append(told(todo, "Suspended"))
        assert [e for e in transitions(SweepStatus(), todo.status) if e.reason == "Suspended"] == events[-1:]
    assert [event.key for event in events] == [timestamp(moment(now)) for now in (100, 200)]
