"""More news than one turn records: what waits keeps nobody else from starting, and no loser running."""

import pytest

from engine.situations import cut_of, ended, entry, finished, look, on_record, running, stopped_at_rung, study
from engine.trainees import seconds
from seedsweep.api.episode import EndReason, EpisodeStatus, StopReason, Verdict
from seedsweep.engine.decisions import HandOverWinner, RecordEpisode

LIMIT, STARTED_A_TURN = 2, 4
EIGHT = study(8, (3, 2), parallelism=8)
LOST = Verdict(outcome="LostByDominance", rung=0, dominators=["wi0-do0", "wi1-do1"])


@pytest.fixture(autouse=True)
def few_writes(monkeypatch):
    monkeypatch.setattr("seedsweep.engine.draft.MAX_WRITES", LIMIT)


def writes(todo):
    return [record.episode.weight_init for record in todo.records if isinstance(record, RecordEpisode)]


def test_who_never_ran_starts_though_more_news_of_others_waits():
    todo = look(EIGHT, *(running(i, 0.1) for i in range(5)))
    assert writes(todo) == [0, 1]
    assert [i for i, _ in todo.starts] == [5, 6, 7]
    assert todo.look_again_in == seconds(0)


def test_a_sweep_with_more_news_in_every_turn_than_it_records_still_fills_its_places():
    layout = study(32, (3, 2), parallelism=32)
    records: dict[int, EpisodeStatus] = {}
    live: list[int] = []
    for _ in range(32 // STARTED_A_TURN):
        todo = look(layout, *(running(i, 0.1) for i in live), records=records)
        records |= {i: todo.recorded(i) for i in writes(todo)}
        live += [i for i, _ in todo.starts[:STARTED_A_TURN]]
    assert live == list(range(32))
    assert len(records) < len(live) / 2, "not more news than was recorded"


def test_a_loser_on_record_is_stopped_though_more_news_of_others_waits():
    records = {i: stopped_at_rung(i, 0.1, 0.2, 0.9) for i in range(2)}
    records[7] = on_record(0.1, 0.1, 0.1, rungs=(3,), attempts=[entry("uid-7")], verdict=LOST)
    todo = look(EIGHT, *(running(i, 0.1) for i in range(2, 6)), running(7, 0.1, 0.1, 0.1), records=records)
    assert todo.stops == [(7, StopReason.DOMINATED)]


def test_who_has_ended_is_not_started_again_before_its_end_is_on_record():
    news = [ended(running(i, 0.1), EndReason.FAILED, exit_code=1) for i in range(5)]
    todo = look(EIGHT, *news)
    assert writes(todo) == [0, 1]
    assert [i for i, _ in todo.starts] == [0, 1, 5, 6, 7]


def test_who_has_ended_counts_as_running_until_its_end_is_on_record():
    records = {i: on_record(attempts=[entry(f"uid-{i}")]) for i in range(5)}
    todo = look(EIGHT, *(ended(running(i, 0.1), EndReason.INTERRUPTED) for i in range(5)), records=records)
    assert (todo.status.counts.running, todo.status.counts.paused, todo.status.counts.waiting) == (3, 2, 3)


def test_who_has_come_to_its_rung_is_not_started_again_before_its_score_is_on_record():
    records = {i: on_record(0.1, 0.2, 0.3, attempts=[entry(f"a{i}", EndReason.STOPPED_AT_RUNG)]) for i in range(5)}
    todo = look(EIGHT, records=records)
    assert writes(todo) == [0, 1]
    assert [i for i, _ in todo.starts] == [5, 6, 7]


def test_a_survivor_that_is_done_is_not_started_again_before_its_end_is_on_record():
    done = on_record(*(10 * [0.5]), rungs=(3,), attempts=[entry("a", EndReason.DONE, evaluations=10)])
    layout = study(6, (3, 4), parallelism=6)
    records = {**dict.fromkeys(range(4), done), 4: stopped_at_rung(4, 0.1, 0.1, 0.1), 5: finished(5, *(3 * [0.1]))}
    todo = look(layout, records=records, cuts=[cut_of(layout, kept=[0, 1, 2, 3], lost=[4, 5])])
    assert todo.starts == []
    assert todo.of_kind(HandOverWinner) == []
    assert not todo.finished


def test_metrics_are_not_given_up_while_scores_wait_to_be_recorded():
    given_up = entry("a", EndReason.METRICS_UNAVAILABLE)
    verdict = Verdict(outcome="Failed", rung=0, reason="MetricsUnavailable (2 times): no sample")
    records = {i: on_record(attempts=[given_up], verdict=verdict) for i in range(3)}
    news = [running(i, 0.1, 0.2, 0.3) for i in range(3, 8)]
    todo = look(EIGHT, *news, records=records)
    assert not todo.status.failed
    assert todo.look_again_in == seconds(0)


def test_a_deadline_is_not_missed_by_who_has_ended_before_it_and_waits_to_be_recorded():
    layout = study(8, activeDeadlineSeconds=50)
    done = [ended(running(i, *(10 * [0.5])), EndReason.DONE) for i in range(8)]
    assert not look(layout, *done).status.failed
    known = {7: on_record(0.5, attempts=[entry("uid-7")])}
    assert look(layout, *done[:7], running(7, 0.5), records=known).status.failed


def test_a_score_goes_on_record_with_the_end_that_is_written_anyway():
    news = [ended(running(i, 0.1, 0.2, 0.3, stop_after=3), EndReason.STOPPED_AT_RUNG) for i in range(5)]
    todo = look(EIGHT, *news)
    assert [len(todo.recorded(i).rung_scores) for i in writes(todo)] == [1, 1]


def test_a_verdict_goes_on_record_with_the_score_that_is_written_anyway():
    records = {i: stopped_at_rung(i, 0.1, 0.2, 0.9) for i in range(2)}
    records |= {i: on_record(attempts=[entry(f"uid-{i}")]) for i in range(2, 6)}
    todo = look(EIGHT, *(running(i, 0.1, 0.1, 0.1) for i in range(2, 6)), records=records)
    assert [todo.verdict_of(i).outcome for i in writes(todo)] == ["LostByDominance"] * 2


def test_who_lost_by_a_cut_is_stopped_once_that_is_on_record():
    layout = study(6, (3, 2), parallelism=6)
    records = {i: on_record(0.1, 0.1, 0.1 + i / 100, rungs=(3,), attempts=[entry(f"uid-{i}")]) for i in range(6)}
    attempts = [running(i, 0.1, 0.1, 0.1) for i in range(6)]
    todo = look(layout, *attempts, records=records, cuts=[cut_of(layout, kept=[5, 4], lost=[3, 2, 1, 0])])
    assert todo.stops == [(i, StopReason.CUT) for i in sorted(writes(todo))]
    assert len(todo.stops) == LIMIT


def test_nobody_is_paused_before_its_start_is_on_record():
    todo = look(EIGHT, *(running(i, 0.1) for i in range(5)), suspend=True)
    assert sorted(i for i, _ in todo.stops) == writes(todo)
