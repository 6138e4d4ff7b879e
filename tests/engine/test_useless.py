"""Attempts whose published values can never count: each fails alone, and the others go on."""

from dataclasses import replace

import pytest

from engine.situations import ended, entry, look, on_record, running, stopped_at_rung, study
from seedsweep.api.episode import EndReason, StopReason, Verdict
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import StopAttempt
from seedsweep.engine.observation import SeenAttempt

PAIR = study(2, (3, 1), backoffLimitPerEpisode=2)
ONCE = study(2, (3, 1), backoffLimitPerEpisode=0)
TOLD = {i: on_record(attempts=[entry(f"uid-{i}")]) for i in range(9)}
LIAR = running(1, *(4 * [0.99]), evaluations_planned=12)
OUT_OF_RANGE = running(1, 0.1, 0.2, 0.3, unusable="score 7 is outside [0, 1] (spec.trainer.metric.range)")
STOPPED = {1: on_record(attempts=[entry("uid-1", stop=StopReason.METRICS_UNAVAILABLE, message="plans 12")])}


def unheard(over: SeenAttempt, why: str) -> SeenAttempt:
    """An attempt that has ended, whose metrics could not be read the last time."""
    assert over.ending is not None
    return replace(over, ending=replace(over.ending, unread=why))


@pytest.mark.parametrize(
    ("published", "says"),
    [
        ({"evaluations_planned": 12}, "plans 12 evaluations, not 10 as spec.trainer says"),
        ({"steps_planned": 70}, "plans 70 steps, not 100 as others do"),
    ],
)
def test_an_attempt_that_contradicts_the_record_is_stopped_alone_and_both_numbers_are_named(published, says):
    todo = look(PAIR, running(0, 0.1), running(1, 0.2, **published), records=TOLD)
    assert todo.stops == [(1, StopReason.METRICS_UNAVAILABLE)]
    assert [d.save for d in todo.of_kind(StopAttempt)] == [False]
    stopped = todo.recorded(1).attempts[0]
    assert stopped.stop == StopReason.METRICS_UNAVAILABLE
    assert stopped.message.startswith(says)
    assert todo.condition("Failed").status == "False"


def test_nothing_that_it_publishes_counts():
    alone = look(PAIR, running(0, 0.1), running(1), records=TOLD)
    todo = look(PAIR, running(0, 0.1), LIAR, records=TOLD)
    assert todo.recorded(1).rung_scores == []
    assert todo.recorded(1).scores == []
    assert (todo.status.cost, todo.status.evaluations, todo.status.steps) == (
        alone.status.cost,
        alone.status.evaluations,
        alone.status.steps,
    )


def test_a_number_that_was_never_told_by_another_is_not_taken_from_it():
    unknown = SweepStatus(evaluations=10)
    todo = look(PAIR, running(1, 0.2, evaluations_planned=12, steps_planned=7), records=TOLD, status=unknown)
    assert todo.status.steps is None


def test_the_length_that_the_sweep_declares_is_on_record_from_the_start():
    layout = study(2, (3, 1), ours=False, declared=True)
    todo = look(layout, running(0, 0.5, evaluations_planned=12), records=TOLD, status=SweepStatus())
    assert todo.stops == [(0, StopReason.METRICS_UNAVAILABLE)]
    assert todo.condition("Failed").status == "False"


def test_its_end_is_a_failure_that_spends_the_budget_whatever_it_was():
    for reason in (EndReason.DONE, EndReason.INTERRUPTED, EndReason.FAILED, EndReason.DIVERGED):
        todo = look(PAIR, ended(LIAR, reason), records=STOPPED)
        attempt = todo.recorded(1).attempts[0]
        assert (attempt.reason, attempt.message, attempt.steps) == (EndReason.METRICS_UNAVAILABLE, "plans 12", 0)
        assert todo.recorded(1).verdict is None
        assert look(ONCE, ended(LIAR, reason), records=STOPPED).verdict_of(1).outcome == "Failed"


def test_one_that_ends_before_it_could_be_stopped_is_told_apart_too():
    todo = look(ONCE, ended(LIAR, EndReason.DONE, exit_code=0), records=TOLD)
    status = todo.recorded(1)
    assert status.attempts[0].reason == EndReason.METRICS_UNAVAILABLE
    assert status.verdict is not None
    assert "plans 12 evaluations, not 10" in status.verdict.reason


def test_one_that_vanished_after_it_was_stopped_keeps_the_reason():
    attempt = look(PAIR, records=STOPPED).recorded(1).attempts[0]
    assert (attempt.reason, attempt.message) == (EndReason.METRICS_UNAVAILABLE, "plans 12")


def test_what_its_exit_code_explains_is_not_blamed_on_its_metrics():
    attempt = look(PAIR, ended(LIAR, EndReason.OUT_OF_MEMORY, exit_code=79), records=TOLD).recorded(1).attempts[0]
    assert attempt.reason == EndReason.OUT_OF_MEMORY


def test_a_score_outside_its_range_stops_its_attempt_alone():
    todo = look(PAIR, running(0, 0.1), OUT_OF_RANGE, records=TOLD)
    assert todo.stops == [(1, StopReason.METRICS_UNAVAILABLE)]
    assert todo.recorded(1).rung_scores == []
    over = look(PAIR, ended(OUT_OF_RANGE, EndReason.INTERRUPTED), records=TOLD).recorded(1).attempts[0]
    assert (over.reason, over.message) == (EndReason.METRICS_UNAVAILABLE, OUT_OF_RANGE.unusable)


def test_an_attempt_that_is_over_anyway_is_stopped_for_that():
    lost = TOLD[1].evolve(verdict=Verdict(outcome="LostByDominance", rung=0))
    assert look(PAIR, LIAR, records={1: lost}).stops == [(1, StopReason.DOMINATED)]


def test_a_final_score_stands_whatever_a_later_attempt_publishes():
    waits = stopped_at_rung(1, 0.1, 0.2, 0.3).evolve(attempts=[entry("uid-1")])
    todo = look(PAIR, running(0, 0.1), LIAR, records={1: waits})
    assert todo.recorded(1).rung_scores == waits.rung_scores
    assert todo.recorded(1).scores == waits.scores


@pytest.mark.parametrize(("limit", "ends"), [(0, 1), (1, 2), (2, 2), (9, 2)])
def test_an_episode_trains_no_oftener_without_a_score_than_its_budget_allows_and_at_most_twice(limit, ends):
    layout = study(1, (3, 1), backoffLimitPerEpisode=limit)
    silent = [entry(f"a{i}", EndReason.METRICS_UNAVAILABLE) for i in range(ends - 1)]
    last = ended(running(0, stop_after=3), EndReason.DONE, exit_code=0)
    given_up = look(layout, last, records={0: on_record(attempts=silent)}).verdict_of(0)
    assert given_up.outcome == "Failed"
    assert "it ended without an error and without a score" in given_up.reason
    if silent:
        one_less = look(layout, last, records={0: on_record(attempts=silent[1:])}).recorded(0)
        assert one_less.verdict is None


@pytest.mark.parametrize(
    ("unread", "why"),
    [
        ("its metrics cannot be used: not a sample", "its metrics cannot be used: not a sample"),
        ("", "it ended without an error, and its scores end at evaluation 2 of 10: serve metrics until the last score"),
    ],
)
def test_an_episode_whose_scores_are_not_all_there_says_what_kept_the_others_from_being_read(unread, why):
    layout = study(1, (3, 1), backoffLimitPerEpisode=0)
    over = ended(running(0, 0.1, 0.2), EndReason.DONE, exit_code=0)
    todo = look(layout, unheard(over, unread))
    assert why in todo.verdict_of(0).reason
    assert todo.recorded(0).attempts[0].message.startswith(why)


def test_metrics_that_could_not_be_read_once_are_no_news_of_who_is_done():
    layout = study(1, (3, 1), backoffLimitPerEpisode=0)
    over = ended(running(0, *[0.1] * 10), EndReason.DONE, exit_code=0)
    todo = look(layout, unheard(over, "its metrics cannot be used: not a sample"))
    assert (todo.recorded(0).attempts[0].reason, todo.recorded(0).attempts[0].message) == (EndReason.DONE, "")


def test_a_sweep_in_which_nobodys_metrics_can_be_used_fails_before_all_were_tried():
    layout = study(50, (3, 1), parallelism=4)
    why = "MetricsUnavailable (2 times): plans 12 evaluations, not 10 as spec.trainer says"
    given_up = on_record(
        attempts=[entry(f"a{i}", EndReason.METRICS_UNAVAILABLE) for i in range(2)],
        verdict=Verdict(outcome="Failed", rung=0, reason=why),
    )
    assert look(layout, records={0: given_up, 1: given_up}).starts != []
    todo = look(layout, records={0: given_up, 1: given_up, 2: given_up})
    assert todo.starts == []
    failed = todo.condition("Failed")
    assert failed.reason == "MetricsUnavailable"
    assert "wi0-do0: MetricsUnavailable (2 times): plans 12" in failed.message
    others = {i: stopped_at_rung(i, 0.1, 0.2, 0.3) for i in (3, 4, 5)}
    assert look(layout, records={0: given_up, 1: given_up, 2: given_up, **others}).starts != []


def test_an_audited_attempt_that_can_never_count_does_not_keep_the_audit_waiting():
    layout = study(2, (3, 1), backoffLimitPerEpisode=0, stopping={"audit": {"percent": 99}})
    verdict = Verdict(outcome="LostByDominance", rung=0)
    lost = on_record(0.1, 0.2, 0.3, rungs=(3,), attempts=[entry("uid-1")], verdict=verdict)
    todo = look(layout, LIAR, records={1: lost})
    assert todo.stops == [(1, StopReason.METRICS_UNAVAILABLE)]
    over = look(layout, ended(LIAR, EndReason.INTERRUPTED), records={1: lost})
    assert 1 not in [i for i, _ in over.starts]


def test_a_stop_is_not_repeated_in_other_words():
    todo = look(PAIR, running(0, 0.1), LIAR, records={0: TOLD[0], **STOPPED})
    assert todo.stops == [(1, StopReason.METRICS_UNAVAILABLE)]
    assert not todo.is_recorded(1)
