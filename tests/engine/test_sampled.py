"""Curves made of samples: they decide as others do, and say what they are."""

from typing import Any

import pytest

from engine import situations
from engine.situations import Planned, ended, entry, on_record, running, study
from seedsweep.api.episode import EndReason, StopReason
from seedsweep.api.status import SweepStatus
from seedsweep.engine.observation import SeenAttempt

SAMPLED = {
    "evaluations_planned": 100,
    "losses": None,
    "level": "L0",
    "sampled": True,
    "steps_planned": None,
    "steps_done": 0,
    "checkpoint": 0,
    "fingerprint": "",
}
ALONE = study(1, ours=False)
CUT = study(2, (30, 1), evaluations=100, ours=False)


def look(*arguments: Any, **fields: Any) -> Planned:
    """At a sweep whose E is known to be 100."""
    return situations.look(*arguments, status=SweepStatus(evaluations=100), **fields)


def sampled(i: int, done: int, score: float = 0.5, **fields: object) -> SeenAttempt:
    return running(i, *[score] * done, **SAMPLED, **fields)


def test_rung_scores_and_the_episode_say_that_they_were_sampled():
    todo = look(CUT, sampled(0, 30, 0.5), sampled(1, 40, 0.75))
    assert [score.sampled for score in todo.recorded(0).rung_scores] == [True]
    assert todo.recorded(0).sampled
    assert todo.cuts_made[0].kept == {"wi1-do1"}


def test_rung_score_of_an_attempt_that_has_ended_was_sampled_too():
    todo = look(CUT, ended(sampled(0, 30), EndReason.FAILED), sampled(1, 10))
    assert todo.recorded(0).rung_scores[0].sampled
    assert look(CUT, records={0: todo.recorded(0)}).condition("ExactScores").status == "False"


def test_replay_that_is_sampled_at_other_moments_is_no_disagreement():
    record = on_record(*[0.5] * 20, sampled=True)
    record = record.evolve(losses=[], attempts=[entry("before", EndReason.INTERRUPTED)])
    again = look(ALONE, ended(sampled(0, 40, 0.75), EndReason.FAILED), records={0: record}).recorded(0)
    assert again.scores == [0.5] * 20 + [0.75] * 20
    assert not again.non_deterministic


def test_exit_code_of_0_completes_a_sampled_curve_with_its_last_sample():
    record = look(ALONE, ended(sampled(0, 97), EndReason.DONE)).recorded(0)
    assert record.scores == [0.5] * 100
    assert record.attempts[-1].reason == EndReason.DONE


def test_clean_end_before_any_sample_is_metrics_unavailable():
    record = look(ALONE, ended(sampled(0, 0), EndReason.DONE)).recorded(0)
    assert record.attempts[-1].reason == EndReason.METRICS_UNAVAILABLE


@pytest.mark.parametrize("reason", [EndReason.FAILED, EndReason.INTERRUPTED, EndReason.OUT_OF_MEMORY])
def test_only_an_exit_code_of_0_completes_it(reason):
    assert len(look(ALONE, ended(sampled(0, 97), reason)).recorded(0).scores) == 97


def test_one_that_was_told_to_end_is_not_completed():
    stopping = ended(sampled(0, 40, stopping=True), EndReason.DONE)
    assert len(look(ALONE, stopping).recorded(0).scores) == 40
    told = on_record(attempts=[entry("uid-0", stop=StopReason.PAUSED)])
    record = look(ALONE, ended(sampled(0, 40), EndReason.DONE), records={0: told}).recorded(0)
    assert len(record.scores) == 40
    assert record.attempts[-1].reason == EndReason.STOPPED


def test_one_that_was_to_stop_at_a_rung_is_completed_up_to_there():
    record = look(CUT, ended(sampled(0, 27, stop_after=30), EndReason.DONE), sampled(1, 10)).recorded(0)
    assert len(record.scores) == 30
    assert record.attempts[-1].reason == EndReason.STOPPED_AT_RUNG


def test_one_that_was_seen_beyond_its_rung_does_not_stop_there_and_is_completed():
    record = look(CUT, ended(sampled(0, 80, stop_after=30), EndReason.DONE), sampled(1, 10)).recorded(0)
    assert len(record.scores) == 100
    assert record.attempts[-1].reason == EndReason.DONE


def test_published_curve_is_never_completed():
    assert len(situations.look(study(1), ended(running(0, *[0.5] * 9), EndReason.DONE)).recorded(0).scores) == 9


def early(done: int, **fields: object) -> SeenAttempt:
    """Ten evaluations were planned, and its last words are that the episode is complete."""
    return ended(running(0, *[0.5] * done, done=True, **fields), EndReason.DONE)


def test_a_training_that_chose_to_end_early_is_done_with_the_curve_it_has():
    record = situations.look(study(1), early(4)).recorded(0)
    assert (record.scores, len(record.losses)) == ([0.5] * 10, 10)
    assert record.best is not None
    assert (record.attempts[-1].reason, record.best.evaluation) == (EndReason.DONE, 1)


def test_a_training_that_calls_itself_done_where_it_was_asked_to_stop_is_not_complete():
    record = situations.look(study(2, (4, 1)), early(4, stop_after=4)).recorded(0)
    assert len(record.scores) == 4
    assert record.attempts[-1].reason == EndReason.STOPPED_AT_RUNG


def test_a_training_that_calls_itself_done_without_a_score_is_not():
    record = situations.look(study(1), early(0)).recorded(0)
    assert record.attempts[-1].reason == EndReason.METRICS_UNAVAILABLE
