"""Rules 3 and 10: scarcity that nobody declared, fewer places, suspension and deadlines."""

from datetime import timedelta

import pytest

from engine.situations import ended, entry, look, on_record, pending, running, stopped_at_rung, study
from engine.trainees import moment, seconds
from seedsweep.api.core.objects import Condition
from seedsweep.api.episode import EndReason, StopReason
from seedsweep.api.recorded import timestamp
from seedsweep.api.status import SweepStatus

THREE = study(3, (3, 2), parallelism=3, waitForCapacitySeconds=300)
PAST = {i: on_record(0.1, 0.2, 0.3 + i / 10, rungs=(3,), attempts=[entry(f"uid-{i}")]) for i in range(2)}


def past_the_rung(i, checkpoint=4):
    return running(i, 0.1, 0.2, 0.3 + i / 10, 0.5, checkpoint=checkpoint)


def suspended_status(since, **fields):
    at = timestamp(moment(since))
    held = Condition(type="Suspended", status="True", reason="SuspendRequested", last_transition_time=at)
    return SweepStatus(start_time=timestamp(moment(0)), conditions=[held], evaluations=10, steps=100, **fields)


def test_an_unschedulable_pod_is_left_to_the_autoscaler_for_a_while():
    todo = look(THREE, past_the_rung(0), past_the_rung(1), pending(2, since=0), records=PAST, now=299)
    assert (todo.stops, todo.look_again_in) == ([], seconds(1))
    assert todo.status.observed_places is None


def test_then_the_lowest_past_the_rung_is_paused_and_the_places_are_remembered():
    todo = look(THREE, past_the_rung(0), past_the_rung(1), pending(2, since=0), records=PAST, now=300)
    assert todo.stops == [(0, StopReason.PAUSED)]
    assert todo.recorded(0).attempts[0].stop == StopReason.PAUSED
    assert todo.status.observed_places == 2


def test_a_pod_behind_the_gate_of_a_queue_is_no_evidence_of_scarcity():
    todo = look(THREE, past_the_rung(0), past_the_rung(1), pending(2, since=None), records=PAST, now=1500)
    assert todo.stops == []


AT_THE_GATE = pending(0, since=None, gated=True, trouble="SchedulingGated")


def test_people_are_told_of_a_gate_once_a_pod_has_not_passed_it_within_a_moment():
    layout = study(1, (3, 1))
    first = look(layout, AT_THE_GATE, now=9)
    assert (first.condition("Stalled").status, first.look_again_in) == ("False", seconds(1))
    stalled = look(layout, AT_THE_GATE, now=10).condition("Stalled")
    assert (stalled.status, stalled.reason, stalled.message) == ("True", "Queued", "wi0-do0: SchedulingGated")


def test_a_pod_that_comes_to_the_gate_does_not_hide_one_that_waits_there():
    layout = study(2, (3, 1), parallelism=2)
    later = pending(1, since=None, gated=True, trouble="SchedulingGated", created=moment(25))
    assert look(layout, later, AT_THE_GATE, now=30).condition("Stalled").message == "wi0-do0: SchedulingGated"


def test_nobody_is_paused_while_all_who_run_have_yet_to_reach_the_rung():
    todo = look(THREE, running(0, 0.1), running(1, 0.1), pending(2, since=0), now=300)
    assert todo.stops == []


def test_a_pod_that_has_only_just_begun_to_wait_may_still_get_the_place_that_is_changing_hands():
    layout = study(4, (3, 2), parallelism=4, waitForCapacitySeconds=300)
    attempts = (past_the_rung(0), past_the_rung(1), pending(2, since=0), pending(3, since=295))
    todo = look(layout, *attempts, records=PAST, now=300)
    assert len(todo.stops) == 1, "only for the one that has waited in vain"
    assert todo.status.observed_places == 3
    assert look(layout, *attempts, records=PAST, now=595).stops != []


def test_pods_that_begin_to_wait_now_and_then_do_not_hide_that_gpus_are_few():
    layout = study(6, (3, 2), parallelism=6, waitForCapacitySeconds=300)
    waiting = (pending(2, since=0), pending(3, since=0), pending(4, since=0), pending(5, since=299))
    todo = look(layout, past_the_rung(0), past_the_rung(1), *waiting, records=PAST, now=300)
    assert todo.status.observed_places == 3
    assert len(todo.stops) > 0


def test_whoever_has_no_durable_checkpoint_at_the_rung_runs_on_and_a_condition_says_so():
    attempts = (past_the_rung(0, checkpoint=2), past_the_rung(1, checkpoint=2), pending(2, since=0))
    todo = look(THREE, *attempts, records=PAST, now=300)
    assert todo.stops == []
    assert todo.condition("Stalled").reason == "WaitingForCheckpoint"


@pytest.mark.parametrize(
    ("began", "last", "trained_on", "told_at"),
    [
        (240, 300, 0, 360),  # evaluations 20 s apart, at its rung at 300: a minute later
        (240, 300, 3, 330),  # 10 s apart, at its rung at 270
        (0, 300, 0, 400),  # 100 s apart: that long after its rung
    ],
)
def test_a_checkpoint_that_is_written_in_its_time_is_no_reason_to_warn(began, last, trained_on, told_at):
    def waiting(i):
        scores = [0.1, 0.2, 0.3, *(trained_on * [0.5])]
        return running(i, *scores, checkpoint=2, bound=moment(began), progressed=moment(last))

    attempts = (waiting(0), waiting(1), pending(2, since=0))
    before = look(THREE, *attempts, records=PAST, now=told_at - 1)
    assert before.condition("Stalled").status == "False"
    assert before.look_again_in == seconds(1)
    then = look(THREE, *attempts, records=PAST, now=told_at)
    assert then.condition("Stalled").reason == "WaitingForCheckpoint"


def test_without_storage_there_is_no_checkpoint_to_wait_for():
    attempts = (past_the_rung(0, checkpoint=0), past_the_rung(1, checkpoint=0), pending(2, since=0))
    todo = look(THREE, *attempts, records=PAST, now=300, resumable=False)
    assert todo.stops == [(0, StopReason.PAUSED)]


def test_where_gpus_are_few_who_is_likely_to_lose_is_paused_even_if_nobody_needs_its_place():
    layout = study(8, (3, 2), parallelism=8, waitForCapacitySeconds=60)
    young = tuple(running(i, 0.1, stop_after=3) for i in range(2, 8))
    few = SweepStatus(start_time=timestamp(moment(0)), evaluations=10, steps=100, observed_places=7)
    # On average the first of two comes third of eight; the second sixth.
    todo = look(layout, past_the_rung(0), past_the_rung(1), *young[:5], records=PAST, status=few)
    assert todo.stops == [(0, StopReason.PAUSED), (1, StopReason.PAUSED)]
    enough = look(layout, past_the_rung(0), past_the_rung(1), *young, records=PAST)
    assert enough.stops == [], "with a place for everyone the cut is near"
    unsaved = (past_the_rung(i, checkpoint=0) for i in range(2))
    assert look(layout, *unsaved, *young[:5], records=PAST, status=few, resumable=False).stops == []
    all_near = (running(i, 0.1, 0.1, stop_after=3) for i in range(2, 7))
    seventh = {**PAST, 7: on_record(0.1, 0.1, attempts=[entry("a", EndReason.INTERRUPTED)])}
    assert look(layout, past_the_rung(0), past_the_rung(1), *all_near, records=seventh, status=few).stops == []


def test_who_began_past_the_rung_on_a_bet_is_not_paused_when_its_chances_fall():
    layout = study(8, (3, 2), parallelism=8, waitForCapacitySeconds=60)
    few = SweepStatus(start_time=timestamp(moment(0)), evaluations=10, steps=100, observed_places=7)
    attempts = [running(i, 0.1, stop_after=3) for i in range(2, 7)]
    betting = running(0, 0.1, 0.2, 0.3, 0.5, steps_at_start=30)
    todo = look(layout, betting, past_the_rung(1), *attempts, records=PAST, status=few)
    assert todo.stops == [(1, StopReason.PAUSED)]


def test_one_pending_pod_is_always_left_for_the_autoscaler():
    layout = study(6, (3, 2), parallelism=6, waitForCapacitySeconds=300)
    status = SweepStatus(start_time=timestamp(moment(0)), evaluations=10, steps=100, observed_places=2)
    attempts = (running(0, 0.1, stop_after=3), running(1, 0.1, stop_after=3))
    assert len(look(layout, *attempts, status=status).starts) == 1
    assert look(layout, *attempts, pending(2, since=90), status=status).starts == []


def test_more_bound_pods_than_remembered_end_the_scarcity():
    status = SweepStatus(start_time=timestamp(moment(0)), evaluations=10, steps=100, observed_places=2)
    attempts = tuple(running(i, 0.1, stop_after=3) for i in range(3))
    todo = look(study(6, (3, 2), parallelism=6), *attempts, status=status)
    assert todo.status.observed_places == 3
    assert len(todo.starts) == 1


def test_fewer_places_take_the_never_bound_first():
    layout = study(4, (3, 2), parallelism=3)
    attempts = (running(0, 0.1, checkpoint=0, stop_after=3), running(1, 0.1, checkpoint=0, stop_after=3), pending(2))
    assert look(layout, *attempts, parallelism=2).stops == [(2, StopReason.PAUSED)]


def test_fewer_places_then_take_those_past_the_rung_lowest_first():
    attempts = (past_the_rung(0), past_the_rung(1), running(2, 0.1, checkpoint=1))
    assert look(THREE, *attempts, records=PAST, parallelism=2).stops == [(0, StopReason.PAUSED)]
    assert look(THREE, *attempts, records=PAST, parallelism=1).stops == [
        (0, StopReason.PAUSED),
        (1, StopReason.PAUSED),
    ]


def test_fewer_places_let_the_rest_run_until_they_have_a_checkpoint():
    layout = study(4, (3, 2), parallelism=2)
    young = (running(0, 0.1, checkpoint=0, stop_after=3), running(1, checkpoint=0, stop_after=3))
    assert look(layout, *young, parallelism=1).stops == []
    saved = (running(0, 0.1, checkpoint=1, stop_after=3), running(1, checkpoint=0, stop_after=3))
    assert look(layout, *saved, parallelism=1).stops == [(0, StopReason.PAUSED)]


def test_an_attempt_that_ends_at_its_rung_by_itself_is_not_paused_for_fewer_places():
    layout = study(4, (3, 2), parallelism=2)
    attempts = (running(0, 0.1, 0.2, 0.3, stop_after=3), running(1, 0.1, checkpoint=0, stop_after=3))
    assert look(layout, *attempts, parallelism=1).stops == []


def test_suspension_starts_nothing_and_stops_what_has_a_checkpoint():
    attempts = (past_the_rung(0), running(1, 0.1, checkpoint=0, stop_after=3))
    todo = look(study(4, (3, 2), parallelism=3), *attempts, records={0: PAST[0]}, suspend=True)
    assert todo.starts == []
    assert todo.stops == [(0, StopReason.SUSPENDED)]
    assert todo.recorded(0).attempts[0].stop == StopReason.SUSPENDED
    assert todo.condition("Suspended").status == "True"


def test_suspension_takes_effect_even_if_checkpoints_always_lag_behind_the_evaluations():
    layout = study(2, (6, 1), parallelism=1)
    attempt = running(0, 0.1, 0.2, 0.3, 0.4, checkpoint=3, stop_after=6)
    todo = look(layout, attempt, suspend=True, status=suspended_status(since=50))
    assert todo.stops == [(0, StopReason.SUSPENDED)]


def test_a_resumed_sweep_starts_the_suspended_again():
    gone = on_record(0.1, attempts=[entry("a", EndReason.STOPPED, stop=StopReason.SUSPENDED)])
    assert look(study(2, (3, 1), parallelism=2), records={0: gone}).starts == [(0, None), (1, None)]


def test_suspended_time_is_added_up():
    status = suspended_status(since=40, suspended_seconds=5.0)
    todo = look(study(1, (3, 1)), status=status, now=100)
    assert todo.status.suspended_seconds == 65.0
    assert todo.condition("Suspended").status == "False"


def test_the_active_deadline_fails_the_sweep_and_keeps_the_best_so_far():
    layout = study(3, (3, 2), parallelism=2, activeDeadlineSeconds=100)
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9)}
    attempts = (running(1, 0.1, checkpoint=0),)
    before = look(layout, *attempts, records=records, now=99)
    assert (before.stops, before.look_again_in) == ([], seconds(1))
    todo = look(layout, *attempts, records=records, now=100)
    assert todo.stops == [(1, StopReason.DEADLINE)]
    assert todo.recorded(1).attempts[0].stop == StopReason.DEADLINE
    assert todo.starts == []
    assert todo.condition("Failed").reason == "DeadlineExceeded"
    assert todo.status.best is not None
    assert todo.status.best.score == 0.9
    assert not todo.finished


def test_the_best_so_far_of_survivors_is_kept_at_the_deadline():
    layout = study(2, parallelism=2, activeDeadlineSeconds=100)
    records = {0: on_record(attempts=[entry("uid-0", stop=StopReason.DEADLINE)])}
    todo = look(layout, ended(running(0, 0.2, 0.8, 0.4), EndReason.INTERRUPTED), records=records, now=101)
    assert todo.status.best is not None
    assert (todo.status.best.score, todo.status.best.evaluation) == (0.8, 2)


@pytest.mark.parametrize(
    ("ours", "resumable", "best"), [(True, True, 0.2), (True, False, 0.8), (False, True, 0.8), (False, False, 0.8)]
)
def test_weights_that_a_failed_sweep_never_stored_are_lost_to_our_trainer_alone(ours, resumable, best):
    layout = study(2, parallelism=2, activeDeadlineSeconds=100, ours=ours)
    records = {0: on_record(attempts=[entry("uid-0", stop=StopReason.DEADLINE)])}
    last = ended(running(0, 0.2, 0.8, 0.4, checkpoint=1), EndReason.INTERRUPTED)
    before = look(layout, running(1), now=101).status
    assert before.failed
    todo = look(layout, last, records=records, now=102, status=before, resumable=resumable)
    assert todo.status.best is not None
    assert todo.status.best.score == best


def test_overshoot_of_the_undecided_is_not_the_best_so_far():
    layout = study(3, (3, 2), parallelism=2, activeDeadlineSeconds=100)
    records = {0: on_record(0.1, 0.2, 0.3, rungs=(3,), attempts=[entry("uid-0", stop=StopReason.DEADLINE)])}
    todo = look(layout, ended(running(0, 0.1, 0.2, 0.3, 0.9), EndReason.INTERRUPTED), records=records, now=101)
    assert todo.status.best is not None
    assert todo.status.best.score == 0.3


def test_the_deadline_is_waited_for_from_the_first_pod_on_even_if_none_ever_begins():
    layout = study(2, (3, 2), parallelism=2, activeDeadlineSeconds=30)
    todo = look(layout, pending(0), pending(1), status=SweepStatus(), now=100)
    assert todo.status.start_time is not None
    assert todo.look_again_in == timedelta(seconds=30)


def test_suspended_time_does_not_count_towards_the_deadline():
    layout = study(3, (3, 2), parallelism=2, activeDeadlineSeconds=100)
    running_suspension = look(layout, status=suspended_status(since=50), suspend=True, now=500)
    assert running_suspension.condition("Failed").status == "False"
    past = SweepStatus(start_time=timestamp(moment(0)), suspended_seconds=60.0, evaluations=10, steps=100)
    assert look(layout, running(0, 0.1), status=past, now=159).condition("Failed").status == "False"
    assert look(layout, running(0, 0.1), status=past, now=160).condition("Failed").status == "True"


def test_a_sweep_that_failed_stays_failed():
    layout = study(3, (3, 2), parallelism=2, activeDeadlineSeconds=100)
    failed = look(layout, running(0, 0.1), now=100).status
    longer = study(3, (3, 2), parallelism=2, activeDeadlineSeconds=10_000)
    todo = look(longer, status=failed, now=101)
    assert todo.starts == []
    assert todo.condition("Failed").reason == "DeadlineExceeded"


def test_after_the_deadline_the_sweep_is_over_once_the_last_attempt_has_ended():
    layout = study(2, (3, 2), parallelism=2, activeDeadlineSeconds=100)
    records = {0: on_record(0.1, attempts=[entry("uid-0", stop=StopReason.DEADLINE)])}
    todo = look(layout, ended(running(0, 0.1), EndReason.INTERRUPTED), records=records, now=101, resumable=False)
    assert todo.recorded(0).attempts[0].reason == EndReason.STOPPED
    assert todo.finished
    assert todo.status.phase == "Failed"
