"""Whose metrics are read more often: those that may train for nothing until it is known how far they are."""

from dataclasses import replace

from engine.situations import entry, look, on_record, pending, running, study
from engine.trainees import moment, seconds

FOUR = study(4, (5, 2), parallelism=4, waitForCapacitySeconds=10_000)
"""Read every 15 s."""


NEAR = running(0, *[0.5] * 4, progressed=moment(80))
"""It is expected at its rung at 100."""


def often(attempt, *others, now, **fields):
    todo = look(FOUR, attempt, *others, now=now, **fields)
    return sorted(todo.read_often), todo.look_again_in


def test_an_attempt_near_its_rung_is_read_often_while_another_waits_for_a_gpu():
    assert often(NEAR, pending(1), now=80)[0] == ["uid-0"]


def test_two_readings_before_its_rung_are_soon_enough():
    slow = running(0, *[0.5] * 4, progressed=moment(400))
    # It is expected at its rung at 500.
    assert often(slow, pending(1), now=469) == ([], seconds(1))
    assert often(slow, pending(1), now=470)[0] == ["uid-0"]


def test_how_fast_it_trains_is_known_from_where_it_began():
    resumed = running(0, *[0.5] * 4, progressed=moment(100), steps_at_start=30)
    assert often(resumed, pending(1), now=169) == ([], seconds(1))
    assert often(resumed, pending(1), now=170)[0] == ["uid-0"]


def test_nobody_is_read_often_while_every_episode_has_its_gpu():
    others = [running(i, 0.5) for i in (1, 2, 3)]
    assert often(NEAR, *others, now=80)[0] == []


def test_who_stops_at_the_rung_by_itself_needs_no_reading():
    attempt = running(0, *[0.5] * 4, progressed=moment(80), stop_after=5)
    assert often(attempt, pending(1), now=80)[0] == []
    deaf = running(0, *[0.5] * 4, progressed=moment(80), stop_after=5, level="L1")
    assert often(deaf, pending(1), now=80)[0] == ["uid-0"]


def test_past_the_rung_it_is_read_often_until_its_checkpoint_there_is_durable():
    records = {0: on_record(*[0.5] * 5, rungs=(5,), attempts=[entry("uid-0")])}
    unsaved = running(0, *[0.5] * 5, progressed=moment(100), checkpoint=4)
    assert often(unsaved, pending(1), now=101, records=records)[0] == ["uid-0"]
    saved = running(0, *[0.5] * 5, progressed=moment(100), checkpoint=5)
    assert often(saved, pending(1), now=101, records=records)[0] == []


def test_a_checkpoint_that_does_not_come_is_not_waited_for_with_haste():
    records = {0: on_record(*[0.5] * 5, rungs=(5,), attempts=[entry("uid-0")])}
    for evaluations, expected in ((7, ["uid-0"]), (8, [])):
        never = running(0, *[0.5] * evaluations, progressed=moment(100), checkpoint=0)
        assert often(never, pending(1), now=101, records=records)[0] == expected


def test_without_storage_the_score_at_the_rung_is_all_there_is_to_wait_for():
    records = {0: on_record(*[0.5] * 5, rungs=(5,), attempts=[entry("uid-0")])}
    past = running(0, *[0.5] * 5, progressed=moment(100), checkpoint=0)
    assert often(past, pending(1), now=101, records=records, resumable=False)[0] == []


def test_who_is_told_to_end_is_left_alone():
    ending = replace(NEAR, stopping=True)
    assert often(ending, pending(1), now=80)[0] == []


FLOOR = study(4, stopping={"floor": {"atPercent": 50}}, budget=2, parallelism=2)


def test_who_nears_a_floor_is_read_often_even_while_nobody_waits_since_its_fall_starts_the_next_seed():
    nears = running(0, *[0.5] * 4, progressed=moment(80), baseline=0.4, baseline_error=0.1)
    todo = look(FLOOR, nears, running(1, 0.5, progressed=moment(60)), now=80)
    assert todo.read_often == {"uid-0"}


def test_who_is_past_the_floor_needs_no_more_readings_than_others():
    records = {0: on_record(*[0.9] * 5, rungs=(5,), attempts=[entry("uid-0")])}
    past = running(0, *[0.9] * 5, progressed=moment(100), baseline=0.4, baseline_error=0.1)
    todo = look(FLOOR, past, running(1, 0.5, progressed=moment(60)), now=101, records=records)
    assert not todo.read_often


BASELINE = {"baseline": 0.4, "baseline_error": 0.1}
BOTH = study(6, (7, 1), stopping={"floor": {"atPercent": 50}}, budget=3, parallelism=2)
"""Three are carried if none falls."""


def test_who_stops_at_a_rung_by_itself_is_read_often_as_it_nears_the_floor_before_it():
    nears = running(0, *[0.5] * 4, progressed=moment(80), stop_after=7, **BASELINE)
    assert look(BOTH, nears, running(1, 0.5, progressed=moment(60), stop_after=7), now=80).read_often == {"uid-0"}
    records = {0: on_record(*[0.9] * 6, rungs=(5,), attempts=[entry("uid-0")], **BASELINE)}
    past = running(0, *[0.9] * 6, progressed=moment(120), stop_after=7, **BASELINE)
    assert not look(
        BOTH, past, running(1, 0.5, progressed=moment(60), stop_after=7), now=121, records=records
    ).read_often


def test_past_the_floor_it_is_read_often_near_its_rung_while_another_waits():
    records = {0: on_record(*[0.9] * 6, rungs=(5,), attempts=[entry("uid-0")], **BASELINE)}
    past = running(0, *[0.9] * 6, progressed=moment(120), **BASELINE)
    assert look(BOTH, past, running(1, 0.5, progressed=moment(60)), now=121, records=records).read_often == {"uid-0"}
