"""A trainer of one's own that stores its best weights: they are handed over, averaged and kept as our trainer's are."""

from dataclasses import replace

import pytest

from engine.situations import OVER, cut_of, ended, entry, episode, finished, look, on_record, running, study
from engine.test_average import CUT as CUT_OF_THREE
from engine.test_average import RECORDS
from seedsweep.api.episode import EndReason, StopReason
from seedsweep.api.sweep import OwnWeights
from seedsweep.engine.decisions import HandOverWinner, Prune
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Housekeeping


def storing(layout: Layout, result: str = "winner") -> Layout:
    """The same, of a trainer that stores its weights and can score an average."""
    trainer = layout.spec.trainer.evolve(weights=OwnWeights(score_command=["score"]))
    return replace(layout, spec=layout.spec.evolve(trainer=trainer, result=result))


OWN = study(2, (3, 1), ours=False)
STORING = storing(OWN)
CUT = cut_of(OWN, kept=[0], lost=[1])


@pytest.mark.parametrize("resumable", [True, False], ids=["resumes", "does not resume"])
def test_the_winner_is_handed_over_whether_or_not_the_trainer_resumes(resumable: bool) -> None:
    todo = look(STORING, records=OVER, cuts=[CUT], resumable=resumable)
    (decision,) = todo.of_kind(HandOverWinner)
    assert (decision.episode, decision.best) == (episode(0), OVER[0].best)
    assert not todo.finished


@pytest.mark.parametrize(("layout", "has_storage"), [(OWN, True), (STORING, False)])
def test_without_declared_weights_or_without_a_storage_nothing_is_handed_over(
    layout: Layout, has_storage: bool
) -> None:
    todo = look(layout, records=OVER, cuts=[CUT], resumable=False, has_storage=has_storage)
    assert todo.of_kind(HandOverWinner) == []
    assert todo.finished
    assert "no weights were kept, because spec.storage is absent" in todo.status.message


def test_the_survivors_are_averaged() -> None:
    layout = storing(study(3, (3, 2), ours=False), "average")
    (decision,) = look(layout, records=RECORDS, cuts=[CUT_OF_THREE], resumable=False).of_kind(HandOverWinner)
    assert list(decision.average_of) == [episode(0), episode(2)]


def test_in_a_cluster_all_but_the_best_weights_of_a_survivor_are_freed() -> None:
    for layout, freed in ((STORING, [Prune(episode(0), keep_best=True)]), (OWN, [])):
        todo = look(
            layout,
            records=OVER,
            cuts=[CUT],
            stored={episode(0): True, episode(1): True},
            housekeeping=Housekeeping(),
        )
        assert todo.of_kind(Prune) == [*freed, Prune(episode(1), keep_best=False)]


def test_weights_are_stored_before_their_score_is_told_so_that_a_crash_loses_none() -> None:
    layout = storing(study(2, parallelism=2, activeDeadlineSeconds=100, ours=False))
    records = {0: on_record(attempts=[entry("uid-0", stop=StopReason.DEADLINE)])}
    last = ended(running(0, 0.2, 0.8, 0.4, checkpoint=1), EndReason.INTERRUPTED)
    before = look(layout, running(1), now=101).status
    todo = look(layout, last, records=records, now=102, status=before)
    assert todo.status.best is not None
    assert (todo.status.best.score, todo.status.best.evaluation) == (0.8, 2)


def test_a_loser_with_a_better_score_before_the_cut_is_the_winner_and_no_member() -> None:
    layout = storing(study(3, (3, 2), ours=False, stopping={"rankBy": "latest"}), "average")
    records = {**RECORDS, 1: RECORDS[1].evolve(best=finished(1, 0.1, 0.95, 0.3).best)}
    cut = cut_of(layout, kept=[2, 0], lost=[1])
    (decision,) = look(layout, records=records, cuts=[cut]).of_kind(HandOverWinner)
    assert decision.episode == episode(1)
    assert list(decision.average_of) == [episode(0), episode(2)]
