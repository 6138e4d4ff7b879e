"""All episodes of a record, a row each, and the same as CSV and JSON."""

import csv
import io
import json
import math

from inputs import records
from seedsweep.api.status import Average
from seedsweep.report.episodes import episode_rows, episodes_table, rung_titles
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import analyses
from seedsweep.report.table import Table


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def test_every_episode_has_one_row_and_ranks_run_from_the_winner_on() -> None:
    record = records.finished()
    rows = episode_rows(of(record))
    assert sorted(row.name for row in rows) == sorted(e.spec.id.name for e in record.episodes)
    assert record.status.best is not None
    assert rows[0].name == record.status.best.episode
    assert [row.rank for row in rows] == list(range(1, len(rows) + 1))
    assert [row.best for row in rows] == sorted((row.best for row in rows if row.best is not None), reverse=True)


def test_rank_and_score_at_a_rung_are_those_of_the_cut() -> None:
    record = records.finished()
    rows = {row.name: row for row in episode_rows(of(record))}
    for rank, entry in enumerate(record.cuts[0].data.rows, start=1):
        at = rows[entry.episode].rungs[0]
        assert at is not None
        assert (at.rank, at.score) == (rank, entry.score)
    assert rows[records.FAILED].rungs == (None,)
    assert rung_titles(of(record)) == [f"evaluation {records.RUNG}"]


def test_of_equal_scores_that_of_the_winner_ranks_first() -> None:
    record = records.fully_trained(3, 3)
    same = records.best_of([0.6])
    record.episodes[:] = [e.evolve(status=e.status.evolve(best=same)) for e in record.episodes]
    assert record.status.best is not None
    for name in ("wi0-do0", "wi2-do1"):
        won = record.with_status(best=record.status.best.evolve(episode=name, score=0.6))
        assert episode_rows(of(won))[0].name == name


def test_equal_scores_rank_by_the_lower_loss_and_then_by_the_sweeps_hash_never_by_the_index() -> None:
    record = records.fully_trained(6, 6)
    alike = [e.status.evolve(best=records.best_of([0.6])) for e in record.episodes]
    for i, status in enumerate(alike):
        record.episodes[i] = record.episodes[i].evolve(status=status)
    record = record.with_status(best=None)
    last = record.episodes[-1]
    assert last.status.best is not None
    record.episodes[-1] = last.evolve(status=last.status.evolve(best=last.status.best.evolve(loss=0.1)))
    names = [row.name for row in episode_rows(of(record))]
    assert names[0] == last.spec.id.name
    assert names[1:] != [e.spec.id.name for e in record.episodes[:-1]]


def test_only_whole_runs_have_a_final_score() -> None:
    rows = episode_rows(of(records.finished()))
    assert {row.name for row in rows if row.final is not None} == {row.name for row in rows if row.status == "finished"}


def test_the_test_score_of_an_average_is_no_episodes() -> None:
    record = records.finished()
    assert record.status.best is not None
    assert [row.test for row in episode_rows(of(record)) if row.test is not None] == [0.6643]
    made = Average(members=3, score=0.71, members_score=0.7, handed_over=True)
    averaged = record.with_status(best=record.status.best.evolve(average=made))
    assert [row.test for row in episode_rows(of(averaged)) if row.test is not None] == []


def test_failed_runs_are_those_that_the_statistics_count() -> None:
    record = records.fully_trained()
    first = record.episodes[0]
    flat = [records.BASELINE] * records.EVALUATIONS
    status = first.status.evolve(scores=flat, best=records.best_of(flat))
    record.episodes[0] = first.evolve(status=status)
    [analysis] = analyses(of(record))
    assert analysis.failed is not None
    failed = [row.name for row in episode_rows(of(record)) if row.failed]
    assert failed == [first.spec.id.name]
    assert len(failed) == analysis.failed.count


def test_steps_and_seconds_of_an_episode_without_attempts_are_unknown_and_not_zero() -> None:
    record = records.fully_trained()
    first = record.episodes[0]
    record.episodes[0] = first.evolve(status=first.status.evolve(attempts=[]))
    row = next(row for row in episode_rows(of(record)) if row.name == first.spec.id.name)
    assert (row.steps, row.seconds) == (None, None)
    other = next(row for row in episode_rows(of(record)) if row.name != first.spec.id.name)
    assert other.steps is not None
    assert other.steps > 0
    assert other.seconds == other.steps * records.SECONDS_PER_STEP


def test_table_of_episodes_has_every_number_in_full() -> None:
    record = records.finished()
    table = episodes_table(of(record))
    read = list(csv.DictReader(io.StringIO(table.csv().decode())))
    for row, found in zip(episode_rows(of(record)), read, strict=True):
        assert found["episode"] == row.name
        assert found["best"] == ("" if row.best is None else repr(row.best))
        assert found["final"] == ("" if row.final is None else repr(row.final))
        assert found["rung_0_rank"] == ("" if row.rungs[0] is None else str(row.rungs[0].rank))


def test_what_is_unknown_or_no_number_is_an_empty_field_and_null() -> None:
    table = Table("t", ("a", "b"), [(None, 1), (math.nan, 0.1 + 0.2), ("x,y", True)])
    assert table.csv() == b'a,b\n,1\n,0.30000000000000004\n"x,y",True\n'
    assert json.loads(table.json()) == {"columns": ["a", "b"], "data": [[None, 1], [None, 0.1 + 0.2], ["x,y", True]]}
