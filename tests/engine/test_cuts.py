"""Rules 4 to 7: final scores, dominance, the cut, survivors, the result."""

import pytest

from engine.situations import cut_of, ended, entry, episode, finished, look, on_record, running, stopped_at_rung, study
from engine.trainees import seconds
from seedsweep.api.episode import MAX_DOMINATORS, EndReason, RungScore, StopReason, Verdict
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import RecordCut, RecordEpisode, StopAttempt


def names(*indices):
    return [episode(i).name for i in indices]


def test_the_rung_score_is_the_best_so_far_with_the_loss_it_came_with():
    attempt = running(0, 0.4, 0.7, 0.6, losses=(3.0, 2.0, 1.0))
    assert look(study(2, (3, 1)), attempt).recorded(0).rung_scores == [
        RungScore(rung=0, evaluation=3, score=0.7, loss=2.0)
    ]


def test_the_rung_score_is_the_latest_where_the_sweep_asks_for_it():
    attempt = running(0, 0.4, 0.7, 0.6, losses=(3.0, 2.0, 1.0))
    layout = study(2, (3, 1), stopping={"rankBy": "latest"})
    assert look(layout, attempt).recorded(0).rung_scores == [RungScore(rung=0, evaluation=3, score=0.6, loss=1.0)]


def test_evaluations_after_the_rung_do_not_count_for_its_score():
    assert look(study(2, (3, 1)), running(0, 0.4, 0.5, 0.6, 0.9)).recorded(0).rung_scores[0].score == 0.6


def test_a_recorded_score_stands_whatever_a_replay_says():
    records = {0: on_record(0.4, 0.5, 0.6, rungs=(3,), attempts=[entry("uid-0")])}
    todo = look(study(2, (3, 1)), running(0, 0.4, 0.5, 0.99), running(1, 0.1), records=records)
    assert not todo.is_recorded(0) or todo.recorded(0).rung_scores == records[0].rung_scores


def test_a_replay_that_disagrees_is_said_and_changes_nothing():
    records = {0: on_record(0.4, 0.5, 0.6, rungs=(3,), attempts=[entry("old", EndReason.INTERRUPTED)])}
    attempt = ended(running(0, 0.4, 0.55, 0.6, 0.7), EndReason.INTERRUPTED)
    todo = look(study(2, (3, 1)), attempt, records=records)
    assert todo.recorded(0).scores == [0.4, 0.5, 0.6, 0.7]
    assert todo.condition("NonDeterministic").status == "True"
    assert episode(0).name in todo.condition("NonDeterministic").message


def test_an_episode_outranked_by_as_many_as_are_kept_is_lost_at_once():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9), 1: stopped_at_rung(1, 0.1, 0.2, 0.8)}
    todo = look(study(4, (3, 2)), running(2, 0.1, 0.2, 0.3, 0.4), running(3, 0.1), records=records)
    verdict = todo.recorded(2).verdict
    assert verdict == Verdict(outcome="LostByDominance", rung=0, dominators=names(0, 1))
    assert todo.stops == [(2, StopReason.DOMINATED)]


def test_a_dominated_attempt_saves_nothing():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9)}
    todo = look(study(3, (3, 1)), running(1, 0.1, 0.2, 0.3, 0.4), running(2, 0.1), records=records)
    assert [stop.save for stop in todo.of_kind(StopAttempt)] == [False]


def test_a_verdict_is_recorded_after_the_scores_it_rests_on():
    attempts = (running(0, 0.1, 0.2, 0.3), running(1, 0.1, 0.2, 0.9), running(2, 0.1))
    todo = look(study(3, (3, 1), parallelism=3), *attempts)
    order = [record.episode for record in todo.records if isinstance(record, RecordEpisode) and record.durable]
    assert order.index(episode(1)) < order.index(episode(0))


def test_an_equal_score_dominates_only_where_the_whole_order_is_known():
    better_loss = stopped_at_rung(0, 0.1, 0.2, 0.5)
    attempts = (running(1, 0.1, 0.2, 0.5, losses=(1.0, 1.0, 2.0)), running(2, 0.1))
    todo = look(study(3, (3, 1), parallelism=3), *attempts, records={0: better_loss})
    assert todo.recorded(1).verdict is not None
    theirs = look(study(3, (3, 1), parallelism=3, ours=False), *attempts, records={0: better_loss})
    assert theirs.recorded(1).verdict is None


def test_of_many_episodes_that_outrank_a_loser_only_the_lowest_are_named():
    keep = MAX_DOMINATORS + 3
    records = {i: stopped_at_rung(i, 0.1, 0.2, 0.9 - i / 1000) for i in range(keep)}
    layout = study(keep + 2, (3, keep))
    loser, pending = running(keep, 0.1, 0.2, 0.3), running(keep + 1, 0.1)
    todo = look(layout, loser, pending, records=records)
    verdict = todo.recorded(keep).verdict
    assert verdict is not None
    assert verdict.dominators == [layout.names[e] for e in layout.episodes[3:keep]]


def test_no_cut_is_made_while_one_episode_may_still_get_its_score():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9)}
    assert look(study(2, (3, 1)), running(1, 0.1, 0.2), records=records).cuts_made == []


def test_the_cut_holds_the_ranked_inputs_those_out_and_the_threshold():
    failed = on_record(verdict=Verdict(outcome="Failed", rung=0, reason="OutOfMemory"))
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.5), 1: stopped_at_rung(1, 0.1, 0.2, 0.9), 3: failed}
    [cut] = look(study(4, (3, 2)), running(2, 0.1, 0.2, 0.3), records=records).cuts_made
    assert [(r.episode, r.score, r.kept) for r in cut.rows] == [
        (episode(1).name, 0.9, True),
        (episode(0).name, 0.5, True),
        (episode(2).name, 0.3, False),
    ]
    assert [(e.episode, e.reason) for e in cut.excluded] == [(episode(3).name, "Failed: OutOfMemory")]
    assert (cut.bracket, cut.rung, cut.evaluation, cut.keep, cut.threshold) == (0, 0, 3, 2, 0.5)


def test_ties_go_to_the_lower_validation_loss():
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.5)}
    attempt = running(1, 0.1, 0.2, 0.5, losses=(1.0, 1.0, 0.9))
    [cut] = look(study(2, (3, 1)), attempt, records=records).cuts_made
    assert cut.kept == {episode(1).name}
    assert cut.tied_at_threshold == 2


def test_exact_ties_go_by_the_tie_seed_and_favour_no_index():
    records = {i: stopped_at_rung(i, 0.1, 0.2, 0.5) for i in range(8)}
    firsts: set[str] = set()
    for seed in range(12):
        [cut] = look(study(8, (3, 1), stopping={"tieSeed": seed}), records=records).cuts_made
        firsts |= cut.kept
    assert len(firsts) > 3


def test_a_lower_score_is_better_where_the_metric_is_minimized():
    records = {0: stopped_at_rung(0, 0.9, 0.9, 0.9), 1: stopped_at_rung(1, 0.2, 0.2, 0.2)}
    [cut] = look(study(2, (3, 1), goal="minimize"), records=records).cuts_made
    assert cut.kept == {episode(1).name}


def test_a_cut_that_exists_is_obeyed_even_if_it_would_now_come_out_differently():
    layout = study(2, (3, 1))
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9), 1: stopped_at_rung(1, 0.1, 0.2, 0.3)}
    todo = look(layout, records=records, cuts=[cut_of(layout, kept=[1], lost=[0])])
    assert todo.cuts_made == []
    assert todo.recorded(0).verdict == Verdict(outcome="LostByCut", rung=0, cut="study-b0-r0")
    assert [i for i, _ in todo.starts] == [1]


def test_nobody_is_stopped_before_the_cut_has_been_observed():
    attempts = (running(0, 0.1, 0.2, 0.9), running(1, 0.1, 0.2, 0.3))
    todo = look(study(2, (3, 1)), *attempts)
    assert len(todo.cuts_made) == 1
    assert todo.stops == []
    assert todo.look_again_in is not None
    assert todo.look_again_in.total_seconds() == 0


def test_cuts_are_recorded_after_the_scores_they_rest_on():
    todo = look(study(2, (3, 1)), running(0, 0.1, 0.2, 0.9), running(1, 0.1, 0.2, 0.3))
    kinds = [type(r) for r in todo.records if not isinstance(r, RecordEpisode) or r.durable]
    assert kinds == [RecordEpisode, RecordEpisode, RecordCut]


def test_losers_of_the_cut_are_stopped_and_survivors_go_on():
    layout = study(2, (3, 1))
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,)), 1: on_record(0.1, 0.2, 0.3, rungs=(3,))}
    attempts = (running(0, 0.1, 0.2, 0.9, 0.9), running(1, 0.1, 0.2, 0.3, 0.4))
    todo = look(layout, *attempts, records=records, cuts=[cut_of(layout, kept=[0], lost=[1])])
    assert todo.stops == [(1, StopReason.CUT)]


def test_fewer_eligible_than_kept_all_go_on():
    out = on_record(verdict=Verdict(outcome="Diverged", rung=0))
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.3), 1: out, 2: out}
    [cut] = look(study(3, (3, 2)), records=records).cuts_made
    assert cut.kept == {episode(0).name}


def test_divergence_before_the_rung_makes_an_episode_ineligible_even_if_fewer_remain_than_are_kept():
    attempt = ended(running(1, 0.9, 0.95, diverged_at=3), EndReason.DIVERGED, exit_code=0)
    todo = look(study(2, (3, 2)), attempt, records={0: stopped_at_rung(0, 0.1, 0.2, 0.3)})
    assert todo.verdict_of(1).outcome == "Diverged"
    assert todo.recorded(1).scores == [0.9, 0.95]
    [cut] = todo.cuts_made
    assert cut.kept == {episode(0).name}


def test_divergence_after_the_rung_leaves_the_standing_there():
    attempt = ended(running(1, 0.1, 0.2, 0.9, 0.95, diverged_at=5), EndReason.DIVERGED, exit_code=0)
    [cut] = look(study(2, (3, 1)), attempt, records={0: stopped_at_rung(0, 0.1, 0.2, 0.3)}).cuts_made
    assert cut.kept == {episode(1).name}


def test_a_failure_after_the_rung_leaves_the_standing_there():
    attempt = ended(running(1, 0.1, 0.2, 0.9, 0.95), EndReason.FAILED, exit_code=1)
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.3)}
    [cut] = look(study(2, (3, 1), backoffLimitPerEpisode=0), attempt, records=records).cuts_made
    assert cut.kept == {episode(1).name}


def test_a_failure_after_the_rung_leaves_the_standing_there_even_if_the_turn_has_no_room_to_record_it(monkeypatch):
    monkeypatch.setattr("seedsweep.engine.draft.MAX_WRITES", 1)
    failed = on_record(0.1, 0.2, 0.9, 0.95, attempts=[entry("a", EndReason.FAILED)])
    news = ended(running(0, 0.1), EndReason.INTERRUPTED)
    todo = look(study(2, (3, 1), backoffLimitPerEpisode=0), news, records={1: failed})
    assert not todo.is_recorded(1)
    assert todo.look_again_in == seconds(0)


def test_who_ended_while_the_number_of_evaluations_is_unknown_is_replayed_to_learn_it():
    diverged = on_record(0.1, 0.2, 0.3, 0.4, attempts=[entry("a", EndReason.DIVERGED, diverged_at=5)])
    todo = look(study(2, (3, 1), ours=False), records={0: diverged}, status=SweepStatus())
    assert not todo.is_recorded(0)
    assert [i for i, _ in todo.starts] == [0, 1]


def test_a_failed_episode_has_no_score_at_the_rung_it_never_reached():
    attempt = ended(running(1, 0.9, 0.9), EndReason.FAILED, exit_code=1)
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.3)}
    todo = look(study(2, (3, 1), backoffLimitPerEpisode=0), attempt, records=records)
    [cut] = todo.cuts_made
    assert cut.kept == {episode(0).name}
    assert [e.episode for e in cut.excluded] == names(1)
    assert todo.recorded(1).rung_scores == []


def test_undefined_evaluations_are_never_the_best_and_rank_below_all_numbers():
    attempts = (running(0, None, None, None), running(1, None, -5.0, None), running(2, -7.0, None, None))
    todo = look(study(3, (3, 2), parallelism=3), *attempts)
    [cut] = todo.cuts_made
    assert [(r.episode, r.score) for r in cut.rows] == list(zip(names(1, 2, 0), [-5.0, -7.0, None], strict=True))


def test_a_survivor_that_fails_for_good_is_not_replaced():
    layout = study(3, (3, 1), backoffLimitPerEpisode=0)
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9)} | {
        i: on_record(0.1, 0.2, 0.3, rungs=(3,), verdict=Verdict(outcome="LostByCut", rung=0, cut="study-b0-r0"))
        for i in (1, 2)
    }
    attempt = ended(running(0, 0.1, 0.2, 0.9, 0.95), EndReason.FAILED, exit_code=1)
    todo = look(layout, attempt, records=records, cuts=[cut_of(layout, kept=[0], lost=[1, 2])])
    assert todo.starts == []
    assert todo.verdict_of(0).outcome == "Failed"
    assert todo.condition("Failed").reason == "NoEpisodeFinished"


@pytest.mark.parametrize(("survivor", "winner"), [(0.8, 1), (0.95, 0)])
def test_the_result_counts_losers_up_to_their_rung_and_nothing_after(survivor, winner):
    layout = study(2, (3, 1))
    lost = on_record(0.9, 0.2, 0.2, rungs=(3,), attempts=[entry("old-1", EndReason.STOPPED, checkpoint=3)])
    loser = lost.evolve(scores=[0.9, 0.2, 0.2, 0.99], verdict=Verdict(outcome="LostByCut", rung=0, cut="study-b0-r0"))
    records = {0: finished(0, *(9 * [0.5]), survivor), 1: loser}
    todo = look(layout, records=records, cuts=[cut_of(layout, kept=[0], lost=[1])])
    assert todo.status.best is not None
    assert todo.status.best.episode == episode(winner).name


def test_within_an_episode_the_earliest_best_evaluation_wins():
    todo = look(study(1), ended(running(0, 0.1, *(9 * [0.7])), EndReason.DONE, exit_code=0))
    assert todo.status.best is not None
    assert (todo.status.best.score, todo.status.best.evaluation) == (0.7, 2)


def test_overshoot_of_an_attempt_that_lost_while_it_ran_on_is_never_the_result():
    layout = study(2, (3, 1))
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.5)}
    attempt = ended(running(1, 0.1, 0.2, 0.3, 0.99), EndReason.INTERRUPTED)
    first = look(layout, attempt, records=records)
    [cut] = first.cuts_made
    todo = look(layout, records={0: records[0], 1: first.recorded(1)}, cuts=[cut])
    assert todo.status.best is not None
    assert todo.status.best.score == 0.5
