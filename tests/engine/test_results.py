"""Rules 7, 8 and 13, conditions and cost: what is handed over, thrown away, said and counted."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from engine.situations import (
    LOST,
    OVER,
    cut_of,
    ended,
    entry,
    episode,
    finished,
    look,
    on_record,
    running,
    stopped_at_rung,
    study,
)
from engine.trainees import moment
from seedsweep.api.core.objects import Condition
from seedsweep.api.cut import ExcludedEpisode
from seedsweep.api.episode import BestEvaluation, EndReason, EpisodeStatus, Freed, StopReason, Verdict
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import HandOverWinner, Prune, RecordEpisode, StopAttempt
from seedsweep.engine.observation import HandOverOutcome

TWO = study(2, (3, 1))
CUT = cut_of(TWO, kept=[0], lost=[1])


def best_of(status: EpisodeStatus) -> BestEvaluation:
    assert status.best is not None
    return status.best


def test_the_winner_is_handed_over_once_all_is_settled():
    todo = look(TWO, records=OVER, cuts=[CUT])
    assert todo.of_kind(HandOverWinner) == [HandOverWinner(episode(0), best_of(OVER[0]))]
    assert not todo.finished
    assert todo.status.phase == "Concluding"
    assert look(TWO, records=OVER, cuts=[CUT], handing_over=True).of_kind(HandOverWinner) == []


def test_the_sweep_is_complete_when_the_winner_was_handed_over():
    outcome = HandOverOutcome(episode(0).name, weights="file:///best")
    todo = look(TWO, records=OVER, cuts=[CUT], hand_over=outcome)
    assert todo.finished
    assert todo.decisions == ()
    assert todo.condition("Complete").status == "True"
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
    assert todo.condition("Complete").status == "True"
    assert todo.condition("Failed").status == "False"
    assert todo.status.over
    assert todo.status.completion_time is not None
    assert datetime.fromisoformat(todo.status.completion_time) == moment(100)


BROKEN = HandOverOutcome(episode(0).name, error="disk full")


def test_a_hand_over_that_failed_is_a_failure_and_the_winner_stands():
    todo = look(TWO, records=OVER, cuts=[CUT], hand_over=BROKEN)
    assert todo.finished
    assert todo.condition("Complete").status == "False"
    failed, handed_over = todo.condition("Failed"), todo.condition("HandedOver")
    assert (failed.status, failed.reason, failed.message) == ("True", "HandOverFailed", "disk full")
    assert (handed_over.status, handed_over.reason) == ("False", "HandOverFailed")
    assert todo.status.best is not None
    assert (todo.status.phase, todo.status.best.episode) == ("Failed", episode(0).name)
    assert todo.status.hand_over_failed


def test_a_hand_over_that_failed_is_tried_again_and_may_succeed():
    failed = look(TWO, records=OVER, cuts=[CUT], hand_over=BROKEN).status
    again = look(TWO, records=OVER, cuts=[CUT], status=failed)
    assert again.of_kind(HandOverWinner) == [HandOverWinner(episode(0), best_of(OVER[0]))]
    assert (again.status.phase, again.status.completion_time) == ("Concluding", None)
    done = look(
        TWO, records=OVER, cuts=[CUT], status=again.status, hand_over=HandOverOutcome(episode(0).name, "file:///x")
    )
    assert (done.condition("Complete").status, done.condition("Failed").status) == ("True", "False")
    assert done.condition("HandedOver").status == "True"


def test_a_copy_that_could_not_be_made_is_a_hand_over_that_failed():
    outcome = HandOverOutcome(episode(0).name, weights="file:///best", error="no credentials")
    todo = look(TWO, records=OVER, cuts=[CUT], hand_over=outcome)
    assert todo.condition("Failed").reason == "HandOverFailed"
    assert todo.status.best is not None
    assert todo.status.best.weights == "file:///best"


@pytest.mark.parametrize("ours", [True, False])
def test_a_sweep_without_any_score_has_failed(ours):
    undefined = [None] * 10
    layout = study(2, ours=ours)
    todo = look(layout, records={0: finished(0, *undefined), 1: finished(1, *undefined)})
    assert todo.finished
    assert todo.status.best is None
    assert (todo.condition("Complete").status, todo.condition("Failed").reason) == ("False", "NoScore")
    again = look(layout, records={0: finished(0, *undefined), 1: finished(1, *undefined)}, status=todo.status)
    assert again.condition("Failed").reason == "NoScore"


def test_what_was_trained_from_is_recorded_once():
    first = look(TWO, running(0, 0.1, provenance="weights=ab12&train=8-1"))
    assert first.status.provenance is not None
    assert (first.status.provenance.base_weights, first.status.provenance.truncated.train) == ("ab12", 1)
    later = look(TWO, running(0, 0.1, provenance="weights=cd34"), status=first.status)
    assert later.status.provenance == first.status.provenance


def test_one_score_is_enough_for_a_winner():
    todo = look(study(2), records={0: finished(0, *[None] * 10), 1: finished(1, 0.1, *[None] * 9)}, resumable=False)
    assert todo.condition("Complete").status == "True"


@pytest.mark.parametrize(
    ("ours", "checkpoint", "evaluation"), [(True, 3, 2), (True, 5, 5), (True, 6, 5), (False, 3, 5)]
)
def test_of_a_failed_episode_counts_what_was_in_a_checkpoint(ours: bool, checkpoint: int, evaluation: int):
    layout = study(2, (3, 1), ours=ours, backoffLimitPerEpisode=0)
    before = on_record(0.1, 0.8, 0.3, rungs=(3,))
    failed = ended(running(0, 0.1, 0.8, 0.3, 0.4, 0.9, 0.2, checkpoint=checkpoint), EndReason.FAILED)
    todo = look(layout, failed, records={0: before, 1: OVER[1]}, cuts=[cut_of(layout, kept=[0], lost=[1])])
    assert todo.verdict_of(0).outcome == "Failed"
    best = todo.recorded(0).best
    assert best is not None
    assert best.evaluation == evaluation


def test_a_loser_that_wins_is_handed_over_at_its_rung():
    winner = stopped_at_rung(1, 0.95, 0.2, 0.3).evolve(verdict=LOST)
    todo = look(TWO, records=OVER | {1: winner}, cuts=[CUT])
    assert todo.of_kind(HandOverWinner) == [HandOverWinner(episode(1), best_of(winner))]


def test_a_trainer_of_ones_own_hands_over_by_itself():
    layout = study(2, (3, 1), ours=False)
    todo = look(layout, records=OVER, cuts=[CUT])
    assert todo.of_kind(HandOverWinner) == []
    assert todo.finished


def test_a_losers_checkpoints_go_at_once():
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,)), 1: OVER[1]}
    stored = {episode(0): True, episode(1): True}
    todo = look(TWO, running(0, 0.1, 0.2, 0.9), records=records, cuts=[CUT], stored=stored)
    assert todo.of_kind(Prune) == [Prune(episode(1), keep_best=False)]


def test_a_losers_checkpoints_stay_while_it_still_lives():
    attempt = running(1, 0.1, 0.2, 0.3, 0.4, stopping=True)
    todo = look(TWO, attempt, records={1: OVER[1]}, cuts=[CUT], stored={episode(1): True})
    assert todo.of_kind(Prune) == []


def test_the_best_weights_of_survivors_and_of_the_sweeps_best_stay():
    best_by_a_loser = OVER | {1: stopped_at_rung(1, 0.95, 0.2, 0.3).evolve(verdict=LOST)}
    todo = look(TWO, records=best_by_a_loser, cuts=[CUT], stored={episode(0): True, episode(1): True})
    assert todo.of_kind(Prune) == [Prune(episode(0), keep_best=True), Prune(episode(1), keep_best=True)]


def test_weights_of_an_episode_that_failed_before_its_rung_go_too():
    failed = on_record(0.5, attempts=[entry("a", EndReason.FAILED)], verdict=Verdict(outcome="Failed", rung=0))
    failed = failed.evolve(best=None)
    todo = look(TWO, running(0, 0.1), records={1: failed}, stored={episode(1): False})
    assert todo.of_kind(Prune) == [Prune(episode(1), keep_best=False)]


def test_paused_episodes_keep_their_checkpoints():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9)}
    assert look(TWO, running(1, 0.1), records=records, stored={episode(0): True}).of_kind(Prune) == []


def test_nothing_is_pruned_twice():
    todo = look(TWO, running(0, 0.1), records={1: OVER[1]}, cuts=[CUT], stored={episode(0): True})
    assert todo.of_kind(Prune) == []


def test_every_stop_carries_the_uid_it_means():
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,)), 1: on_record(0.1, 0.2, 0.3, rungs=(3,))}
    attempt = running(1, 0.1, 0.2, 0.3, 0.4, uid="f00")
    todo = look(TWO, running(0, 0.1, 0.2, 0.9), attempt, records=records, cuts=[CUT])
    assert todo.of_kind(StopAttempt) == [StopAttempt(episode(1), "f00", StopReason.CUT, save=False)]


def test_different_fingerprints_are_said():
    same = look(TWO, running(0, 0.1), running(1, 0.1))
    mixed = look(TWO, running(0, 0.1), running(1, 0.1, fingerprint="a100"))
    assert same.condition("HeterogeneousHardware").status == "False"
    assert mixed.condition("HeterogeneousHardware").status == "True"


def test_other_data_are_said_and_stay_so():
    same = look(TWO, running(0, 0.1, data="a"), running(1, 0.1, data="a"))
    other = look(TWO, running(0, 0.1, data="a"), running(1, 0.1, data="b"))
    assert same.condition("HeterogeneousData").status == "False"
    found = other.condition("HeterogeneousData")
    assert (found.status, found.reason, found.message) == ("True", "DataDiffer", episode(1).name)
    later = look(TWO, running(0, 0.1, 0.2, data="a"), status=other.status)
    assert later.condition("HeterogeneousData").status == "True"
    resumed = look(TWO, running(1, 0.1, data="b"), status=same.status)
    assert resumed.condition("HeterogeneousData").message == episode(1).name


def test_the_digest_of_the_initial_tensors_goes_on_record_and_the_first_one_stands():
    told = ended(running(0, *[0.5] * 10, initialization="first"), EndReason.DONE)
    assert look(TWO, told).recorded(0).initialization == "first"
    later = ended(running(0, *[0.5] * 10, initialization="other"), EndReason.DONE)
    before = {0: on_record(0.5, initialization="first")}
    assert look(TWO, later, records=before).recorded(0).initialization == "first"
    silent = ended(running(0, *[0.5] * 10), EndReason.DONE)
    assert look(TWO, silent).recorded(0).initialization is None


def test_sampled_scores_are_said_not_to_be_exact():
    layout = study(2, (3, 1), ours=False)
    todo = look(layout, running(0, 0.1, 0.2, 0.3, sampled=True), running(1, 0.1))
    assert todo.condition("ExactScores").status == "False"
    assert todo.recorded(0).rung_scores[0].sampled


def test_a_condition_keeps_its_transition_time_while_it_holds():
    first = look(TWO, running(0, 0.1), now=100)
    later = look(TWO, running(0, 0.1), status=first.status, now=200)
    assert later.condition("Progressing") == first.condition("Progressing")


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


def test_saved_is_what_losers_did_not_train_whatever_they_trained_again_and_nothing_of_one_that_failed():
    layout = study(3, (3, 1))
    twice = entry("a", EndReason.INTERRUPTED, evaluations=2, steps=27)
    then = entry("b", EndReason.STOPPED, evaluations=3, steps_at_start=0, steps=30)
    failed = entry("c", EndReason.FAILED, evaluations=1, steps=10)
    records = {
        0: finished(0, *(10 * [0.9])),
        1: on_record(0.1, 0.2, 0.3, rungs=(3,), attempts=[twice, then], verdict=Verdict(outcome="LostByCut", rung=0)),
        2: on_record(0.1, attempts=[failed], verdict=Verdict(outcome="Failed", reason="boom")),
    }
    excluded = [ExcludedEpisode(episode=episode(2).name, reason="Failed: boom")]
    cut = cut_of(layout, kept=[0], lost=[1]).evolve(excluded=excluded)
    cost = look(layout, records=records, cuts=[cut]).status.cost
    assert (cost.full_steps, cost.useful_steps, cost.wasted_steps) == (300, 140, 27)
    assert cost.saved_steps == 70


def test_gpu_seconds_run_from_bound_to_ended_times_the_gpus_of_the_pod():
    attempt = running(0, 0.1, bound=moment(20), gpus=2.0)
    assert look(study(1), attempt, now=100).status.cost.gpu_seconds == 160.0
    over = look(study(1), ended(attempt, EndReason.INTERRUPTED, at=50), now=100)
    assert over.status.cost.gpu_seconds == 60.0
    assert over.recorded(0).attempts[0].gpu_seconds == 60.0


def test_a_clock_that_steps_back_gives_no_negative_gpu_seconds():
    attempt = running(0, 0.1, bound=moment(80))
    assert look(study(1), attempt, now=20).status.cost.gpu_seconds == 0.0
    over = look(study(1), ended(attempt, EndReason.INTERRUPTED, at=50), now=50)
    assert over.recorded(0).attempts[0].gpu_seconds == 0.0


@pytest.mark.parametrize("suspend", [True, False])
def test_the_status_says_in_one_line_what_happens(suspend):
    todo = look(TWO, running(0, 0.1), suspend=suspend)
    assert ("suspended" in todo.status.message) == suspend
    assert "\n" not in todo.status.message


@pytest.mark.parametrize(
    ("t", "words"), [(1, "1 episode has yet to reach its rung"), (2, "2 episodes have yet to reach their rung")]
)
def test_it_counts_who_has_yet_to_reach_a_rung(t, words):
    todo = look(study(t, (3, 1)), running(0, 0.1))
    assert todo.status.message.startswith(f"{words};")


def test_without_storage_a_survivor_starts_again_from_its_seeds_and_that_is_counted():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9), 1: OVER[1]}
    assert look(TWO, records=records, cuts=[CUT], resumable=False).starts == [(0, None)]
    again = look(TWO, running(0, 0.1, 0.2, 0.9, 0.9), records=records, cuts=[CUT], resumable=False)
    assert again.status.cost.wasted_steps == 30


def test_the_same_observation_gives_the_same_plan():
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,)), 1: on_record(0.1, 0.2, 0.3, rungs=(3,))}
    attempts = (running(0, 0.1, 0.2, 0.9), running(1, 0.1, 0.2, 0.3))
    assert look(TWO, *attempts, records=records) == look(TWO, *attempts, records=records)


def test_the_best_so_far_is_up_to_date_also_after_a_turn_with_more_news_than_it_takes_in(monkeypatch):
    monkeypatch.setattr("seedsweep.engine.draft.MAX_WRITES", 1)
    layout = study(3, (3, 2), (6, 1))
    records = {i: on_record(0.1, 0.2, 0.3, rungs=(3,)) for i in range(2)}
    records[2] = stopped_at_rung(2, 0.1, 0.1, 0.2).evolve(verdict=LOST)
    news = [ended(running(i, 0.1, 0.2, 0.3, 0.9), EndReason.INTERRUPTED) for i in range(2)]
    todo = look(layout, *news, records=records, cuts=[cut_of(layout, kept=[0, 1], lost=[2])])
    assert not todo.is_recorded(1)
    best = todo.recorded(0).best
    assert best is not None
    assert best.score == 0.9


REPLAYED = finished(0, 0.1, 0.2, 0.9, *(7 * [0.5])).evolve(non_deterministic=True)
"""Its last attempt did not come to 0.9 again."""
STORED_ELSE = [BestEvaluation(score=0.6, evaluation=3), BestEvaluation(score=0.7, evaluation=8)]


def not_found(status: EpisodeStatus, instead: Sequence[BestEvaluation] = STORED_ELSE, i: int = 0) -> HandOverOutcome:
    return HandOverOutcome(episode(i).name, error="no such weights", missing=best_of(status), instead=tuple(instead))


def test_a_best_that_no_stored_weights_reproduce_gives_way_to_the_best_stored_ones_with_the_reason_on_record():
    todo = look(TWO, records=OVER | {0: REPLAYED}, cuts=[CUT], hand_over=not_found(REPLAYED))
    best = todo.recorded(0).best
    assert best == BestEvaluation(score=0.7, evaluation=8, lost=0.9)
    assert todo.of_kind(HandOverWinner) == [HandOverWinner(episode(0), best)]
    assert todo.status.best is not None
    assert (todo.status.best.score, todo.status.best.lost, todo.status.best.weights) == (0.7, 0.9, None)
    assert not todo.finished
    assert not todo.status.failed
    (told,) = [event for event in todo.events if event.reason == "NotBitExact"]
    assert (told.kind, told.episode) == ("Warning", episode(0))
    assert "evaluation 3, 0.9000" in told.message
    assert "evaluation 8, 0.7000" in told.message


def test_weights_that_replaced_the_recorded_best_unread_count_by_their_own_score():
    given_up = on_record(0.1, 0.2, 0.9, 0.5, rungs=(3,), attempts=[entry("a", EndReason.FAILED, checkpoint=4)])
    given_up = given_up.evolve(verdict=Verdict(outcome="Failed"))
    records = {0: given_up, 1: finished(1, *(10 * [0.3]))}
    stored = [BestEvaluation(score=0.95, evaluation=5)]
    layout = study(2, (3, 2))
    todo = look(layout, records=records, cuts=[cut_of(layout, [0, 1], [])], hand_over=not_found(given_up, stored))
    assert todo.recorded(0).best == BestEvaluation(score=0.95, evaluation=5, lost=0.9)
    assert [event.reason for event in todo.events if event.episode == episode(0)] == ["WeightsLost"]


def test_once_its_best_is_lost_another_may_be_the_winner():
    layout = study(2)
    records = {0: REPLAYED, 1: finished(1, *(10 * [0.8]))}
    todo = look(layout, records=records, hand_over=not_found(REPLAYED))
    assert todo.of_kind(HandOverWinner) == [HandOverWinner(episode(1), best_of(records[1]))]
    replayed = todo.recorded(0)
    later = look(layout, records=records | {0: replayed}, hand_over=HandOverOutcome(episode(1).name, "file:///best"))
    assert later.condition("HandedOver").message.endswith(episode(0).name)
    assert later.finished


def test_what_was_not_found_is_forgotten_once_the_record_has_another_best():
    corrected = REPLAYED.evolve(best=BestEvaluation(score=0.7, evaluation=8, lost=0.9))
    todo = look(TWO, records=OVER | {0: corrected}, cuts=[CUT], hand_over=not_found(REPLAYED))
    assert todo.of_kind(HandOverWinner) == [HandOverWinner(episode(0), best_of(corrected))]
    assert todo.records == ()


def test_weights_from_past_the_rung_where_it_lost_do_not_count():
    loser = stopped_at_rung(1, 0.95, 0.2, 0.3).evolve(verdict=LOST)
    stored = [BestEvaluation(score=0.7, evaluation=2), BestEvaluation(score=0.99, evaluation=5)]
    todo = look(TWO, records=OVER | {1: loser}, cuts=[CUT], hand_over=not_found(loser, stored, i=1))
    assert todo.recorded(1).best == BestEvaluation(score=0.7, evaluation=2, lost=0.95)


@pytest.mark.parametrize("instead", [[], [BestEvaluation(score=0.99, evaluation=5)]])
def test_where_nothing_that_counts_is_stored_the_hand_over_has_failed(instead: list[BestEvaluation]):
    loser = stopped_at_rung(1, 0.95, 0.2, 0.3).evolve(verdict=LOST)
    todo = look(TWO, records=OVER | {1: loser}, cuts=[CUT], hand_over=not_found(loser, instead, i=1))
    assert todo.condition("Failed").reason == "HandOverFailed"
    assert todo.status.best is not None
    assert todo.status.best.score == 0.95


def test_a_loser_whose_weights_were_freed_does_not_win_when_the_leader_loses_its_best():
    freed = Freed(attempts=1, best_kept=False)
    loser = stopped_at_rung(1, 0.8, 0.2, 0.3).evolve(verdict=LOST, freed=freed)
    todo = look(TWO, records={0: REPLAYED, 1: loser}, cuts=[CUT], hand_over=not_found(REPLAYED))
    assert todo.status.best is not None
    assert (todo.status.best.episode, todo.status.best.score) == (episode(0).name, 0.7)


def test_what_is_freed_at_once_is_on_record_with_what_frees_it():
    todo = look(TWO, records=OVER, cuts=[CUT], stored={episode(0): True, episode(1): True})
    assert todo.recorded(0).freed == Freed(attempts=1, best_kept=True)
    assert todo.recorded(1).freed == Freed(attempts=1, best_kept=False)


@pytest.mark.parametrize("at_once", [True, False])
def test_where_recording_costs_nothing_a_curve_is_on_record_as_it_is_published(at_once: bool):
    first = look(TWO, running(0, 0.1))
    records = {0: first.recorded(0)}
    todo = look(TWO, running(0, 0.1, 0.2), records=records, records_progress=at_once)
    written = {record.episode: record for record in todo.records if isinstance(record, RecordEpisode)}
    assert (episode(0) in written) == at_once
    if at_once:
        assert written[episode(0)].status.scores == [0.1, 0.2]
        assert not written[episode(0)].durable
        again = look(TWO, running(0, 0.1, 0.2), records={0: written[episode(0)].status}, records_progress=True)
        assert again.records == ()
