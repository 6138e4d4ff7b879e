"""The best so far, and why a sweep fails."""

from seedsweep.api.episode import EpisodeId
from seedsweep.api.status import HAND_OVER_FAILED, INVALID, Best
from seedsweep.engine.decisions import Failure
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.best import best_episode
from seedsweep.engine.questions.census import Census
from seedsweep.engine.questions.standings import Race

MAX_BAD_CONFIGURATIONS = 3
"""All episodes share their configuration: after so many refusals the sweep has failed."""
MIN_UNMEASURED = 3
"""The same of episodes that were given up since their metrics cannot be used, where fewer have a score."""

DEADLINE_EXCEEDED = "DeadlineExceeded"


def find_best(draft: Draft) -> tuple[EpisodeId, Best] | None:
    """The best evaluation that counts."""
    winner = best_episode(draft)
    if winner is None:
        return None
    status = draft.statuses[winner]
    assert status.best is not None  # the winner was chosen among those
    outcome = draft.seen.hand_over
    handed_over = outcome if outcome is not None and outcome.episode == winner.name else None
    return winner, Best(
        episode=winner.name,
        weight_init=winner.weight_init,
        data_order=winner.data_order,
        score=status.best.score,
        evaluation=status.best.evaluation,
        lost=status.best.lost,
        weights=handed_over.weights if handed_over is not None else None,
        exported=handed_over.exported if handed_over is not None else None,
        test=handed_over.test if handed_over is not None else None,
        average=handed_over.average if handed_over is not None else None,
        baseline=status.baseline,
    )


def lasting_failure(draft: Draft) -> Failure | None:
    """A sweep that failed stays failed, but for a spec that an edit has mended and a hand-over that is tried again."""
    failed = draft.seen.status.failure
    if failed is None or failed.reason in (INVALID, HAND_OVER_FAILED):
        return None
    return failed.reason, failed.message


def is_on_record(draft: Draft, failure: Failure) -> bool:
    """Whether the sweep's status has this failure already."""
    failed = draft.seen.status.failure
    return failed is not None and failed.reason == failure[0]


def find_failure(draft: Draft, race: Race, census: Census) -> Failure | None:
    """Why the sweep cannot or may not go on; None while it may."""
    lasting = lasting_failure(draft)
    if lasting is not None:
        return lasting
    total, budget = len(draft.layout.episodes), draft.layout.spec.max_failed_episodes
    warmed = draft.seen.housekeeping.warm_up if draft.seen.housekeeping is not None else None
    if warmed is not None and warmed.refused:
        return "BadConfiguration", warmed.refused
    if len(census.refused) >= min(MAX_BAD_CONFIGURATIONS, total):
        return "BadConfiguration", census.refused[0] or "the trainer refused its configuration"
    # Whose score waits to be recorded may be measured.
    if not draft.postponed and len(census.unmeasured) >= max(MIN_UNMEASURED, census.measured + 1):
        counted = f"{len(census.unmeasured)} episodes' metrics cannot be used, and {census.measured} have a score"
        return "MetricsUnavailable", f"{counted}; the first: {census.unmeasured[0]}"
    if budget is not None and len(census.failed) > budget:
        first = census.failed[0]
        return (
            "MaxFailedEpisodesExceeded",
            f"{len(census.failed)} episodes failed, more than {budget}; the first: {first}",
        )
    if race.mute is not None:
        return "NoBaseline", (
            f"{race.mute.name} has a score, but its trainer does not publish what spec.earlyStopping.floor compares "
            "with: publish seedsweep_baseline_score and seedsweep_baseline_error, or use rungs alone"
        )
    # Of whom nothing can be recorded now more may come.
    if not race.standings and draft.is_complete and not any(_finished(draft, episode) for episode in race.survivors):
        ended = [*census.failed, *census.diverged]
        first = f"; the first: {ended[0]}" if ended else ""
        fell = census.fallen
        words = f"{fell} fell below the floor: no better than a constant answer; " if fell else ""
        return "NoEpisodeFinished", f"{words}{len(ended)} of {total} episodes failed or diverged{first}"
    if race.standings or not draft.is_complete:
        return None
    if find_best(draft) is None:
        return "NoScore", (
            f"no evaluation of {total} episodes has a score: all are undefined (NaN), as a correlation with a constant "
            "is; look at the validation labels, the metric and the model's outputs"
        )
    outcome = draft.seen.hand_over
    if outcome is not None and outcome.error:
        return HAND_OVER_FAILED, outcome.error
    return None


def _finished(draft: Draft, episode: EpisodeId) -> bool:
    verdict = draft.status(episode).verdict
    return verdict is not None and verdict.outcome == "Finished"
