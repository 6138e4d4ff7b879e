"""What report, card and last screen tell of a floor, and which statistics they withhold."""

from dataclasses import replace

import pytest

from inputs import records
from inputs.floored import BUDGET, FALLEN, KEEP, floored, floored_and_cut
from report.pages import words_of
from report.test_promises import card_of, of
from seedsweep.api.early_stopping import EarlyStopping
from seedsweep.api.episode import Verdict
from seedsweep.api.provenance import PartCounts, Provenance
from seedsweep.report.episodes import episodes_table, rung_titles
from seedsweep.report.findings.paper import paper_of
from seedsweep.report.statistics.analysis import EVIDENCE, EXPECTED_BEST, OF_FINALS, WOULD_HAVE_WON, analyses, withheld
from seedsweep.report.statistics.floor import at_floor

ORIGIN = Provenance(examples=PartCounts(train=800, validation=277), truncated=PartCounts(train=0, validation=0))


def found(record: records.Record):
    floor = at_floor(of(record))
    assert floor is not None
    return floor


def test_who_fell_is_told_with_its_score_and_what_it_had_to_be_better_than() -> None:
    floor = found(floored())
    assert [(item.episode, item.score) for item in floor.fallen] == [(FALLEN[0], 0.5497), (FALLEN[1], 0.5833)]
    assert [item.needed for item in floor.fallen] == pytest.approx([0.587, 0.587])
    words, card = words_of(floored()), card_of(floored())
    assert "Floor at evaluation 6" in words
    assert "wi1-do1 0.5833 0.5870 0.5270 0.0300" in words
    assert "| wi1-do1 | 0.5833 | 0.5870 | 0.5270 | 0.0300 |" in card


def test_what_is_lower_the_better_has_its_floor_below_a_constant_answer() -> None:
    record = floored()
    tuning = record.sweep.spec.trainer.fine_tuning
    assert tuning is not None
    assert tuning.metric is not None
    metric = tuning.metric.evolve(goal="minimize")
    trainer = record.sweep.spec.trainer.evolve(fine_tuning=tuning.evolve(metric=metric))
    record = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    assert found(record).fallen[0].needed == pytest.approx(0.527 - 0.06)


def test_the_budget_is_told_with_what_was_used_of_it() -> None:
    said = "2 of 5 episodes fell below 0.5870 at evaluation 6; 3.6 of 4 full runs used, 3 seeds left."
    assert found(floored()).used == pytest.approx(3 + 2 * 0.3)
    assert said in words_of(floored())
    assert said in card_of(floored())


def test_the_card_counts_those_that_began_and_none_that_the_budget_does_not_carry() -> None:
    card = card_of(floored())
    assert "# rte: the best of 5 episodes" in card
    assert "5 were started: 3 trained to the end, 2 fell below the floor, 0 failed, 0 diverged." in card


def test_how_many_examples_the_standard_error_is_over_is_told_where_known() -> None:
    known = floored().with_status(provenance=ORIGIN)
    assert "over draws of as many validation examples (277)" in words_of(known)
    assert "over draws of 277 validation examples" in card_of(known)
    assert "validation examples" not in card_of(floored())


def test_scores_at_the_floor_are_a_sample_of_the_first_seeds_alone() -> None:
    # Five began; the fifth because two fell, so it is not in n.
    [analysis] = analyses(of(floored()))
    first = [episode.spec.id.name for episode in floored().episodes[:BUDGET]]
    assert list(analysis.by_episode) == first
    assert analysis.summary.n == BUDGET
    assert analysis.source.endswith("of all 4 episodes that the budget of 4 full runs carries whoever falls")
    assert analysis.failed is not None
    assert (analysis.failed.count, analysis.failed.n) == (0, BUDGET)


def test_before_all_of_them_have_come_to_the_floor_no_statistics_are_told() -> None:
    record = floored()
    status = record.episodes[3].status.evolve(rung_scores=[], verdict=None)
    record.episodes[3] = record.episodes[3].evolve(status=status)
    assert analyses(of(record)) == []
    assert "None yet: the seeds that start first have not all reached the floor." in words_of(record)


def test_one_that_failed_before_the_floor_is_not_in_n_and_is_named() -> None:
    record = floored()
    failed = record.episodes[1].status.evolve(
        rung_scores=[], state="Failed", verdict=Verdict(outcome="Failed", rung=0, reason="out of luck")
    )
    record.episodes[1] = record.episodes[1].evolve(status=failed)
    [analysis] = analyses(of(record))
    assert analysis.summary.n == BUDGET - 1
    assert analysis.notes == ("wi0-do1 failed before the floor: not in n.",)
    # It is paid as one that fell: it ended before.
    assert found(record).used == pytest.approx(3.6)


def test_final_scores_are_withheld_since_those_above_the_floor_alone_have_them() -> None:
    told = {item.what: item.why for item in withheld(floored().status)}
    assert set(told) == {EXPECTED_BEST, OF_FINALS, EVIDENCE}
    assert WOULD_HAVE_WON not in told, "an audit is no remedy: it does not go with a floor"
    for why in told.values():
        assert "Run the sweep without earlyStopping to get" in why
    assert "only those above the floor ran to the end" in words_of(floored())
    assert "**Expected best of n runs** is withheld: only those above the floor ran to the end" in card_of(floored())


def test_the_card_has_all_that_made_the_model_the_budget_too() -> None:
    assert "  budget: 4\n" in card_of(floored())


def test_a_record_without_a_floor_tells_of_none() -> None:
    assert at_floor(of(records.finished())) is None
    assert "Floor at" not in words_of(records.finished())


def test_a_margin_of_one_is_told_in_the_singular() -> None:
    record = floored()
    stopping = EarlyStopping.model_validate({"floor": {"atPercent": 30, "margin": "1"}})
    record = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(early_stopping=stopping)))
    assert "by more than 1 standard error of that answer's score" in words_of(record)
    assert "by more than 1 standard error;" in card_of(record)
    assert found(floored()).margin_words == "2 standard errors"


def test_of_a_floor_with_a_rung_both_are_told() -> None:
    record = floored_and_cut()
    # Two fell at 0.3 of a run, four came to 0.5 of one, and two of these to the end.
    assert found(record).used == pytest.approx(2 * 0.3 + 4 * 0.5 + KEEP * 0.5)
    words, card = words_of(record), card_of(record)
    assert "2 of 6 episodes fell below 0.5870 at evaluation 6; 3.6 of 4 full runs used, 2 seeds left." in words
    assert "at the rung, 2 of those above it train on" in words
    assert "2 of 6 kept, ranked by the best score up to evaluation 10" in words
    assert "wi0-do1 LostByFloor: not better than a constant an..." in words
    assert "Design: floor+cut; " in card
    assert "6 were started: 2 trained to the end, 2 fell below the floor, 2 lost, 0 failed, 0 diverged." in card
    assert "standard errors; at the floor it was not compared with others." in card
    assert "Those above the floor were ranked by their best score so far" in card
    assert "| 10 | 2 | 6 | 0.6624 | – |\n\n" in card


def test_the_sentence_for_a_paper_tells_of_both() -> None:
    paper = paper_of(of(floored_and_cut()))
    assert paper is not None
    said = "a floor at evaluation 6 stopped 2 of 6, those not better than a constant answer by more than 2 standard "
    assert f"{said}errors, and a cut at evaluation 10 kept 2 of the rest" in paper.sentence


def test_ranks_at_the_rung_are_of_those_above_the_floor() -> None:
    record = of(floored_and_cut())
    assert rung_titles(record) == ["evaluation 10"]
    table = episodes_table(record)
    ranks = {row[1]: row[table.columns.index("rung_1_rank")] for row in table.rows}
    assert [name for name, rank in ranks.items() if rank is None] == FALLEN
    assert sorted(rank for rank in ranks.values() if rank is not None) == [1, 2, 3, 4]


def test_with_a_rung_scores_at_the_floor_are_of_as_many_as_begin_whoever_falls() -> None:
    # Of 800 steps, six take 100 each up to the rung and two of them 100 more. A seventh would have needed a fall.
    record = floored_and_cut()
    [analysis] = analyses(of(record))
    assert analysis.title == "Scores at the floor"
    assert analysis.summary.n == 6
    told = {item.what: item.why for item in withheld(record.status)}
    assert set(told) == {EXPECTED_BEST, OF_FINALS, EVIDENCE}
    assert told[EXPECTED_BEST].startswith("those that ran to the end were above the floor and then ahead")
    assert told[EVIDENCE].startswith("who fell or lost has no end")
