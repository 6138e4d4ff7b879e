"""What the live view shows, before it is drawn."""

from dataclasses import replace

from inputs import moments, records
from inputs.floored import floored_and_cut
from inputs.sweeps import changed
from seedsweep.api.episode import EpisodeId, EpisodeStatus, Fall, RungScore, Verdict
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.status import Best, EpisodeCounts, SweepStatus
from seedsweep.engine.decisions import Plan, RecordCut, RecordEpisode
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation, Reading, SeenAttempt
from seedsweep.terminal.board import Board, Divider, Row, make_board


def board_of(moment: moments.Moment) -> Board:
    return make_board(moment.layout, moment.seen, moment.plan)


def names_above_and_below(board: Board, text: str) -> tuple[list[str], list[str]]:
    at = next(i for i, e in enumerate(board.entries) if isinstance(e, Divider) and text in e.text)
    above = [e.episode.name for e in board.entries[:at] if isinstance(e, Row)]
    below = [e.episode.name for e in board.entries[at:] if isinstance(e, Row)]
    return above, below


def test_every_episode_has_a_row() -> None:
    moment = moments.after_the_cut(5, 4)
    assert {row.episode for row in board_of(moment).rows} == set(moment.layout.episodes)


def test_made_cut_stands_between_those_it_kept_and_those_it_did_not() -> None:
    record = records.finished()
    above, below = names_above_and_below(board_of(moments.after_the_cut()), "kept 3 of 8")
    assert set(above) == record.cuts[0].data.kept
    assert len(below) == 5


def test_made_cut_shows_its_threshold() -> None:
    threshold = records.finished().cuts[0].data.threshold
    [divider] = [e for e in board_of(moments.after_the_cut()).entries if isinstance(e, Divider)]
    assert divider.made
    assert f"threshold {threshold:.4f}" in divider.text


def test_coming_cut_stands_below_as_many_as_it_will_keep() -> None:
    above, below = names_above_and_below(board_of(moments.before_the_cut()), "evaluation 6 will keep 3")
    assert (len(above), len(below)) == (3, 5)


def test_episodes_that_wait_stand_in_the_order_in_which_they_start() -> None:
    moment = moments.before_the_cut()
    waiting = [row.episode for row in board_of(moment).rows if row.state == "waiting"]
    assert waiting == list(moment.layout.episodes[2:])


def test_leader_is_the_best_score_that_counts() -> None:
    board = board_of(moments.after_the_cut())
    [leader] = [row for row in board.rows if row.leader]
    assert leader.score == max(row.score for row in board.rows if row.score is not None)
    assert leader.rank == 1


def test_failed_and_diverged_episodes_have_no_rank_and_stand_last() -> None:
    last_two = board_of(moments.after_the_cut()).rows[-2:]
    assert {row.state for row in last_two} == {"failed", "diverged"}
    assert all(row.rank is None for row in last_two)


def test_scores_past_the_rung_do_not_count_before_the_cut() -> None:
    moment = moments.before_the_cut()
    scores = (0.55,) * 6 + (0.9,)
    attempt = replace(moment.seen.attempts[0], reading=Reading(scores=scores, evaluations_planned=20))
    board = make_board(moment.layout, replace(moment.seen, attempts=[attempt]), moment.plan)
    row = next(row for row in board.rows if row.episode == attempt.episode)
    assert row.score == 0.55
    assert row.scores == scores


def test_first_record_of_an_evaluation_stands_against_a_replay() -> None:
    moment = moments.before_the_cut()
    attempt = moment.seen.attempts[0]
    known = {attempt.episode: EpisodeStatus(scores=[0.6])}
    replay = replace(attempt, reading=Reading(scores=(0.7, 0.65)))
    board = make_board(moment.layout, replace(moment.seen, episodes=known, attempts=[replay]), moment.plan)
    assert next(r for r in board.rows if r.episode == attempt.episode).scores == (0.6, 0.65)


def test_what_the_plan_records_is_shown_at_once() -> None:
    moment = moments.before_the_cut()
    episode = moment.layout.episodes[5]
    status = EpisodeStatus(state="Failed", verdict=Verdict(outcome="Failed"))
    plan = replace(moment.plan, records=(RecordEpisode(episode, status, durable=True),))
    board = make_board(moment.layout, moment.seen, plan)
    assert next(row for row in board.rows if row.episode == episode).state == "failed"


def test_an_episode_that_trained_to_the_end_before_the_cut_is_not_shown_as_paused() -> None:
    moment = moments.before_the_cut()
    episode = moment.layout.episodes[5]
    seen = replace(moment.seen, episodes={episode: EpisodeStatus(state="Trained", scores=[0.5] * 20)})
    board = make_board(moment.layout, seen, moment.plan)
    assert next(row for row in board.rows if row.episode == episode).state == "trained"


def test_who_finished_and_is_outranked_since_the_sweep_got_more_seeds_is_shown_as_lost() -> None:
    moment = moments.before_the_cut()
    episode = moment.layout.episodes[5]
    outranked = EpisodeStatus(state="Lost", verdict=Verdict(outcome="Finished"), scores=[0.5] * 20)
    board = make_board(moment.layout, replace(moment.seen, episodes={episode: outranked}), moment.plan)
    row = next(row for row in board.rows if row.episode == episode)
    assert (row.state, row.settled) == ("lost", True)


def test_cut_that_was_observed_counts_rather_than_the_one_just_planned() -> None:
    moment = moments.after_the_cut()
    other = records.finished().cuts[0].data.model_copy(update={"threshold": 0.1})
    board = make_board(moment.layout, moment.seen, replace(moment.plan, records=(RecordCut(other),)))
    assert not any("0.1000" in e.text for e in board.entries if isinstance(e, Divider))


def test_rows_are_scaled_from_the_baseline_to_the_best_score() -> None:
    board = board_of(moments.after_the_cut())
    assert board.low == records.BASELINE
    assert board.high == max(s for row in board.rows for s in row.scores if s is not None)


def test_lower_scores_lead_where_the_metric_is_minimized() -> None:
    layout = Layout.of(records.parse(goal="minimize"))
    attempts = [
        SeenAttempt(e, f"uid-{e.name}", records.START, records.START, reading=Reading(scores=(score,)))
        for e, score in zip(layout.episodes, (0.5, 0.3, 0.4), strict=False)
    ]
    status = SweepStatus(evaluations=20)
    board = make_board(layout, Observation(status, attempts=attempts), Plan((), (), status))
    assert [row.score for row in board.rows[:3]] == [0.3, 0.4, 0.5]
    assert board.rows[0].leader


def test_brackets_are_ranked_apart_with_the_leader_over_all() -> None:
    sweep = parse_sweep(
        """
        apiVersion: seedsweep.io/v1alpha1
        kind: SeedSweep
        metadata: {name: two}
        spec:
          seeds: {single: {count: 6}}
          parallelism: 6
          earlyStopping:
            brackets: [{episodes: 4, rungs: [{atPercent: 50, keep: 1}]}, {episodes: 2, rungs: []}]
          trainer: {image: any, command: [train], metric: {name: acc, goal: maximize}}
        """
    )
    layout = Layout.of(sweep)
    attempts = [
        SeenAttempt(e, f"uid-{e.name}", records.START, records.START, reading=Reading(scores=(0.5 + i / 10,)))
        for i, e in enumerate(layout.episodes)
    ]
    status = SweepStatus(evaluations=4)
    board = make_board(layout, Observation(status, attempts=attempts), Plan((), (), status))
    ranks = {bracket: [r.rank for r in board.rows if layout.bracket_of[r.episode] == bracket] for bracket in (0, 1)}
    assert ranks == {0: [1, 2, 3, 4], 1: [1, 2]}
    assert [row.episode for row in board.rows if row.leader] == [EpisodeId(5, 5)]


def test_equal_scores_stand_by_their_losses_and_the_star_is_the_engines_best() -> None:
    text = records.finished().sweep
    layout = Layout.of(text.evolve(spec=text.spec.evolve(early_stopping=None)))
    by_hash = sorted(layout.episodes, key=layout.tie.__getitem__)
    statuses = {e: EpisodeStatus(scores=[0.7], losses=[0.5]) for e in by_hash[:3]}
    statuses[by_hash[2]] = EpisodeStatus(scores=[0.7], losses=[0.4])
    status = SweepStatus(evaluations=20, steps=200)
    board = make_board(layout, Observation(status=status, episodes=statuses), Plan((), (), status))
    ranked = [row.episode for row in board.rows if row.rank is not None]
    assert ranked == [by_hash[2], by_hash[0], by_hash[1]]
    last = by_hash[1]
    best = Best(episode=last.name, weight_init=last.weight_init, data_order=last.data_order, score=0.7, evaluation=1)
    told = status.evolve(best=best)
    board = make_board(layout, Observation(status=told, episodes=statuses), Plan((), (), told))
    assert [row.episode for row in board.rows if row.leader] == [last]


def test_who_fell_below_a_floor_is_out_and_who_the_budget_does_not_carry_is_unused() -> None:
    sweep = parse_sweep(changed("spec.earlyStopping", {"floor": {}}, changed("spec.budget", 1)))
    layout = Layout.of(sweep)
    first, second, third = layout.episodes[:3]
    fall = Fall(score=0.5, baseline=0.5, standard_error=0.1, margin="1.5")
    fell = EpisodeStatus(
        scores=[0.5, 0.9],
        rung_scores=[RungScore(rung=0, evaluation=1, score=0.5)],
        verdict=Verdict(outcome="LostByFloor", rung=0, fall=fall),
    )
    finished = EpisodeStatus(scores=[0.7, 0.8], verdict=Verdict(outcome="Finished"))
    status = SweepStatus(evaluations=2, counts=EpisodeCounts(lost=1, finished=1, unused=6))
    seen = Observation(status=status, episodes={first: fell, second: finished}, parallelism=2)
    rows = {row.episode: row for row in make_board(layout, seen, Plan((), (), status)).rows}
    assert [rows[e].state for e in (first, second, third)] == ["fell", "finished", "unused"]
    assert rows[first].score == 0.5
    assert [rows[e].settled for e in (first, second, third)] == [True, False, True]
    assert rows[second].leader


def test_a_cut_beside_a_floor_stands_between_those_it_kept_and_the_others() -> None:
    record = floored_and_cut()
    layout, status = Layout.of(record.sweep), record.status
    statuses = {episode.spec.id: episode.status for episode in record.episodes}
    before = Observation(status=status.evolve(cuts=[]), episodes=statuses)
    board = make_board(layout, before, Plan((), (), status))
    assert [entry.text for entry in board.entries if isinstance(entry, Divider)] == [
        "the cut at evaluation 10 will keep 2"
    ]
    cut = record.cuts[0].data
    after = replace(before, cuts={(cut.bracket, cut.rung): cut})
    board = make_board(layout, after, Plan((), (), status))
    places = [entry.text if isinstance(entry, Divider) else entry.state for entry in board.entries]
    assert places[:3] == ["finished", "finished", "cut at evaluation 10: kept 2 of 6, threshold 0.6624"]
    assert sorted(places[3:]) == ["fell", "fell", "lost", "lost", "unused", "unused"]
