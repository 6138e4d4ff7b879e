"""Which losers the examples tell apart from the last one kept: the numbers, the words, the columns of the table."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from inputs import records
from report.pages import text_of, words_of
from seedsweep.api.cut import CutData
from seedsweep.report.beside import Beside
from seedsweep.report.exports import write_everything
from seedsweep.report.findings.losers import against_last_kept, losers_of
from seedsweep.report.findings.verdict import LOSERS, verdict_of
from seedsweep.report.record import Record, read_record
from seedsweep.report.words import p_text
from seedsweep.science.examples.answers import Answers
from seedsweep.science.examples.paired import paired_test

RECORD = records.finished()
CUT = RECORD.cuts[0].data
LAST, LOST = CUT.ranked[CUT.keep - 1], CUT.ranked[CUT.keep :]


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def without(known: Beside, *names: str) -> Beside:
    return Beside({key: value for key, value in known.found.items() if key[0] not in names})


def right(known: Beside, name: str) -> NDArray[np.bool_]:
    """Which examples it answers right, at its best evaluation up to the cut."""
    episode = next(e for e in RECORD.episodes if e.spec.id.name == name)
    best = records.best_of(episode.status.scores, records.RUNG)
    assert best is not None
    found = known.found[name, best.evaluation]
    return np.array([said == label for said, label in zip(found.answers, found.labels, strict=True)])


def test_every_loser_is_compared_with_the_last_one_kept_at_the_evaluations_that_the_cut_ranked_by() -> None:
    known = records.known(RECORD)
    found = losers_of(of(RECORD), known, CUT)
    assert found is not None
    assert (list(found.tests), found.losers, found.examples) == (LOST, len(LOST), records.EXAMPLES)
    for name, test in found.tests.items():
        kept, lost = right(known, LAST), right(known, name)
        alone = int((kept & ~lost).sum()), int((lost & ~kept).sum())
        assert (test.first_alone, test.second_alone) == alone
        assert test.p == pytest.approx(stats.binomtest(alone[0], sum(alone)).pvalue)
    assert found.alike == sum(test.p > 0.05 for test in found.tests.values())


def test_the_verdict_tells_how_many_losers_could_not_be_told_apart() -> None:
    known = records.known(RECORD)
    found = losers_of(of(RECORD), known, CUT)
    assert found is not None
    # Of the losers of this record the examples tell some, not all.
    assert 0 < found.alike < len(LOST)
    told = f"{found.alike} of {len(LOST)} losers could not be told apart from {LAST}, the last one kept"
    assert told in words_of(RECORD, known)


def test_where_few_are_kept_it_is_said_that_p_is_too_small() -> None:
    known = records.known(RECORD)
    told = "Fewer than a quarter were kept, by these scores, so p tends to be too small."
    assert told not in words_of(RECORD, known)
    one = CutData.model_validate(CUT.model_dump() | {"keep": 1})
    assert told in words_of(replace(RECORD, cuts=[RECORD.cuts[0].evolve(data=one)]), known)


@pytest.mark.parametrize(("models", "keep", "least", "most"), [(8, 2, 0, 0.05), (8, 4, 0, 0.02), (16, 1, 0.1, 0.3)])
def test_losers_as_good_as_the_last_one_kept_are_rarely_told_apart_where_a_quarter_is_kept(
    models: int, keep: int, least: float, most: float
) -> None:
    rng = np.random.default_rng(0)
    told = []
    for _ in range(60):
        said = (rng.random((models, 300)) < 0.7).astype(float)
        said = said[np.argsort(-said.mean(axis=1))]
        for loser in range(keep, models):
            told.append(paired_test(Answers("accuracy", np.ones(300), said[[keep - 1, loser]])).told_apart)
    assert least <= np.mean(told) <= most


@pytest.mark.parametrize("metric", ["accuracy", "f1", "accuracyAndF1", "mcc"])
def test_losers_that_are_worse_by_ten_points_are_told_apart_on_a_thousand_examples(metric: str) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 1_000).astype(float)
    told = []
    for _ in range(40):
        wrong = rng.random((2, 1_000)) < np.array([[0.2], [0.3]])
        said = np.where(wrong, 1 - labels, labels)
        told.append(paired_test(Answers(metric, labels, said, positive=1)).told_apart)
    assert np.mean(told) >= 0.95


def test_losers_without_known_answers_are_named_and_not_counted() -> None:
    known = without(records.known(RECORD), LOST[0])
    found = losers_of(of(RECORD), known, CUT)
    assert found is not None
    assert (list(found.tests), found.losers) == (LOST[1:], len(LOST))
    told = f"{found.alike} of 2 losers whose answers are known (3 lost) could not be told apart from {LAST}"
    assert told in words_of(RECORD, known)


@pytest.mark.parametrize("missing", [[LAST], LOST])
def test_without_the_answers_of_both_sides_it_is_withheld(missing: list[str]) -> None:
    known = without(records.known(RECORD), *missing)
    verdict = verdict_of(of(RECORD), known)
    assert verdict.margins[0].losers is None
    assert LOSERS in {item.what for item in verdict.withheld}
    assert against_last_kept(of(RECORD), known) == {}


def test_the_table_of_episodes_has_the_test_of_each_loser_and_of_nobody_else(tmp_path: Path) -> None:
    record = read_record(records.write_with_answers(tmp_path, RECORD))
    write_everything(tmp_path, record, lambda *_: None)
    tests = against_last_kept(record, records.known(RECORD))
    assert list(tests) == LOST
    with (tmp_path / "report" / "episodes.csv").open() as file:
        rows = {row["episode"]: (row["told_apart"], row["p_against_last_kept"]) for row in csv.DictReader(file)}
    told = {name: (str(test.told_apart), str(test.p)) for name, test in tests.items()}
    assert rows == {e.spec.id.name: told.get(e.spec.id.name, ("", "")) for e in RECORD.episodes}
    page = text_of((tmp_path / "report.html").read_text())
    assert "told apart p best score" in page
    assert f" no {p_text(tests[LOST[0]].p)} " in page
