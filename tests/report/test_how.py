"""How a sweep ran, and how a paper tells it."""

from dataclasses import replace
from pathlib import Path

import pytest

from inputs import records
from inputs.bracketed import CUT, KEPT, UNCUT, bracketed
from inputs.floored import floored
from inputs.two_cuts import two_cuts
from report.pages import words_of
from seedsweep.api.episode import EndReason, Interruption, StopReason
from seedsweep.api.provenance import Provenance
from seedsweep.api.status import Average
from seedsweep.api.sweep import Trainer
from seedsweep.contract.conditions import FILE, conditions_bytes, parse_conditions
from seedsweep.report.beside import Beside, read_beside
from seedsweep.report.findings.how import how_of
from seedsweep.report.findings.paper import paper_of
from seedsweep.report.record import Record, read_record


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def with_attempt(record: records.Record, **update: object) -> records.Record:
    """The first episode had another attempt before."""
    episode = record.episodes[0]
    last = episode.status.attempts[-1]
    attempts = [last.model_copy(update=update), *episode.status.attempts]
    record.episodes[0] = episode.evolve(status=episode.status.evolve(attempts=attempts))
    return record


def test_all_time_held_and_steps_trained_are_told_by_how_attempts_ended() -> None:
    record = records.finished()
    held = {each.end: each for each in how_of(of(record), Beside()).held}
    assert set(held) == {"trained to the end", "ended at a rung", "failed: out of memory", "diverged"}
    attempts = [a for e in record.episodes for a in e.status.attempts]
    assert sum(each.attempts for each in held.values()) == len(attempts)
    assert sum(each.seconds for each in held.values()) == pytest.approx(sum(a.gpu_seconds for a in attempts))
    assert held["failed: out of memory"].attempts == 3


def test_interruptions_and_stops_are_told_by_their_kind() -> None:
    preempted = {"reason": EndReason.INTERRUPTED, "interruption": Interruption.PREEMPTED_BY_QUEUE}
    record = with_attempt(records.fully_trained(2, 1), **preempted)
    record = with_attempt(record, reason=EndReason.STOPPED, stop=StopReason.SUSPENDED)
    assert "interrupted: preempted by queue 1" in words_of(record)
    assert "stopped: suspended 1" in words_of(record)


def test_a_steps_seconds_are_those_of_attempts_that_trained() -> None:
    found = how_of(of(records.fully_trained(4, 2)), Beside()).seconds_a_step
    assert found is not None
    assert found.n == 8
    assert found.median == pytest.approx(records.SECONDS_PER_STEP)


def test_hardware_and_versions_are_read_beside_the_record(tmp_path: Path) -> None:
    record = records.fully_trained(2, 1)
    records.write(tmp_path, record)
    for episode in record.episodes:
        folder = tmp_path / "attempts" / episode.status.attempts[0].uid
        folder.mkdir(parents=True)
        (folder / FILE).write_bytes(conditions_bytes({"device": "Toy 9000", "threads": 2, "torch": "2.9.0"}))
    beside = read_beside(tmp_path, read_record(tmp_path))
    assert how_of(of(record), beside).conditions == (("device Toy 9000, threads 2, torch 2.9.0", 2),)
    assert "device Toy 9000, threads 2, torch 2.9.0 (2 attempts)" in words_of(record, beside)
    assert "seedsweep run keeps them beside a record, and so does spec.storage on a cluster" in words_of(record)


def test_whole_runs_of_losers_are_the_audits() -> None:
    losers = [e.spec.id.name for e in records.finished().episodes if e.status.state == "Lost"]
    record = records.audited({losers[0]: 0.5, losers[1]: 0.6})
    for i, episode in enumerate(record.episodes):
        if episode.status.state == "Audited":
            on = episode.status.attempts[-1].evolve(reason=EndReason.DONE, gpu_seconds=7.0)
            attempts = [*episode.status.attempts, on]
            record.episodes[i] = episode.evolve(status=episode.status.evolve(attempts=attempts))
    held = {each.end: each for each in how_of(of(record), Beside()).held}
    assert (held["trained to the end for the audit"].attempts, held["trained to the end for the audit"].seconds) == (
        2,
        14,
    )
    assert held["trained to the end"].attempts == 3


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff"])
def test_a_file_without_conditions_tells_none(data: bytes) -> None:
    assert parse_conditions(data) == {}


def test_two_groups_are_told_with_n() -> None:
    record = records.fully_trained(5, 4)
    assert "No sign of two groups among the 20 scores." in words_of(record)
    for i, episode in enumerate(record.episodes[:9]):
        scores = [0.5 + i / 1000] * records.EVALUATIONS
        record.episodes[i] = episode.evolve(status=episode.status.evolve(scores=scores))
    assert "The 20 scores fall into two groups: 9 around 0.5" in words_of(record)
    assert "cannot be told from 7 scores" in words_of(records.finished())


def test_a_paper_is_led_by_the_test_score_and_its_n() -> None:
    paper = paper_of(of(records.finished()))
    assert paper is not None
    assert "has a test accuracy of 0.6643 (95 % interval over examples 0.6053 to 0.7195), n = 277" in paper.sentence
    assert "4 weight-initialization seeds by 2 data-order seeds" in paper.sentence
    assert "after an early cut, 3 of 8 continued" in paper.sentence
    assert paper.markdown.splitlines()[2:4] == ["| test accuracy | 0.6643 |", "| test examples | 277 |"]
    assert paper.latex.splitlines()[2:5] == [
        r"  test accuracy & 0.6643 \\",
        r"  test examples & 277 \\",
        r"  95 \% interval & 0.6053 to 0.7195 \\",
    ]


def test_a_paper_tells_whether_the_test_score_is_the_averages_or_the_winners() -> None:
    record = records.finished()
    assert record.status.best is not None
    best = record.status.best
    made = Average(members=3, score=0.71, members_score=0.7, handed_over=True)
    paper = paper_of(of(record.with_status(best=best.evolve(average=made))))
    assert paper is not None
    declared = "The average of the weights of 3 runs, declared before the start, has a validation accuracy of 0.7100"
    assert f"{declared} and a test accuracy of 0.6643" in paper.sentence
    assert "n = 277; the best run's validation accuracy is 0.7054." in paper.sentence
    assert "| result: average of 3, validation accuracy | 0.7100 |" in paper.markdown
    gave_way = paper_of(of(record.with_status(best=best.evolve(average=Average(members=3, reason="a barrier")))))
    assert gave_way is not None
    assert "took the place of the average of weights that was declared, has a test accuracy" in gave_way.sentence


def test_without_a_test_score_a_paper_says_so_and_calls_the_validation_score_optimistic() -> None:
    record = records.fully_trained()
    assert record.status.best is not None
    record = record.with_status(best=record.status.best.evolve(test=None))
    paper = paper_of(of(record))
    assert paper is not None
    assert "optimistic because it was used to choose" in paper.sentence
    assert "there is no test score" in paper.sentence
    assert "| test accuracy | none |" in paper.markdown
    assert paper_of(of(records.fully_trained().with_status(best=None))) is None


def test_published_results_are_marked_as_such() -> None:
    words = words_of(records.finished())
    assert "Published results Not from this record" in words
    assert "BERT, best of many seeds (Dodge et al. 2020) 91.4 77.3 67.6 95.1" in words


def test_a_paper_says_what_a_floor_stopped() -> None:
    paper = paper_of(of(floored()))
    assert paper is not None
    assert "; a floor at evaluation 6 stopped 2 of 5, those not better than a constant answer by" in paper.sentence


def test_a_paper_counts_who_went_on_in_brackets_and_past_several_cuts() -> None:
    paper = paper_of(of(bracketed()))
    assert paper is not None
    assert f"; after an early cut, {UNCUT + KEPT} of {UNCUT + CUT} continued. " in paper.sentence
    assert " The best scores of full runs in bracket 0 (n = 3) have a mean of 0." in paper.sentence
    twice = paper_of(two_cuts(12, 9, 20))
    assert twice is not None
    assert "; after 2 early cuts, 20 of 108 continued. " in twice.sentence


def test_a_paper_tells_a_test_score_that_is_undefined_from_none() -> None:
    record = records.finished()
    assert record.status.best is not None
    assert record.status.best.test is not None
    test = record.status.best.test.evolve(score=None, interval=None)
    paper = paper_of(of(record.with_status(best=record.status.best.evolve(test=test))))
    assert paper is not None
    assert "the test score is undefined (n = 277)." in paper.sentence
    assert "| test accuracy | undefined |" in paper.markdown


def test_the_name_of_a_class_is_text_in_markdown_and_latex() -> None:
    record = records.finished().with_status(provenance=Provenance(positive_label="<50K | R&D"))
    paper = paper_of(of(record))
    assert paper is not None
    assert r"| test accuracy of \<50K \| R\&D | 0.6643 |" in paper.markdown
    assert r"test accuracy of \textless{}50K \textbar{} R\&D & 0.6643 \\" in paper.latex


def test_of_a_trainer_of_ones_own_it_is_said_that_the_trainer_leaves_the_files() -> None:
    record = records.fully_trained(2, 1)
    trainer = Trainer.model_validate({"metric": {"name": "accuracy", "goal": "maximize"}})
    own = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    words = words_of(own)
    assert "not on record: the trainer may leave them, as docs/trainer-contract.md says" in words
    assert "seedsweep run keeps them" not in words
