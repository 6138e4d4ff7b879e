"""At which evaluations a report compares models example by example, and which files that takes."""

from seedsweep.api.episode import BestEvaluation, Episode
from seedsweep.contract.conditions import FILE as CONDITIONS
from seedsweep.contract.predictions import predictions_path
from seedsweep.contract.training import FILE as TRAINING
from seedsweep.engine.layout import Layout
from seedsweep.report.facts import outcome_of
from seedsweep.report.record import Record


def compared_evaluations(episode: Episode, layout: Layout) -> set[int]:
    """Its best, at each rung the one that it was ranked by, and of one that diverged the best until then."""
    status = episode.status
    rungs = [score.evaluation for score in status.rung_scores]
    limits = [*rungs, len(status.scores)] if outcome_of(episode) == "Diverged" else rungs
    best = [BestEvaluation.of(status.scores, (), upto, maximize=layout.maximize) for upto in limits]
    chosen = {found.evaluation for found in (status.best, *best) if found is not None}
    return chosen.union(rungs) if layout.latest else chosen


def files_read(record: Record) -> set[str]:
    """What a report reads of what attempts left, by path from `attempts` on."""
    layout = Layout.of(record.sweep)
    return {
        f"{attempt.uid}/{path}"
        for episode in record.episodes
        for path in (CONDITIONS, TRAINING, *map(predictions_path, compared_evaluations(episode, layout)))
        for attempt in episode.status.attempts
    }
