"""How much time is left, from steps to go and the speed so far."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs import moments, records
from inputs.floored import floored_and_cut
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import Plan
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation
from seedsweep.terminal.board import make_board
from seedsweep.terminal.remaining import makespan, steps_left, steps_per_second, time_left

pieces = st.lists(st.floats(0, 1e4), max_size=20)


def left_at(moment: moments.Moment, seen: Observation | None = None) -> float | None:
    seen = seen or moment.seen
    return time_left(moment.layout, make_board(moment.layout, seen, moment.plan), seen, moment.now)


def test_speed_is_steps_over_seconds_of_live_attempts() -> None:
    moment = moments.before_the_cut()
    # 25 and 35 steps in a minute each.
    assert steps_per_second(moment.seen, moment.now) == pytest.approx(60 / 120)


def test_speed_of_resumed_attempts_leaves_out_the_steps_before_them() -> None:
    moment = moments.after_the_cut()
    live = replace(moment.seen, episodes={})
    # 45 and 55 steps in 40 seconds each, from step 60 on.
    assert steps_per_second(live, moment.now) == pytest.approx(100 / 80)


def test_speed_remembers_attempts_that_have_ended() -> None:
    moment = moments.after_the_cut()
    ended = replace(moment.seen, attempts=[])
    assert steps_per_second(ended, moment.now) == pytest.approx(1 / records.SECONDS_PER_STEP)


def test_speed_leaves_out_attempts_between_whose_start_and_end_the_clock_was_set_back() -> None:
    moment = moments.after_the_cut()
    started = (records.START + timedelta(hours=2)).isoformat()
    episode, status = next((e, s) for e, s in moment.seen.episodes.items() if s.attempts)
    odd = status.evolve(attempts=[attempt.evolve(start_time=started) for attempt in status.attempts])
    seen = replace(moment.seen, attempts=[], episodes={**moment.seen.episodes, episode: odd})
    assert steps_per_second(seen, moment.now) == pytest.approx(1 / records.SECONDS_PER_STEP)


def test_later_clock_means_slower_attempts() -> None:
    moment = moments.before_the_cut()
    later = steps_per_second(moment.seen, moment.now + timedelta(minutes=1))
    assert later == pytest.approx(60 / 240)


def test_time_left_before_the_cut_counts_both_waves() -> None:
    # To the rung at step 60: six have 60 steps to go, two have 35 and 25, on two places 3 x 60 + 35 steps.
    # After it 3 x 140 steps, 280 on two places. Half a step a second.
    assert left_at(moments.before_the_cut()) == pytest.approx((215 + 280) / 0.5)


def test_more_places_take_less_time() -> None:
    moment = moments.before_the_cut()
    few, many = left_at(moment), left_at(moment, replace(moment.seen, parallelism=8))
    assert few is not None
    assert many is not None
    assert many < few


def test_fewer_places_than_asked_for_are_what_counts() -> None:
    moment = moments.before_the_cut()
    status = moment.seen.status.model_copy(update={"observed_places": 1})
    assert left_at(moment, replace(moment.seen, status=status, parallelism=8)) == left_at(
        moment, replace(moment.seen, parallelism=1)
    )


def test_nothing_is_foretold_before_the_first_step() -> None:
    moment = moments.before_the_cut()
    assert left_at(moment, replace(moment.seen, attempts=[])) is None


def test_losers_and_failures_have_no_steps_to_go() -> None:
    moment = moments.after_the_cut()
    board = make_board(moment.layout, moment.seen, moment.plan)
    [wave, after] = steps_left(moment.layout, board.rows, records.EVALUATIONS, records.STEPS)
    assert sorted(wave) == pytest.approx([85, 95, 140])
    assert after == []


@given(pieces, st.integers(1, 8))
def test_makespan_is_between_an_even_share_and_one_place_for_all(work: list[float], places: int) -> None:
    span = makespan(work, places)
    assert max([*work, sum(work) / places]) <= span + 1e-6
    assert span <= sum(work) + 1e-6


@given(pieces)
def test_makespan_on_enough_places_is_the_longest_piece(work: list[float]) -> None:
    assert makespan(work, max(1, len(work))) == max(work, default=0)


def test_of_a_floor_with_a_rung_those_that_are_carried_whoever_falls_are_counted_to_both_ends() -> None:
    sweep = floored_and_cut().sweep
    layout, status = Layout.of(sweep), SweepStatus(evaluations=records.EVALUATIONS, steps=records.STEPS)
    board = make_board(layout, Observation(status=status), Plan((), (), status))
    # Of eight seeds six, to the rung at step 100; then the two that it keeps.
    assert steps_left(layout, board.rows, records.EVALUATIONS, records.STEPS) == [[100] * 6, [100] * 2]
