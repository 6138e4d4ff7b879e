"""Luck and skill apart, from predictions, from the number of examples, or withheld."""

from dataclasses import replace

import pytest

from inputs import records
from report.pages import words_of
from seedsweep.api.provenance import PartCounts, Provenance
from seedsweep.api.sweep import Trainer
from seedsweep.report.beside import Beside
from seedsweep.report.findings.luck import Apart, Approximate, luck_of
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import Withheld


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
    assert "is expected to fall by 0.0" in words


def test_after_a_cut_the_scores_at_the_cut_are_taken_apart() -> None:
    record = records.finished()
    found = luck_of(of(record), records.known(record))
    assert isinstance(found, Apart)
    assert found.source == "scores at the cut"


def with_examples(record: records.Record) -> records.Record:
    return record.with_status(provenance=Provenance(examples=PartCounts(train=10, validation=277)))


def test_without_predictions_the_number_of_examples_bounds_luck() -> None:
    record = with_examples(records.fully_trained(5, 4))
    found = luck_of(of(record), Beside())
    assert isinstance(found, Approximate)
    assert found.noise**2 + found.skill**2 == pytest.approx(found.observed**2)
    assert "An approximation, because no answers to single examples are known: the 20 scores" in words_of(record)


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
