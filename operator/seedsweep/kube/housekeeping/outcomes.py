"""What a housekeeping pod's task and answer mean for the engine."""

from collections.abc import Iterator, Mapping

from seedsweep.api.episode import BestEvaluation, EpisodeId
from seedsweep.api.housekeeping import HandOver, HousekeepingAnswer, HousekeepingTask
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.observation import HandOverOutcome
from seedsweep.kube.housekeeping.manifest import readable_place


def without_stale_hand_over(task: HousekeepingTask, sweep: SeedSweep) -> HousekeepingTask:
    """The same without a hand-over that asked for another export: what it did goes on no record."""
    stale = task.hand_over is not None and task.hand_over.export != sweep.spec.export
    return task.evolve(hand_over=None) if stale else task


def freed_by(task: HousekeepingTask, episodes: Mapping[str, EpisodeId]) -> Iterator[tuple[EpisodeId, bool]]:
    """Episodes that it frees, and whether their best weights stay."""
    for pruning in task.prune:
        if pruning.episode in episodes:
            yield episodes[pruning.episode], pruning.keep is not None


def not_found(asked: HandOver, answer: HousekeepingAnswer) -> HandOverOutcome:
    """The engine decides on it by the record; a pod of an earlier release was asked for weights of any score."""
    error = f"no weights of evaluation {asked.evaluation} of {asked.episode} are in the storage"
    missing = BestEvaluation(evaluation=asked.evaluation, score=asked.score) if asked.score is not None else None
    return HandOverOutcome(asked.episode, error=error, missing=missing, instead=tuple(answer.instead))


def handed_over(sweep: SeedSweep, episode: str, answer: HousekeepingAnswer) -> HandOverOutcome:
    """What became of handing over an episode's weights."""
    weights = readable_place(sweep, answer.weights) if answer.weights is not None else None
    error = answer.error or ("" if weights is not None else "the hand-over left no weights")
    return HandOverOutcome(episode, weights, answer.exported, answer.test, answer.average, error)
