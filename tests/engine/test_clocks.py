"""Times on record are those of a clock that may have been set since, or of another: none of them holds a sweep up."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.situations import ended, entry, look, on_record, running, study
from engine.trainees import moment, seconds
from seedsweep.api.core.objects import Condition
from seedsweep.api.episode import EndReason, StopReason
from seedsweep.api.recorded import timestamp
from seedsweep.api.status import SweepStatus

HOURS = 7200
ONE = study(1, (3, 1))
BOTH_WAYS = pytest.mark.parametrize("off", [-HOURS, HOURS], ids=["2 h behind", "2 h ahead"])


def at(second):
    return timestamp(moment(second))


def began_at(second, **fields):
    return {0: on_record(0.1, attempts=[entry("uid-0", **fields).evolve(start_time=at(second))])}


# --- when an attempt got its place


def test_when_an_attempt_got_its_place_stays_as_it_was_first_recorded():
    later = ended(running(0, 0.1, bound=moment(80)), EndReason.INTERRUPTED, at=90)
    attempt = look(ONE, later, records=began_at(20)).recorded(0).attempts[0]
    assert (attempt.start_time, attempt.gpu_seconds) == (at(20), 70.0)


def test_it_is_not_forgotten_by_a_world_that_does_not_know_it():
    unplaced = ended(running(0, bound=None), EndReason.INTERRUPTED)
    assert look(ONE, unplaced, records=began_at(20)).recorded(0).attempts[0].start_time == at(20)


def test_gpu_seconds_of_an_attempt_are_the_same_after_a_restart_of_the_operator():
    before = look(ONE, running(0, 0.1, bound=moment(20)), records=began_at(20)).status.cost
    after = look(ONE, running(0, 0.1, bound=moment(90)), records=began_at(20)).status.cost
    assert (before.gpu_seconds, after.gpu_seconds) == (80.0, 80.0)


def test_gpu_seconds_are_not_counted_from_a_time_that_is_still_to_come():
    seen = running(0, 0.1, bound=moment(90))
    assert look(ONE, seen, records=began_at(20 + HOURS)).status.cost.gpu_seconds == 10.0


def test_nor_from_one_before_the_end_of_the_attempt_before():
    earlier = entry("a", EndReason.INTERRUPTED, at=30)
    behind = on_record(0.1, attempts=[earlier, entry("uid-0").evolve(start_time=at(40 - HOURS))])
    assert look(ONE, running(0, 0.1, bound=moment(90)), records={0: behind}).status.cost.gpu_seconds == 10.0


@pytest.mark.parametrize("held", [0, 17])
def test_what_its_node_measured_counts_before_all(held):
    seen = replace(ended(running(0, 0.1), EndReason.INTERRUPTED), held=timedelta(seconds=held))
    assert look(ONE, seen, records=began_at(0)).recorded(0).attempts[0].gpu_seconds == held


# --- waits


@BOTH_WAYS
def test_a_back_off_lasts_no_longer_than_its_own_length(off):
    failed = on_record(attempts=[entry("a", EndReason.FAILED, at=100 + off)])
    assert [i for i, _ in look(ONE, records={0: failed}, now=100).starts] == [0]


def test_a_deadline_is_never_further_away_than_its_own_length():
    layout = study(1, (3, 1), activeDeadlineSeconds=600)
    ahead = SweepStatus(start_time=at(100 + HOURS), evaluations=10, steps=100)
    todo = look(layout, running(0, 0.1), status=ahead, now=100)
    assert todo.look_again_in == seconds(600)
    assert todo.status.start_time == at(100), "set right, or it would move on with every turn"
    assert look(layout, running(0, 0.1), status=todo.status, now=700).condition("Failed").status == "True"


@BOTH_WAYS
def test_a_suspension_never_takes_time_away_from_a_deadline(off):
    held = Condition(type="Suspended", status="True", reason="SuspendRequested", last_transition_time=at(100 + off))
    status = SweepStatus(start_time=at(0), conditions=[held], evaluations=10, steps=100)
    todo = look(ONE, status=status, suspend=True, now=100)
    assert todo.condition("Suspended").last_transition_time == at(min(100 + off, 100))
    assert look(ONE, status=status, now=100).status.suspended_seconds == max(0.0, -off)


def test_a_suspension_in_which_a_sweep_was_over_counts_once():
    """Suspended from 10 s on, over at 30 s, with more seeds since 80 s, resumed at 100 s."""
    held = Condition(type="Suspended", status="True", reason="SuspendRequested", last_transition_time=at(10))
    over = SweepStatus(start_time=at(0), completion_time=at(30), conditions=[held], evaluations=10, steps=100)
    grown = look(ONE, status=over, suspend=True, now=80)
    assert (grown.status.completion_time, grown.status.suspended_seconds) == (None, 0.0)
    assert look(ONE, status=grown.status, now=100).status.suspended_seconds == 90.0


def test_a_sweep_that_was_over_and_is_suspended_when_it_gets_more_seeds_was_idle_in_between():
    over = SweepStatus(start_time=at(0), completion_time=at(30), evaluations=10, steps=100)
    grown = look(ONE, status=over, suspend=True, now=80)
    assert grown.status.suspended_seconds == 50.0
    assert look(ONE, status=grown.status, now=100).status.suspended_seconds == 70.0


def test_the_end_of_a_sweep_is_not_in_the_future():
    layout = study(1, (3, 1), ours=False, activeDeadlineSeconds=10)
    over = look(layout, records=began_at(0, reason=EndReason.STOPPED, stop=StopReason.DEADLINE), now=100)
    assert over.finished
    again = over.status.evolve(completion_time=at(100 + HOURS))
    assert look(
        layout, status=again, records=began_at(0, reason=EndReason.STOPPED), now=100
    ).status.completion_time == at(100)


def test_the_pace_of_an_attempt_is_that_of_its_whole_time():
    layout = study(2, (5, 1), parallelism=1, scrape={"intervalSeconds": 10})
    reads = {}
    for bound in (0, 190):
        attempt = running(0, *(4 * [0.1]), level="L1", bound=moment(bound), progressed=moment(200))
        reads[bound] = look(layout, attempt, records=began_at(0), now=201)
    assert reads[0].look_again_in == reads[190].look_again_in
    assert reads[0].read_often == reads[190].read_often == frozenset()
