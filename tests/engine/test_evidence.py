"""Evidence of a cut: wanted once the cut is on record, recorded once, and waited for when all else is done.

That nothing else depends on it, every simulated world asserts (engine/comparer.py).
"""

import pytest

from engine.situations import OVER, Planned, cut_of, episode, look, running, stopped_at_rung, study
from seedsweep.api.comparison import ALIKE, Compared
from seedsweep.api.cut import CutData, CutEvidence
from seedsweep.engine.decisions import CompareLosers, HandOverWinner, RecordEvidence
from seedsweep.engine.observation import Evidence, HandOverOutcome, Housekeeping

TWO = study(2, (3, 1), storage={"uri": "s3://bucket"})
CUT = cut_of(TWO, kept=[0], lost=[1]).evolve(threshold=0.9)
FOUND = CutEvidence.of(CUT, Compared(letters=ALIKE, examples=100, level=0.05))
HANDED_OVER = HandOverOutcome(episode(0).name, weights="s3://bucket/best")


def at_the_end(cut: CutData = CUT, **fields: object) -> Planned:
    values: dict[str, object] = {"compares": True, "hand_over": HANDED_OVER, "housekeeping": Housekeeping(), **fields}
    return look(TWO, records=OVER, cuts=[cut], **values)  # type: ignore[arg-type]


def recorded(todo: Planned) -> list[RecordEvidence]:
    return [record for record in todo.records if isinstance(record, RecordEvidence)]


def test_the_losers_are_compared_while_the_survivors_train():
    todo = look(
        TWO,
        running(0, 0.1, 0.2, 0.9, 0.9),
        records={0: stopped_at_rung(0, 0.1, 0.2, 0.9), 1: OVER[1]},
        cuts=[CUT],
        compares=True,
    )
    assert todo.of_kind(CompareLosers) == [CompareLosers(CUT)]


def test_a_sweep_is_over_once_its_losers_are_compared():
    asked = at_the_end()
    assert asked.of_kind(CompareLosers) == [CompareLosers(CUT)]
    assert (asked.finished, asked.status.phase) == (False, "Concluding")
    assert "comparing losers with the last one kept" in asked.status.message
    at_work = at_the_end(evidence={CUT.name: Evidence(under_way=True)})
    assert (at_work.of_kind(CompareLosers), at_work.finished) == ([], False)
    found = at_the_end(evidence={CUT.name: Evidence(found=FOUND)})
    assert recorded(found) == [RecordEvidence(CUT, FOUND)]
    assert (found.of_kind(CompareLosers), found.finished) == ([], False)
    settled = at_the_end(evidence={CUT.name: Evidence(found=FOUND, settled=True)})
    assert (recorded(settled), settled.of_kind(CompareLosers), settled.finished) == ([], [], True)


def test_the_winner_is_handed_over_whatever_becomes_of_the_comparison():
    for evidence in (Evidence(), Evidence(under_way=True), Evidence(found=FOUND), Evidence(settled=True)):
        todo = at_the_end(hand_over=None, evidence={CUT.name: evidence})
        assert len(todo.of_kind(HandOverWinner)) == 1


@pytest.mark.parametrize(
    ("cut", "fields"),
    [
        (CUT, {"compares": False}),
        (CUT.evolve(threshold=None), {}),
        (CUT.evolve(keep=2), {}),
    ],
    ids=["nobody can", "no score to compare with", "all were kept"],
)
def test_what_cannot_be_compared_is_not_waited_for(cut: CutData, fields: dict[str, object]):
    todo = at_the_end(cut, **fields)
    assert (todo.of_kind(CompareLosers), todo.finished) == ([], True)


def test_a_cut_that_another_is_to_replace_is_not_compared():
    grown = study(3, (3, 1), storage={"uri": "s3://bucket"})
    assert look(grown, records=OVER, cuts=[CUT], compares=True).of_kind(CompareLosers) == []
