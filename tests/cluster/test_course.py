"""What a simulated attempt does at any second, and that it tells it as our own trainer would."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from cluster.simulator.course import Course
from cluster.simulator.exposition import metrics_body
from cluster.simulator.faults import Fault, Halt, Lie, Lies, Quirk, crash, diverge, evict, run_out_of_memory, stall
from cluster.simulator.script import Behaviour, Curve, Script
from seedsweep.api.episode import EpisodeId
from seedsweep.contract.message import Message, Outcome, TrainerInfo
from seedsweep.contract.scrape import Expected, parse_reading
from seedsweep_trainer.reporting.reporter import Reporter

EPISODE = EpisodeId(1, 2)
TEN = Behaviour(Curve(tuple(i / 10 for i in range(10))), seconds=2.0, delay=3.0)


def halted(halt: Halt, start: int = 0) -> Course:
    return Course(Behaviour(TEN.curve, seconds=2.0, halt=halt), start=start, stored=True)


courses = st.builds(
    Course,
    behaviour=st.builds(
        Behaviour,
        curve=st.just(TEN.curve),
        seconds=st.sampled_from([0.0, 0.1, 1 / 3, 2.0]),
        delay=st.sampled_from([0.0, 0.7]),
        checkpoint_every=st.integers(1, 5),
        checkpoint_seconds=st.sampled_from([0.0, 0.5]),
        halt=st.none() | st.builds(crash, st.integers(0, 12)) | st.builds(stall, st.integers(0, 12)),
    ),
    start=st.integers(0, 10),
    stop_after=st.none() | st.integers(1, 12),
    rungs=st.frozensets(st.integers(1, 10), max_size=3),
    stored=st.booleans(),
)


@given(course=courses, moments=st.lists(st.floats(0, 50), min_size=2))
def test_nothing_ever_goes_back_and_nothing_is_durable_before_it_is_done(course: Course, moments: list[float]) -> None:
    moments.sort()
    for what in (course.evaluations, course.steps, course.checkpoint, course.progress):
        told = [what(moment) for moment in moments]
        assert told == sorted(told)
    for moment in moments:
        assert course.checkpoint(moment) <= course.evaluations(moment) <= course.target
        assert course.evaluations(moment) * 10 <= course.steps(moment)


@given(course=courses)
def test_attempt_that_comes_to_its_target_ends_with_all_of_it_saved(course: Course) -> None:
    if course.halt is None:
        assert course.evaluations(course.duration) == course.target
        assert course.steps(course.duration) == course.target * 10
        assert course.checkpoint(course.duration) == (course.target if course.stored else 0)


@given(evaluation=st.integers(1, 10))
def test_evaluation_is_there_at_its_moment_and_not_before(evaluation: int) -> None:
    course = Course(TEN)
    assert course.evaluations(course.moment(evaluation)) == evaluation
    assert course.evaluations(course.moment(evaluation) - 0.01) == evaluation - 1


def test_attempt_stops_where_it_was_asked_to() -> None:
    course = Course(TEN, stop_after=4)
    assert (course.target, course.duration, course.end.outcome) == (4, 3 + 4 * 2, Outcome.STOPPED)


def test_resumed_attempt_trains_only_what_is_left() -> None:
    course = Course(TEN, start=4, stored=True)
    assert (course.duration, course.steps(0), course.checkpoint(0)) == (3 + 6 * 2, 40, 4)


def test_trainer_below_level_two_runs_past_its_stop() -> None:
    assert Course(Behaviour(TEN.curve, level="L1"), stop_after=4).target == 10


def test_crash_comes_half_an_evaluation_later_with_half_the_steps_wasted() -> None:
    course = halted(crash(after=3, exit_code=7))
    assert (course.duration, course.steps(course.duration), course.end.exit_code) == (7.0, 35, 7)


def test_fault_that_lies_behind_a_resumed_attempt_comes_at_once() -> None:
    assert halted(crash(after=3), start=5).duration == 1.0


def test_attempt_that_ends_before_the_fault_ends_well() -> None:
    assert Course(Behaviour(TEN.curve, halt=crash(after=4)), stop_after=4).end.exit_code == 0


def test_stalled_attempt_never_ends() -> None:
    course = halted(stall(after=3))
    assert (course.duration, course.evaluations(1e9)) == (math.inf, 3)


@pytest.mark.parametrize("halt", [run_out_of_memory(2), evict(2), diverge(2)])
def test_other_ends_are_those_of_the_fault(halt: Halt) -> None:
    assert halted(halt).end == halt.end


def test_checkpoint_becomes_durable_some_time_after_its_evaluation() -> None:
    slow = Course(Behaviour(TEN.curve, seconds=2.0, checkpoint_seconds=1.5), stored=True)
    assert [slow.checkpoint(at) for at in (2.0, 3.4, 3.5)] == [0, 0, 1]


def test_lie_is_told_between_two_evaluations_only() -> None:
    course = Course(Behaviour(TEN.curve, seconds=1.0, lie=Lie(Lies.GARBAGE, after=2, until=4)))
    assert [course.lie(at) for at in (1.5, 2.5, 3.5, 4.5)] == [None, Lies.GARBAGE, Lies.GARBAGE, None]


def test_script_says_the_same_of_the_same_seeds_and_something_else_of_others() -> None:
    script = Script()
    assert script.behaviour(EPISODE, 0) == Script().behaviour(EPISODE, 1)
    assert script.behaviour(EPISODE, 0).curve != script.behaviour(EpisodeId(2, 1), 0).curve


@given(st.builds(EpisodeId, st.integers(0, 10**6), st.integers(0, 10**6)))
def test_paces_and_scores_stay_within_their_bounds(episode: EpisodeId) -> None:
    behaviour = Script(seconds=1.0, spread=0.2).behaviour(episode, 0)
    assert 0.8 <= behaviour.seconds <= 1.2
    assert all(0 <= score <= 1 for score in behaviour.curve.scores)


def test_recorded_curve_takes_the_place_of_a_generated_one() -> None:
    recorded = Curve((0.5, 0.75))
    assert Script(curves={"wi1-do2": recorded}).behaviour(EPISODE, 0).curve is recorded


def test_fault_hits_its_episode_and_attempt_only() -> None:
    script = Script(faults=(Fault(Quirk.HURRIED, "wi1-do2", attempt=1),))
    quirks = [script.behaviour(*case).quirks for case in ((EPISODE, 0), (EPISODE, 1), (EpisodeId(1, 3), 1))]
    assert quirks == [frozenset(), {Quirk.HURRIED}, frozenset()]


def test_bodies_say_what_those_of_our_own_trainer_say() -> None:
    message = Message(
        info=TrainerInfo("wi1-do2", "u1", level="L3", fingerprint="f"),
        outcome=Outcome.RUNNING,
        evaluations_planned=3,
        steps_done=25,
        steps_planned=30,
        steps_at_start=10,
        checkpoint=1,
        baseline=0.5,
        scores=(0.25, math.nan),
        losses=(1.5, math.inf),
    )
    reporter = Reporter(message.info)
    reporter.planned(evaluations=3, steps=30, baseline=0.5)
    reporter.resumed(step=10, scores=[0.25], losses=[1.5])
    reporter.evaluated(step=20, score=math.nan, loss=math.inf)
    reporter.stepped(25)
    registry = CollectorRegistry()
    registry.register(reporter)
    expected = Expected(episode="wi1-do2", uid="u1")
    assert parse_reading(metrics_body(message), expected) == parse_reading(generate_latest(registry), expected)
