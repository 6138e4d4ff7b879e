"""Attempts whose node is gone: given up once nobody is left to end them, and started again elsewhere."""

from dataclasses import replace

import pytest

from engine.situations import ended, entry, look, on_record, running, study
from engine.trainees import moment, seconds
from seedsweep.api.episode import EndReason, Interruption, StopReason
from seedsweep.engine.decisions import RecordEpisode, StartEpisode, StopAttempt
from seedsweep.engine.policies.stops import LOST_AFTER

ONE = study(1, (3, 1), backoffLimitPerEpisode=0, progressDeadlineSeconds=600)
LATE = 100 + int(LOST_AFTER.total_seconds())
TAKEN = replace(running(0, 0.5, node="node-7"), stopping=True, due=moment(100), given_up=True)


def test_a_pod_taken_from_a_node_that_does_not_end_it_is_given_up_with_the_reason_on_record_first():
    assert look(ONE, TAKEN, now=LATE - 1).stops == []
    todo = look(ONE, TAKEN, now=LATE)
    assert [d.force for d in todo.of_kind(StopAttempt)] == [True]
    assert todo.recorded(0).attempts[0].stop == StopReason.NODE_LOST
    assert todo.starts == []


def test_the_moment_at_which_it_is_given_up_is_waited_for():
    assert look(ONE, TAKEN, now=LATE - 10).look_again_in == seconds(10)


def test_its_next_attempt_starts_elsewhere_and_spends_no_budget():
    lost = on_record(0.5, attempts=[entry("uid-0", stop=StopReason.NODE_LOST, node="node-7")])
    gone = replace(ended(running(0, 0.5, node="node-7"), EndReason.INTERRUPTED, message="DeletionByTaintManager"))
    todo = look(ONE, gone, records={0: lost})
    attempt = todo.recorded(0).attempts[0]
    assert (attempt.reason, attempt.interruption) == (EndReason.INTERRUPTED, Interruption.NODE_LOST)
    assert attempt.message == "its node node-7 was lost: DeletionByTaintManager"
    (start,) = todo.of_kind(StartEpisode)
    assert start.avoid_node == "node-7"


def test_one_that_was_told_to_end_by_us_keeps_our_reason():
    paused = on_record(0.5, attempts=[entry("uid-0", stop=StopReason.PAUSED)])
    todo = look(ONE, TAKEN, records={0: paused}, now=LATE)
    assert [d.force for d in todo.of_kind(StopAttempt)] == [True]
    assert StopReason.NODE_LOST not in {
        a.stop for r in todo.records if isinstance(r, RecordEpisode) for a in r.status.attempts
    }


def test_one_whose_node_says_nothing_at_all_is_given_up_after_as_long_as_any_may_be_without_progress():
    unclaimed = replace(TAKEN, given_up=False)
    waiting = look(ONE, unclaimed, now=699)
    assert waiting.stops == []
    assert waiting.condition("Stalled").reason == "NodeSilent"
    assert look(ONE, unclaimed, now=700).stops == [(0, StopReason.NODE_LOST)]


def test_one_that_never_got_a_node_is_nobodys_to_give_up_and_says_what_holds_it():
    todo = look(ONE, replace(TAKEN, bound=None, held_by="queue.io/held"), now=10_000)
    assert todo.stops == []
    assert todo.condition("Stalled").reason == "PodHeld"
    assert "the finalizers queue.io/held hold it" in todo.condition("Stalled").message


HELD = replace(TAKEN, given_up=False, held_by="queue.io/held", due=moment(100))


@pytest.mark.parametrize("others", [(), (running(1, 0.5),)], ids=["no other trains", "another waits"])
def test_a_running_pod_that_a_finalizer_holds_is_told_soon_after_its_grace_where_others_need_its_place(others):
    layout = study(3, parallelism=1 + len(others))
    before = look(layout, HELD, *others, now=109)
    assert (before.condition("Stalled").status, before.look_again_in) == ("False", seconds(1))
    stalled = look(layout, HELD, *others, now=110).condition("Stalled")
    assert (stalled.status, stalled.reason) == ("True", "PodHeld")
    assert "wi0-do0: its pod was deleted, but the finalizers queue.io/held hold it" in stalled.message


def test_while_others_start_beside_it_nobody_is_told_of_a_finalizer_for_a_while():
    layout = study(3, parallelism=3)
    assert look(layout, HELD, running(1, 0.5), running(2, 0.5), now=129).condition("Stalled").status == "False"
    assert look(layout, HELD, running(1, 0.5), running(2, 0.5), now=130).condition("Stalled").reason == "PodHeld"


def test_a_failed_sweep_says_which_pod_it_waits_for():
    late = study(1, activeDeadlineSeconds=50)
    todo = look(late, HELD, now=110)
    assert todo.condition("Failed").status == "True"
    assert todo.condition("Stalled").reason == "PodHeld"


def test_a_node_that_fell_silent_is_told_and_waited_for():
    todo = look(ONE, running(0, 0.5, node="node-7", silent_since=moment(90)))
    assert todo.stops == []
    stalled = todo.condition("Stalled")
    assert (stalled.status, stalled.reason) == ("True", "NodeSilent")
    assert "node-7" in stalled.message


def test_a_trainer_on_a_silent_node_is_not_to_blame_for_its_standstill():
    attempt = running(0, 0.5, progressed=moment(40), silent_since=moment(90))
    assert look(ONE, attempt, now=640).stops == [(0, StopReason.NODE_LOST)]
    assert look(ONE, replace(attempt, silent_since=None), now=640).stops == [(0, StopReason.STUCK)]


def test_a_sweep_that_is_over_does_not_wait_for_a_lost_node_for_ever():
    layout = study(1, (3, 1), activeDeadlineSeconds=10)
    stopped = on_record(0.5, attempts=[entry("uid-0", stop=StopReason.DEADLINE)])
    todo = look(layout, TAKEN, records={0: stopped}, now=LATE)
    assert todo.stops == [(0, StopReason.NODE_LOST)]


@pytest.mark.parametrize(
    ("kind", "avoided"),
    [
        (Interruption.NODE_PRESSURE, "node-7"),
        (Interruption.NODE_SHUTDOWN, "node-7"),
        (Interruption.NOT_ADMITTED, "node-7"),
        (Interruption.TERMINATED, "node-7"),
        (Interruption.PREEMPTED, None),
        (Interruption.DELETED, None),
    ],
)
def test_a_node_is_avoided_where_it_would_do_the_same_again(kind: Interruption, avoided: str | None):
    before = ended(running(0, 0.5, node="node-7"), EndReason.INTERRUPTED, interruption=kind)
    (start,) = look(ONE, before).of_kind(StartEpisode)
    assert start.avoid_node == avoided


def test_interruptions_are_counted_by_kind():
    kinds = [Interruption.PREEMPTED, Interruption.NODE_LOST, Interruption.PREEMPTED]
    attempts = [entry(f"a{i}", EndReason.INTERRUPTED, interruption=kind) for i, kind in enumerate(kinds)]
    todo = look(ONE, records={0: on_record(0.5, attempts=attempts)})
    assert {count.kind: count.attempts for count in todo.status.interruptions} == {"NodeLost": 1, "Preempted": 2}
