"""Luck and skill apart, from predictions, from the number of examples, or withheld."""

from dataclasses import replace
from pathlib import Path

import pytest

from inputs import records
from inputs.bracketed import UNCUT, bracketed
from report.pages import words_of
from report.test_verdict import by_latest
from seedsweep.api.provenance import PartCounts, Provenance
from seedsweep.api.sweep import Trainer
from seedsweep.report.beside import Beside, read_beside
from seedsweep.report.findings.luck import Apart, Approximate, luck_of
from seedsweep.report.record import Record, read_record
from seedsweep.report.statistics.analysis import Withheld, analyses


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def test_predictions_of_whole_runs_take_the_spread_apart() -> None:
    record = records.fully_trained(5, 4)
    found = luck_of(of(record), records.known(record))
    assert isinstance(found, Apart)
    assert (found.models, found.examples) == (20, records.EXAMPLES)
    assert found.luck.skill**2 + found.luck.noise**2 == pytest.approx(found.luck.observed**2)
    words = words_of(record, records.known(record))
    assert "From the answers of 20 models to 10,000 validation examples (best scores of full runs)" in words
    assert "Two models answer" in words
    assert "is expected to be 0.0" in words


def test_after_a_cut_the_scores_at_the_cut_are_taken_apart() -> None:
    record = records.finished()
    found = luck_of(of(record), records.known(record))
    assert isinstance(found, Apart)
    assert found.source == "scores at the cut"
    assert (found.models, found.left_out) == (7, 1), "one failed before the cut"
    assert "1 episode without such a score is left out" in words_of(record, records.known(record))


def test_an_episode_without_a_defined_score_has_no_answers_and_is_said_to_be_left_out() -> None:
    record = records.fully_trained(5, 4)
    known = records.known(record)
    for i in range(2):
        status = record.episodes[i].status
        record.episodes[i] = record.episodes[i].evolve(
            status=status.evolve(scores=[None] * len(status.scores), best=None)
        )
    found = luck_of(of(record), known)
    assert isinstance(found, Apart)
    assert (found.models, found.left_out) == (18, 2)
    assert "2 episodes without such a score are left out" in words_of(record, known)


def with_examples(record: records.Record) -> records.Record:
    return record.with_status(provenance=Provenance(examples=PartCounts(train=10, validation=277)))


def test_without_predictions_the_number_of_examples_bounds_luck() -> None:
    record = with_examples(records.fully_trained(5, 4))
    found = luck_of(of(record), Beside())
    assert isinstance(found, Approximate)
    assert found.noise**2 + found.skill**2 == pytest.approx(found.observed**2)
    words = words_of(record)
    assert "An approximation, because not all answers to single examples are known: the 20 scores" in words
    assert "left out" not in words[words.index("An approximation") :][:900]


def test_the_approximation_says_how_many_episodes_it_leaves_out() -> None:
    record = with_examples(records.finished())
    found = luck_of(of(record), Beside())
    assert isinstance(found, Approximate)
    assert (found.models, found.left_out) == (7, 1)
    assert "1 episode without such a score is left out" in words_of(record)


def test_where_neither_is_known_it_is_withheld_with_the_remedy() -> None:
    record = records.fully_trained(5, 4)
    found = luck_of(of(record), Beside())
    assert isinstance(found, Withheld)
    assert "Run the sweep with `seedsweep run` to get it" in found.why
    assert "Luck and skill apart : no answers to single examples" in words_of(record)
    trainer = Trainer.model_validate({"metric": {"name": "reward", "goal": "maximize"}})
    other = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    reason = luck_of(of(other), Beside())
    assert isinstance(reason, Withheld)
    assert "Rank by one of these to get it" in reason.why


def test_one_episode_has_no_spread() -> None:
    assert luck_of(of(records.fully_trained(1, 1)), Beside()) is None


def test_of_brackets_the_scores_that_the_statistics_begin_with_are_taken_apart() -> None:
    record = bracketed()
    known = records.known(record)
    [whole, at_cut] = analyses(of(record))
    assert whole.title == "Best scores of full runs in bracket 0"
    assert at_cut.title == "Scores at the cut in bracket 1"
    found = luck_of(of(record), known)
    assert isinstance(found, Apart)
    assert found.models == UNCUT
    # The scores of whole runs, not those at the other bracket's cut.
    assert found.luck.observed == pytest.approx(whole.summary.deviation)


def test_scores_ranked_by_the_latest_are_taken_apart_by_the_answers_at_the_cut() -> None:
    record = by_latest(records.finished())
    cut = record.cuts[0].data
    found = {
        (name, cut.evaluation): records.predictions(cut.evaluation, score, seed=i)
        for i, (name, score) in enumerate(zip(cut.ranked, cut.scores, strict=True))
        if score is not None
    }
    diverged = next(e for e in record.episodes if e.spec.id.name == records.DIVERGED)
    assert diverged.status.best is not None
    last = diverged.status.best
    found[records.DIVERGED, last.evaluation] = records.predictions(last.evaluation, last.score)
    apart = luck_of(of(record), Beside(found))
    assert isinstance(apart, Apart)
    assert apart.models == len(cut.ranked) + 1
    assert apart.luck.observed == pytest.approx(analyses(of(record))[0].summary.deviation)


def test_the_answers_of_an_episode_that_diverged_before_the_cut_are_read(tmp_path: Path) -> None:
    record = records.finished()
    at = next(i for i, e in enumerate(record.episodes) if e.spec.id.name == records.DIVERGED)
    diverged = record.episodes[at]
    # Never ranked, it cannot be the result.
    record.episodes[at] = diverged.evolve(status=diverged.status.evolve(best=None))
    folder = records.write_with_answers(tmp_path, record)
    read = read_record(folder)
    found = luck_of(read, read_beside(folder, read))
    assert isinstance(found, Apart)
    assert found.models == len(record.cuts[0].data.ranked) + 1


def test_equal_scores_have_no_spread_to_take_apart() -> None:
    record = records.fully_trained(2, 1)
    same = records.curve(0)
    for i, episode in enumerate(record.episodes):
        status = episode.status.evolve(scores=same, best=records.best_of(same))
        record.episodes[i] = episode.evolve(status=status)
    words = words_of(record, records.known(record))
    assert "their scores are equal, so that there is no spread to take apart" in words
    assert "of the variance is skill" not in words
