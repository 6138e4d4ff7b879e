"""Evidence of a cut: as reports have it, from files that may be missing, damaged or contradict the record."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from inputs import records
from seedsweep.api.comparison import MAX_SOUGHT, Comparison
from seedsweep.api.cut import Cut, CutData, CutEvidence
from seedsweep.api.episode import Attempt, EndReason, EpisodeStatus
from seedsweep.contract.predictions import predictions_path
from seedsweep.engine.questions.comparison import comparison_of
from seedsweep.evidence import compare_losers, reader_of
from seedsweep.report.findings.losers import losers_of
from seedsweep.report.record import Record

RECORD = records.finished()
CUT = RECORD.cuts[0].data
LAST, LOST = CUT.ranked[CUT.keep - 1], CUT.losers
STATUSES = {e.spec.id.name: e.status for e in RECORD.episodes}


@pytest.fixture
def attempts(tmp_path: Path) -> Path:
    """Files with the answers of all, as attempts leave them."""
    return records.write_with_answers(tmp_path, RECORD) / "attempts"


def asked(cut: CutData = CUT) -> Comparison:
    return comparison_of(cut, STATUSES, "accuracy", maximize=True)


def asked_of(name: str, status: EpisodeStatus) -> Comparison:
    """With another record of one episode."""
    return comparison_of(CUT, STATUSES | {name: status}, "accuracy", maximize=True)


def evidence(attempts: Path, comparison: Comparison | None = None, cut: CutData = CUT) -> CutEvidence:
    return CutEvidence.of(cut, compare_losers(comparison or asked(cut), reader_of(attempts)))


def file_of(attempts: Path, name: str) -> Path:
    """With the answers that the cut ranked it by."""
    best = records.best_of(STATUSES[name].scores, records.RUNG)
    assert best is not None
    return attempts / STATUSES[name].attempts[-1].uid / predictions_path(best.evaluation)


def test_it_says_what_the_report_says(attempts: Path) -> None:
    record = Record(RECORD.sweep, RECORD.episodes, RECORD.cuts)
    found, losers = evidence(attempts), losers_of(record, records.known(RECORD), CUT)
    assert losers is not None
    told = (found.alike, found.compared, found.examples, found.exact, found.few_kept)
    assert told == (losers.alike, losers.compared, losers.examples, losers.exact, losers.few_kept)
    assert found.alike_episodes == [name for name, test in losers.tests.items() if not test.told_apart]
    assert (found.against, found.unknown, found.why_unknown) == (LAST, 0, "")
    assert found.summary == f"{losers.alike} of {len(LOST)} losers"


def test_all_losers_at_once_and_a_few_at_a_time_come_to_the_same(attempts: Path) -> None:
    found = None
    for _ in LOST:
        page = comparison_of(CUT, STATUSES, "accuracy", maximize=True, found=found, at_most=1)
        assert len(page.losers) == 1
        found = compare_losers(page, reader_of(attempts)).after(page.found)
    assert found is not None
    assert CutEvidence.of(CUT, found) == evidence(attempts)


def remove(path: Path) -> None:
    path.unlink()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def contradict(path: Path) -> None:
    """Another model's answers: they do not give the score on record."""
    best = int(path.stem.removeprefix("evaluation-"))
    path.write_bytes(records.predictions(best, 0.1).to_bytes())


def other_examples(path: Path) -> None:
    found = records.predictions(1, 0.5)
    path.write_bytes(replace(found, rows=[row + 1 for row in found.rows]).to_bytes())


@pytest.mark.parametrize("damage", [remove, cut_short, empty, contradict, other_examples])
def test_a_loser_whose_answers_are_of_no_use_is_unknown_and_never_alike(
    attempts: Path, damage: Callable[[Path], None]
) -> None:
    before = evidence(attempts)
    damage(file_of(attempts, LOST[0]))
    after = evidence(attempts)
    assert after.unknown_episodes == [LOST[0]]
    assert after.alike_episodes == [name for name in before.alike_episodes if name != LOST[0]]
    assert (after.compared, after.unknown) == (len(LOST) - 1, 1)
    assert after.why_unknown
    assert after.summary.endswith("losers, 1 unknown")


def test_without_the_answers_of_the_last_one_kept_nothing_is_known(attempts: Path) -> None:
    file_of(attempts, LAST).unlink()
    found = evidence(attempts)
    assert (found.summary, found.compared, found.alike, found.told_apart) == ("unknown", 0, 0, 0)
    assert found.unknown_episodes == LOST
    assert (found.test, found.examples) == (None, 0)
    assert LAST in found.why_unknown


def test_a_loser_without_a_defined_score_is_unknown(attempts: Path) -> None:
    undefined = STATUSES[LOST[-1]].evolve(scores=[None] * records.RUNG)
    assert evidence(attempts, asked_of(LOST[-1], undefined)).unknown_episodes == [LOST[-1]]


def test_the_first_attempt_that_left_answers_counts_and_one_that_ended_before_is_not_asked(attempts: Path) -> None:
    status = STATUSES[LOST[0]]
    early = Attempt(uid="early", reason=EndReason.INTERRUPTED, evaluations=0)
    others = [Attempt(uid=f"other{i}", reason=EndReason.INTERRUPTED, evaluations=99) for i in range(5)]
    again = status.evolve(attempts=[early, *others[:1], *status.attempts, *others[1:]])
    comparison = asked_of(LOST[0], again)
    sought = comparison.losers[0]
    assert sought is not None
    assert sought.attempts[:2] == ["other0", status.attempts[-1].uid]
    assert len(sought.attempts) == MAX_SOUGHT
    assert evidence(attempts, comparison) == evidence(attempts)


def test_a_uid_that_is_a_path_leads_nowhere(attempts: Path) -> None:
    found = file_of(attempts, LOST[0])
    aside = attempts.parent / "elsewhere" / "predictions" / found.name
    aside.parent.mkdir(parents=True)
    found.rename(aside)
    status = STATUSES[LOST[0]]
    astray = status.evolve(attempts=[status.attempts[-1].evolve(uid="../elsewhere")])
    assert evidence(attempts, asked_of(LOST[0], astray)).unknown_episodes == [LOST[0]]


def test_a_ranking_by_the_latest_score_compares_at_the_rung(attempts: Path) -> None:
    latest = CutData.model_validate(CUT.model_dump() | {"rank_by": "latest"})
    comparison = asked(latest)
    soughts = [comparison.against, *comparison.losers]
    assert {sought.evaluation for sought in soughts if sought is not None} == {CUT.evaluation}


def test_of_very_many_losers_the_numbers_alone_go_on_record() -> None:
    ranked = [f"wi{i}-do0" for i in range(5_000)]
    cut = CUT.evolve(ranked=ranked, scores=[0.5] * len(ranked), keep=1)
    found = CutEvidence.of(cut, compare_losers(Comparison(cut=cut.name, losers=[]), lambda _: None))
    assert (found.alike, found.unknown, found.few_kept) == (0, 4_999, True)
    assert (found.alike_episodes, found.unknown_episodes) == ([], [])


def test_a_cut_without_evidence_is_read_as_before() -> None:
    old = RECORD.cuts[0].model_dump_json(by_alias=True, exclude_none=True)
    assert "evidence" not in old
    assert Cut.model_validate_json(old) == RECORD.cuts[0]
