"""The best evaluation of each episode, and which episode has the best of all."""

from collections.abc import Collection

from seedsweep.api.episode import BestEvaluation, EndReason, EpisodeId, EpisodeStatus
from seedsweep.api.recorded import keep_unknown
from seedsweep.api.status import Average
from seedsweep.engine.decisions import Event
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.ranking import best_of, score_key

_WROTE_ALL = frozenset({EndReason.DONE, EndReason.STOPPED_AT_RUNG, EndReason.DIVERGED})
"""Ends before which our trainer writes its best weights."""


def best_episode(draft: Draft) -> EpisodeId | None:
    """Whose best is the sweep's; ties: lower validation loss, then the hash. None where nobody has a score.

    Whose weights were freed, since another led then, cannot be the best again should that one have lost its own.
    """
    candidates = {e: s.best for e, s in draft.statuses.items() if s.best is not None and not _is_freed(draft, s)}
    return best_of(candidates, draft.layout.tie, maximize=draft.layout.maximize)


def _is_freed(draft: Draft, status: EpisodeStatus) -> bool:
    freed = status.freed
    if not draft.stores_weights or freed is None:
        return False
    return not freed.best_kept and freed.attempts >= len(status.attempts)


def record_best(draft: Draft, limits: dict[EpisodeId, int]) -> None:
    """Bring the best so far of those still in the race up to date, for a sweep that ends at its deadline.

    `limits`: the last evaluation that counts, by episode.
    """
    for episode in draft.written():
        status = draft.status(episode)
        limit = limits.get(episode)
        ladder = draft.layout.rungs[draft.layout.bracket_of[episode]]
        compared = bool(status.rung_scores) or not (ladder or draft.layout.floor)
        if limit is not None and compared and status.verdict is None and not has_lost_its_best(status):
            best = BestEvaluation.of(status.scores, status.losses, limit, maximize=draft.layout.maximize)
            draft.statuses[episode] = status.evolve(best=keep_unknown(best, status.best))


def limit_best(draft: Draft, episode: EpisodeId, upto: int) -> None:
    """Let no later evaluation be its best: those that outrank it there came after it was kept."""
    status = draft.status(episode)
    if is_best_past(status, upto):
        best = BestEvaluation.of(status.scores, status.losses, upto, maximize=draft.layout.maximize)
        draft.write(episode, status.evolve(best=keep_unknown(best, status.best)), durable=True)


def is_best_past(status: EpisodeStatus, upto: int) -> bool:
    """Its best on record is of a later evaluation."""
    return status.best is not None and status.best.evaluation > upto


def record_lost_weights(draft: Draft) -> None:
    """Let the best of a sweep that has failed be one whose weights there are.

    Our trainer's best weights wait in its memory for the next checkpoint, or its end: a crash loses them.
    """
    if not draft.stores_weights or draft.seen.status.failure is None:
        return
    while (episode := best_episode(draft)) is not None:
        status = draft.status(episode)
        weights = evaluations_with_weights(draft, status)
        assert status.best is not None  # that is what made it the best
        # One that lives may still write its own; a verdict says what counts.
        if draft.is_open(episode) or status.verdict is not None or status.best.evaluation <= weights:
            return
        if has_lost_its_best(status):
            return
        if not draft.may_write(episode):
            draft.postpone(episode)
            return
        best = BestEvaluation.of(status.scores, status.losses, weights, maximize=draft.layout.maximize)
        draft.write(episode, status.evolve(best=keep_unknown(best, status.best)), durable=True)


def record_missing_weights(draft: Draft, limits: dict[EpisodeId, int], survivors: Collection[EpisodeId]) -> None:
    """Let the winner's best be one whose weights are stored, where the hand-over found none of the one on record.

    An attempt that resumed on other hardware may not have come to a recorded score again; and one whose last words are
    lost may have replaced the weights of the recorded best by those of an evaluation that is not on record. What is
    stored then counts by its own score, and another episode may have become the winner.
    """
    outcome, winner = draft.seen.hand_over, best_episode(draft)
    if outcome is None or winner is None:
        return
    if outcome.missing is None:
        if outcome.episode != winner.name or _is_of_others(outcome.average, survivors):
            # It was the winner, or the average of the survivors, among fewer episodes.
            draft.hand_over_anew()
        return
    status = draft.status(winner)
    assert status.best is not None  # that is what made it the winner
    if (winner.name, *_named(status.best)) != (outcome.episode, *_named(outcome.missing)):
        draft.hand_over_anew()
        return
    counting = [best for best in outcome.instead if best.evaluation <= limits.get(winner, best.evaluation)]
    if not counting:
        return
    if not draft.may_write(winner):
        draft.postpone(winner)
        return
    best = min(counting, key=lambda b: (score_key(b.score, draft.layout.maximize), b.evaluation))
    lost = status.best.score if status.best.lost is None else status.best.lost
    best = keep_unknown(best.evolve(loss=_recorded_loss(status, best), lost=lost), status.best)
    draft.write(winner, status.evolve(best=best), durable=True)
    draft.events.append(_event_of_lost(winner, status, best))
    draft.hand_over_anew()


def _is_of_others(average: Average | None, survivors: Collection[EpisodeId]) -> bool:
    """Whether the average is known to be of other members than these."""
    return average is not None and bool(average.episodes) and {*average.episodes} != {e.name for e in survivors}


def has_lost_its_best(status: EpisodeStatus) -> bool:
    """Its best on record is what was found in the storage, and not what its curve says."""
    return status.best is not None and status.best.lost is not None


def _named(best: BestEvaluation) -> tuple[int, float]:
    return best.evaluation, best.score


def _recorded_loss(status: EpisodeStatus, best: BestEvaluation) -> float | None:
    i = best.evaluation - 1
    return status.losses[i] if status.scores[i : i + 1] == [best.score] and i < len(status.losses) else None


def _event_of_lost(episode: EpisodeId, status: EpisodeStatus, best: BestEvaluation) -> Event:
    assert status.best is not None  # it is the one that is lost
    reason, why = "WeightsLost", "they were lost with the attempt that trained them"
    if status.non_deterministic:
        reason, why = "NotBitExact", "repeating its evaluations gave other values"
    was = f"evaluation {status.best.evaluation}, {status.best.score:.4f}"
    now = f"evaluation {best.evaluation}, {best.score:.4f}, whose weights are stored"
    return Event(
        reason,
        f"{episode.name}: no weights of its best ({was}) are stored, because {why}; {now}, counts",
        episode,
        "Warning",
    )


def evaluations_with_weights(draft: Draft, status: EpisodeStatus) -> int:
    """The best of so many evaluations is in storage: what an attempt lost after its last checkpoint is not.

    A trainer of one's own stores the weights of a best evaluation before it tells the score. Without weights or storage
    nothing is handed over. In both cases all evaluations on record count.
    """
    if not draft.stores_weights or not draft.layout.ours:
        return len(status.scores)
    ends = [a.evaluations if a.reason in _WROTE_ALL else a.checkpoint for a in status.attempts]
    return max(ends, default=0)
