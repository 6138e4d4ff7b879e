"""Rules 7, 8 and 13, conditions and cost: what is handed over, thrown away, said and counted."""

from datetime import datetime

import pytest

from engine.situations import (
    condition,
    cut_of,
    decisions,
    ended,
    entry,
    episode,
    finished,
    look,
    on_record,
    recorded,
    running,
    starts,
    stopped_at_rung,
    study,
    verdict_of,
)
from engine.trainees import moment
from seedsweep.api.core.objects import Condition
from seedsweep.api.episode import EndReason, StopReason, Verdict
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import HandOverWinner, Prune, StopAttempt
from seedsweep.engine.observation import HandOverOutcome

LOST = Verdict(outcome="LostByCut", rung=0, cut="study-b0-r0")
TWO = study(2, (3, 1))
CUT = cut_of(TWO, kept=[0], lost=[1])
OVER = {0: finished(0, 0.1, 0.2, 0.9, *(7 * [0.5])), 1: stopped_at_rung(1, 0.1, 0.2, 0.3).evolve(verdict=LOST)}


def test_the_winner_is_handed_over_once_all_is_settled():
    todo = look(TWO, records=OVER, cuts=[CUT])
    assert decisions(todo, HandOverWinner) == [HandOverWinner(episode(0), evaluation=3)]
    assert not todo.finished
    assert todo.status.phase == "Concluding"
    assert decisions(look(TWO, records=OVER, cuts=[CUT], handing_over=True), HandOverWinner) == []


def test_the_sweep_is_complete_when_the_winner_was_handed_over():
    outcome = HandOverOutcome(episode(0).name, weights="file:///best")
    todo = look(TWO, records=OVER, cuts=[CUT], hand_over=outcome)
    assert todo.finished
    assert todo.decisions == ()
    assert condition(todo, "Complete").status == "True"
    assert todo.status.best is not None
    assert todo.status.best.weights == "file:///best"
    assert todo.status.completion_time is not None


def test_a_rejected_sweep_that_is_mended_when_nothing_is_left_to_do_ends_then():
    since = moment(5).isoformat()
    rejected = SweepStatus(
        completion_time=since,
        conditions=[
            Condition(type="Failed", status="True", reason="Invalid", last_transition_time=since),
            Condition(type="Accepted", status="False", reason="Invalid", last_transition_time=since),
        ],
    )
    outcome = HandOverOutcome(episode(0).name, weights="file:///best")
    todo = look(TWO, records=OVER, cuts=[CUT], hand_over=outcome, status=rejected, now=100)
    assert condition(todo, "Complete").status == "True"
    assert condition(todo, "Failed").status == "False"
    assert todo.status.over
    assert todo.status.completion_time is not None
    assert datetime.fromisoformat(todo.status.completion_time) == moment(100)


BROKEN = HandOverOutcome(episode(0).name, error="disk full")


def test_a_hand_over_that_failed_is_a_failure_and_the_winner_stands():
    todo = look(TWO, records=OVER, cuts=[CUT], hand_over=BROKEN)
    assert todo.finished
    assert condition(todo, "Complete").status == "False"
    failed, handed_over = condition(todo, "Failed"), condition(todo, "HandedOver")
    assert (failed.status, failed.reason, failed.message) == ("True", "HandOverFailed", "disk full")
    assert (handed_over.status, handed_over.reason) == ("False", "HandOverFailed")
    assert todo.status.best is not None
    assert (todo.status.phase, todo.status.best.episode) == ("Failed", episode(0).name)
    assert todo.status.hand_over_failed


def test_a_hand_over_that_failed_is_tried_again_and_may_succeed():
    failed = look(TWO, records=OVER, cuts=[CUT], hand_over=BROKEN).status
    again = look(TWO, records=OVER, cuts=[CUT], status=failed)
    assert decisions(again, HandOverWinner) == [HandOverWinner(episode(0), evaluation=3)]
    assert (again.status.phase, again.status.completion_time) == ("Concluding", None)
    done = look(
        TWO, records=OVER, cuts=[CUT], status=again.status, hand_over=HandOverOutcome(episode(0).name, "file:///x")
    )
    assert (condition(done, "Complete").status, condition(done, "Failed").status) == ("True", "False")
    assert condition(done, "HandedOver").status == "True"


def test_a_copy_that_could_not_be_made_is_a_hand_over_that_failed():
    outcome = HandOverOutcome(episode(0).name, weights="file:///best", error="no credentials")
    todo = look(TWO, records=OVER, cuts=[CUT], hand_over=outcome)
    assert condition(todo, "Failed").reason == "HandOverFailed"
    assert todo.status.best is not None
    assert todo.status.best.weights == "file:///best"


@pytest.mark.parametrize("ours", [True, False])
def test_a_sweep_without_any_score_has_failed(ours):
    undefined = [None] * 10
    layout = study(2, ours=ours)
    todo = look(layout, records={0: finished(0, *undefined), 1: finished(1, *undefined)})
    assert todo.finished
    assert todo.status.best is None
    assert (condition(todo, "Complete").status, condition(todo, "Failed").reason) == ("False", "NoScore")
    again = look(layout, records={0: finished(0, *undefined), 1: finished(1, *undefined)}, status=todo.status)
    assert condition(again, "Failed").reason == "NoScore"


def test_what_was_trained_from_is_recorded_once():
    first = look(TWO, running(0, 0.1, provenance="weights=ab12&train=8-1"))
    assert first.status.provenance is not None
    assert (first.status.provenance.base_weights, first.status.provenance.truncated.train) == ("ab12", 1)
    later = look(TWO, running(0, 0.1, provenance="weights=cd34"), status=first.status)
    assert later.status.provenance == first.status.provenance


def test_one_score_is_enough_for_a_winner():
    todo = look(study(2), records={0: finished(0, *[None] * 10), 1: finished(1, 0.1, *[None] * 9)}, resumable=False)
    assert condition(todo, "Complete").status == "True"


@pytest.mark.parametrize(
    ("ours", "checkpoint", "evaluation"), [(True, 3, 2), (True, 5, 5), (True, 6, 5), (False, 3, 5)]
)
def test_of_a_failed_episode_counts_what_was_in_a_checkpoint(ours: bool, checkpoint: int, evaluation: int):
    layout = study(2, (3, 1), ours=ours, backoffLimitPerEpisode=0)
    before = on_record(0.1, 0.8, 0.3, rungs=(3,))
    failed = ended(running(0, 0.1, 0.8, 0.3, 0.4, 0.9, 0.2, checkpoint=checkpoint), EndReason.FAILED)
    todo = look(layout, failed, records={0: before, 1: OVER[1]}, cuts=[cut_of(layout, kept=[0], lost=[1])])
    assert verdict_of(todo, 0).outcome == "Failed"
    best = recorded(todo, 0).best
    assert best is not None
    assert best.evaluation == evaluation


def test_a_loser_that_wins_is_handed_over_at_its_rung():
    winner = stopped_at_rung(1, 0.95, 0.2, 0.3).evolve(verdict=LOST)
    todo = look(TWO, records=OVER | {1: winner}, cuts=[CUT])
    assert decisions(todo, HandOverWinner) == [HandOverWinner(episode(1), evaluation=1)]


def test_a_trainer_of_ones_own_hands_over_by_itself():
    layout = study(2, (3, 1), ours=False)
    todo = look(layout, records=OVER, cuts=[CUT])
    assert decisions(todo, HandOverWinner) == []
    assert todo.finished


def test_a_losers_checkpoints_go_at_once():
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,)), 1: OVER[1]}
    stored = {episode(0): True, episode(1): True}
    todo = look(TWO, running(0, 0.1, 0.2, 0.9), records=records, cuts=[CUT], stored=stored)
    assert decisions(todo, Prune) == [Prune(episode(1), keep_best=False)]


def test_a_losers_checkpoints_stay_while_it_still_lives():
    attempt = running(1, 0.1, 0.2, 0.3, 0.4, stopping=True)
    todo = look(TWO, attempt, records={1: OVER[1]}, cuts=[CUT], stored={episode(1): True})
    assert decisions(todo, Prune) == []


def test_the_best_weights_of_survivors_and_of_the_sweeps_best_stay():
    best_by_a_loser = OVER | {1: stopped_at_rung(1, 0.95, 0.2, 0.3).evolve(verdict=LOST)}
    todo = look(TWO, records=best_by_a_loser, cuts=[CUT], stored={episode(0): True, episode(1): True})
    assert decisions(todo, Prune) == [Prune(episode(0), keep_best=True), Prune(episode(1), keep_best=True)]


def test_weights_of_an_episode_that_failed_before_its_rung_go_too():
    failed = on_record(0.5, attempts=[entry("a", EndReason.FAILED)], verdict=Verdict(outcome="Failed", rung=0))
    failed = failed.evolve(best=None)
    todo = look(TWO, running(0, 0.1), records={1: failed}, stored={episode(1): False})
    assert decisions(todo, Prune) == [Prune(episode(1), keep_best=False)]


def test_paused_episodes_keep_their_checkpoints():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9)}
    assert decisions(look(TWO, running(1, 0.1), records=records, stored={episode(0): True}), Prune) == []


def test_nothing_is_pruned_twice():
    todo = look(TWO, running(0, 0.1), records={1: OVER[1]}, cuts=[CUT], stored={episode(0): True})
    assert decisions(todo, Prune) == []


def test_every_stop_carries_the_uid_it_means():
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,)), 1: on_record(0.1, 0.2, 0.3, rungs=(3,))}
    attempt = running(1, 0.1, 0.2, 0.3, 0.4, uid="f00")
    todo = look(TWO, running(0, 0.1, 0.2, 0.9), attempt, records=records, cuts=[CUT])
    assert decisions(todo, StopAttempt) == [StopAttempt(episode(1), "f00", StopReason.CUT, save=False)]


def test_different_fingerprints_are_said():
    same = look(TWO, running(0, 0.1), running(1, 0.1))
    mixed = look(TWO, running(0, 0.1), running(1, 0.1, fingerprint="a100"))
    assert condition(same, "HeterogeneousHardware").status == "False"
    assert condition(mixed, "HeterogeneousHardware").status == "True"


def test_sampled_scores_are_said_not_to_be_exact():
    layout = study(2, (3, 1), ours=False)
    todo = look(layout, running(0, 0.1, 0.2, 0.3, sampled=True), running(1, 0.1))
    assert condition(todo, "ExactScores").status == "False"
    assert recorded(todo, 0).rung_scores[0].sampled


def test_a_condition_keeps_its_transition_time_while_it_holds():
    first = look(TWO, running(0, 0.1), now=100)
    later = look(TWO, running(0, 0.1), status=first.status, now=200)
    assert condition(later, "Progressing") == condition(first, "Progressing")


def test_cost_is_planned_from_the_step_of_the_evaluation_and_not_from_the_rounded_share():
    layout = study(4, parallelism=2, stopping={"rungs": [{"atPercent": 39, "keep": 1}]})
    cost = look(layout, running(0, 0.1)).status.cost
    assert cost.planned_steps == 4 * 30 + 1 * 70
    assert cost.full_steps == 400


def test_steps_trained_again_after_an_interruption_are_wasted():
    first = entry("a", EndReason.INTERRUPTED, evaluations=2, checkpoint=1, steps=27)
    attempt = running(0, 0.1, 0.2, 0.3, steps_at_start=10, steps_done=30)
    cost = look(TWO, attempt, records={0: on_record(0.1, 0.2, attempts=[first])}).status.cost
    assert (cost.useful_steps, cost.wasted_steps, cost.overshoot_steps) == (30, 17, 0)


def test_steps_of_a_loser_past_its_rung_are_overshoot():
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,)), 1: on_record(0.1, 0.2, 0.3, rungs=(3,))}
    attempts = (running(0, 0.1, 0.2, 0.9), running(1, 0.1, 0.2, 0.3, 0.4))
    cost = look(TWO, *attempts, records=records, cuts=[CUT]).status.cost
    assert (cost.useful_steps, cost.overshoot_steps) == (60, 10)


def test_gpu_seconds_run_from_bound_to_ended_times_the_gpus_of_the_pod():
    attempt = running(0, 0.1, bound=moment(20), gpus=2.0)
    assert look(study(1), attempt, now=100).status.cost.gpu_seconds == 160.0
    over = look(study(1), ended(attempt, EndReason.INTERRUPTED, at=50), now=100)
    assert over.status.cost.gpu_seconds == 60.0
    assert recorded(over, 0).attempts[0].gpu_seconds == 60.0


def test_a_clock_that_steps_back_gives_no_negative_gpu_seconds():
    attempt = running(0, 0.1, bound=moment(80))
    assert look(study(1), attempt, now=20).status.cost.gpu_seconds == 0.0
    over = look(study(1), ended(attempt, EndReason.INTERRUPTED, at=50), now=50)
    assert recorded(over, 0).attempts[0].gpu_seconds == 0.0


@pytest.mark.parametrize("suspend", [True, False])
def test_the_status_says_in_one_line_what_happens(suspend):
    todo = look(TWO, running(0, 0.1), suspend=suspend)
    assert ("suspended" in todo.status.message) == suspend
    assert "\n" not in todo.status.message


def test_without_storage_a_survivor_starts_again_from_its_seeds_and_that_is_counted():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9), 1: OVER[1]}
    assert starts(look(TWO, records=records, cuts=[CUT], resumable=False)) == [(0, None)]
    again = look(TWO, running(0, 0.1, 0.2, 0.9, 0.9), records=records, cuts=[CUT], resumable=False)
    assert again.status.cost.wasted_steps == 30


def test_the_same_observation_gives_the_same_plan():
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,)), 1: on_record(0.1, 0.2, 0.3, rungs=(3,))}
    attempts = (running(0, 0.1, 0.2, 0.9), running(1, 0.1, 0.2, 0.3))
    assert look(TWO, *attempts, records=records) == look(TWO, *attempts, records=records)


def test_the_best_so_far_is_up_to_date_also_after_a_turn_with_more_news_than_it_takes_in(monkeypatch):
    monkeypatch.setattr("seedsweep.engine.draft.MAX_WRITES", 1)
    layout = study(2, (3, 1), (6, 1))
    records = {0: on_record(0.1, 0.2, 0.3, rungs=(3,)), 1: stopped_at_rung(1, 0.1, 0.1, 0.2).evolve(verdict=LOST)}
    news = ended(running(0, 0.1, 0.2, 0.3, 0.9), EndReason.INTERRUPTED)
    todo = look(layout, news, records=records, cuts=[cut_of(layout, kept=[0], lost=[1])])
    assert todo.decisions == ()
    best = recorded(todo, 0).best
    assert best is not None
    assert best.score == 0.9
