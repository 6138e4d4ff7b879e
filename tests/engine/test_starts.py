"""Rules 1 and 2: who starts, in which order, and until when."""

import pytest

from engine.situations import cut_of, ended, entry, episode, look, on_record, pending, running, stopped_at_rung, study
from engine.trainees import moment
from seedsweep.api.episode import EndReason, StopReason, Verdict
from seedsweep.api.recorded import timestamp
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import StartEpisode


def test_episodes_start_in_index_order_while_places_are_free():
    todo = look(study(5, (3, 2), parallelism=3), running(1, 0.5))
    assert [i for i, _ in todo.starts] == [0, 2]


def test_all_train_on_past_the_rung_where_places_suffice_for_every_undecided_episode():
    assert look(study(3, (3, 2), parallelism=3)).starts == [(0, None), (1, None), (2, None)]


def test_attempts_stop_after_the_rung_where_places_are_fewer_than_undecided_episodes():
    assert look(study(4, (3, 2), parallelism=3)).starts == [(0, 3), (1, 3), (2, 3)]


def test_the_first_to_start_stop_at_the_rung_too_where_the_sweep_says_how_long_an_episode_is():
    theirs = study(4, (3, 2), parallelism=3, ours=False)
    assert look(theirs, status=SweepStatus()).starts == [(0, None), (1, None), (2, None)]
    declared = study(4, (3, 2), parallelism=3, ours=False, declared=True)
    assert look(declared, status=SweepStatus()).starts == [(0, 3), (1, 3), (2, 3)]


def test_episodes_that_are_out_leave_their_places_to_the_undecided():
    failed = on_record(verdict=Verdict(outcome="Failed", rung=0), attempts=[entry("a", EndReason.FAILED)])
    todo = look(study(4, (3, 2), parallelism=3), records={0: failed})
    assert todo.starts == [(1, None), (2, None), (3, None)]


@pytest.mark.parametrize(("percent", "stop"), [(25, 2), (29, 2), (30, 3), (39, 3)])
def test_rung_falls_on_the_floor_of_its_share_of_evaluations(percent, stop):
    layout = study(3, parallelism=2, stopping={"rungs": [{"atPercent": percent, "keep": 1}]})
    assert look(layout).starts[0] == (0, stop)


def test_without_early_stopping_every_episode_trains_to_the_end():
    assert look(study(3, parallelism=2)).starts == [(0, None), (1, None)]


def test_a_survivor_resumes_before_another_episode_starts():
    brackets = {"brackets": [{"episodes": 2, "rungs": [{"atPercent": 30, "keep": 1}]}, {"episodes": 2, "rungs": []}]}
    layout = study(4, parallelism=1, stopping=brackets)
    first, second = (e.weight_init for e in layout.members[0])
    records = {first: stopped_at_rung(first, 0.1, 0.2, 0.3), second: stopped_at_rung(second, 0.1, 0.2, 0.2)}
    todo = look(layout, records=records, cuts=[cut_of(layout, [first], [second])])
    assert todo.starts == [(first, None)]


def test_the_best_paused_leader_trains_on_while_a_place_would_idle():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.3), 1: stopped_at_rung(1, 0.1, 0.2, 0.8)}
    todo = look(study(3, (3, 2), parallelism=2), running(2, 0.5, stop_after=3), records=records)
    assert todo.starts == [(1, None)]


def test_no_leader_trains_on_while_someone_has_yet_to_start():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.3)}
    todo = look(study(3, (3, 2), parallelism=2), running(1, 0.5, stop_after=3), records=records)
    assert [i for i, _ in todo.starts] == [2]


def test_a_leader_that_trains_on_stops_at_its_next_rung():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.3)}
    todo = look(study(2, (3, 1), (6, 1), parallelism=2), running(1, 0.5), records=records)
    assert todo.starts == [(0, 6)]


def test_no_leader_trains_on_who_is_likely_to_lose_against_those_still_to_come():
    records = {i: stopped_at_rung(i, 0.1, 0.2, 0.1 * i) for i in (1, 2)}
    running_ones = [running(i, 0.05, stop_after=3) for i in (0, 3, 4, 5)]
    # The second of two leads six in the end no oftener than its like: on average it comes fourth.
    todo = look(study(6, (3, 2), parallelism=6), *running_ones, records=records)
    assert todo.starts == [(2, None)]


def with_three_of_five_at(rung, keep=3):
    """Episode 4 is one evaluation short of the rung, 0 waits for the other of two places."""
    records = {i: stopped_at_rung(i, *[0.1 * i] * rung, rungs=(rung,)) for i in (1, 2, 3)}
    last = running(4, *[0.5] * (rung - 1), stop_after=rung)
    return look(study(5, (rung, keep), parallelism=2), last, records=records)


def test_the_leader_whom_the_cut_would_leave_alone_trains_on_once_the_others_take_no_longer_to_the_rung():
    # Five evaluations to the rung, six from there to the end; then two survivors remain for two places.
    assert with_three_of_five_at(4).starts == [(3, None)]


def test_until_then_nobody_trains_on_while_another_has_yet_to_reach_the_rung():
    assert with_three_of_five_at(5).starts == [(0, 5)]


def test_no_leader_trains_on_before_the_cut_where_the_kept_share_the_gpus_evenly():
    assert with_three_of_five_at(4, keep=2).starts == [(0, 4)]


def test_a_leader_that_trains_on_before_the_cut_goes_on_when_another_overtakes_it():
    records = {i: stopped_at_rung(i, *[0.1 * i] * 4, rungs=(4,)) for i in (1, 2, 3)}
    begun = running(2, *[0.2] * 5, steps_at_start=40)
    layout = study(5, (4, 3), parallelism=2)
    last = running(4, *[0.5] * 3, stop_after=4)
    todo = look(layout, begun, last, records=records)
    assert (todo.starts, todo.stops) == ([], [])


def test_a_leader_that_trains_on_before_the_cut_goes_on_after_a_restart_of_the_operator():
    records = {i: stopped_at_rung(i, *[0.1 * i] * 4, rungs=(4,)) for i in (1, 2, 3)}
    begun, unread = running(3, *[0.3] * 5, steps_at_start=40), running(4, stop_after=4)
    assert look(study(5, (4, 3), parallelism=2), begun, unread, records=records).stops == []


def test_who_ran_past_its_rung_unasked_is_not_preferred_to_a_better_one():
    records = {i: stopped_at_rung(i, *[0.1 * i] * 4, rungs=(4,)) for i in (1, 2, 3)}
    overshot = entry("old-2", EndReason.STOPPED, stop=StopReason.PAUSED, evaluations=5, checkpoint=4, steps=50)
    records[2] = on_record(*[0.2] * 5, rungs=(4,), attempts=[overshot])
    last = running(4, *[0.5] * 3, stop_after=4)
    assert look(study(5, (4, 3), parallelism=2), last, records=records).starts == [(3, None)]


def test_no_leader_trains_on_before_the_cut_while_a_survivor_of_another_bracket_waits():
    brackets = [{"episodes": 5, "rungs": [{"atPercent": 30, "keep": 3}]}] * 2
    layout = study(10, parallelism=2, stopping={"brackets": brackets})
    over, open_ = ([e.weight_init for e in members] for members in layout.members)
    records = {i: stopped_at_rung(i, 0.1, 0.2, 0.3 + i / 100) for i in (*over, *open_[:4])}
    cut = cut_of(layout, over[:3], over[3:])
    todo = look(layout, running(open_[4], 0.1, stop_after=3), records=records, cuts=[cut])
    assert todo.starts == [(over[0], None)]


def test_a_leader_that_trains_on_before_the_cut_does_not_make_room_for_the_last_to_start():
    layout = study(5, (3, 3), parallelism=5, waitForCapacitySeconds=60)
    records = {i: on_record(0.1, 0.2, 0.1 * i, rungs=(3,), attempts=[entry(f"uid-{i}")]) for i in (1, 2)}
    records[3] = stopped_at_rung(3, 0.1, 0.2, 0.05)
    past = [running(i, 0.1, 0.2, 0.1 * i, 0.3) for i in (1, 2)]
    status = SweepStatus(start_time=timestamp(moment(0)), evaluations=10, steps=100, observed_places=2)
    todo = look(layout, *past, pending(0), records=records, status=status)
    assert todo.stops == [(1, StopReason.PAUSED)]


def test_nobody_starts_on_a_bet_in_the_turn_that_makes_the_cut():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.3)}
    last = ended(running(1, 0.1, 0.2, 0.8, stop_after=3), EndReason.STOPPED_AT_RUNG)
    assert look(study(2, (3, 1), parallelism=2), last, records=records).starts == []


def test_without_storage_no_leader_repeats_its_way_on_a_bet():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.3)}
    todo = look(study(2, (3, 1), parallelism=2), running(1, 0.5), records=records, resumable=False)
    assert todo.starts == []


def test_an_attempt_that_is_told_to_end_keeps_its_place_until_it_has():
    todo = look(study(3, (3, 2), parallelism=1), running(0, 0.5, stopping=True))
    assert todo.starts == []


def test_a_start_tells_the_attempt_number_the_rungs_and_the_node_to_avoid():
    failed = on_record(attempts=[entry("a", EndReason.OUT_OF_MEMORY, node="node-7")])
    [start] = look(study(1, (3, 1), (6, 1)), records={0: failed}, now=300).of_kind(StartEpisode)
    assert start == StartEpisode(episode(0), attempt=1, stop_after=None, rungs=(3, 6), avoid_node="node-7")


def test_an_interrupted_attempt_avoids_no_node():
    gone = on_record(attempts=[entry("a", EndReason.INTERRUPTED, node="node-7")])
    [start] = look(study(1, (3, 1)), records={0: gone}).of_kind(StartEpisode)
    assert start.avoid_node is None


def test_a_trainer_that_cannot_stop_by_itself_is_stopped_at_the_rung_when_others_wait():
    layout = study(3, (3, 1), parallelism=1, ours=False)
    todo = look(layout, running(0, 0.1, 0.2, 0.3, 0.4, stop_after=3, level="L1", checkpoint=0), resumable=False)
    assert todo.stops == [(0, StopReason.PAUSED)]


def test_a_trainer_that_stops_by_itself_at_the_rung_is_left_to_do_so():
    todo = look(study(3, (3, 1), parallelism=1), running(0, 0.1, 0.2, 0.3, stop_after=3))
    assert todo.stops == []


def test_more_places_only_start_more():
    layout = study(6, (3, 2), parallelism=2)
    attempts = (running(0, 0.5, stop_after=3), running(1, 0.5, stop_after=3))
    todo = look(layout, *attempts, parallelism=4)
    assert todo.stops == []
    assert [i for i, _ in todo.starts] == [2, 3]


def test_the_record_says_when_an_attempt_that_waited_gets_its_place():
    waited = on_record(attempts=[entry("uid-0").evolve(start_time=None)])
    layout = study(2, (3, 1))
    assert not look(layout, pending(0), records={0: waited}).is_recorded(0)
    placed = look(layout, running(0), records={0: waited}).recorded(0)
    assert placed.state == "Running"
    assert placed.attempts[0].start_time == timestamp(moment(0))
    assert not look(layout, running(0), records={0: placed}).is_recorded(0)
