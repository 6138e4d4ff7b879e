"""Runs of a sweep that stopped some of them: which of their evaluations are a sample of all runs, and which are not."""

from collections.abc import Collection, Mapping

from seedsweep.api.episode import EpisodeId
from seedsweep.exchange.points import ImportProblemError
from seedsweep.exchange.told import Told
from seedsweep.report.words import counted


def check_choice(told: Told, where: Collection[str]) -> None:
    """Raises ImportProblemError where rows of a sweep that stopped runs are chosen by what became of these."""
    if told.design != "full" and "outcome" in where:
        raise ImportProblemError(
            "--where: outcome chooses runs by their scores, because the sweep stopped some for these: leave it out"
        )


def sample_note(name: str, told: Told, lengths: Mapping[EpisodeId, int], planned: int) -> str:
    """What to say about the first `planned` evaluations of an exported record; empty where nothing stopped its runs.

    Args:
        lengths: how many evaluations there are of each run.

    Raises:
        ImportProblemError: they are a selected sample, of which statistics would be wrong.
    """
    if told.design == "full":
        return ""
    if told.design in ("floor", "floor+cut"):
        raise ImportProblemError(
            f"{name}: is of a sweep with a floor, where the scores of some seeds decide which others start and which "
            "train to the end, so its runs are no sample of all: use the record it was exported from"
        )
    common = min((lengths[episode] for episode in told.losers), default=0)
    if not common:
        raise ImportProblemError(
            f"{name}: is of a sweep with a cut, and no loser is among its runs, so they are no sample of all: export "
            "it once its cut is made, and import all of its runs"
        )
    if planned > common:
        raise ImportProblemError(
            f"{name}: is of a sweep with a cut, where only those ahead train to the end, so whole runs are no sample "
            f"of all: take what every run has with --evaluations {common}"
        )
    return f"of a sweep with a cut, the first {counted(planned, 'evaluation')}: all runs have come so far"
