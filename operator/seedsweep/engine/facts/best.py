"""The best evaluation of each episode, and which episode has the best of all."""

from math import inf

from seedsweep.api.episode import BestEvaluation, EndReason, EpisodeId, EpisodeStatus
from seedsweep.api.recorded import keep_unknown
from seedsweep.engine.draft import Draft

_WROTE_ALL = frozenset({EndReason.DONE, EndReason.STOPPED_AT_RUNG, EndReason.DIVERGED})
"""Ends before which our trainer writes its best weights."""


def best_episode(draft: Draft) -> EpisodeId | None:
    """Whose best is the sweep's; ties: lower validation loss, then the hash. None where nobody has a score."""
    tie, candidates = draft.layout.tie, {e: s.best for e, s in draft.statuses.items() if s.best is not None}
    if not candidates:
        return None
    scores = [best.score for best in candidates.values()]
    highest = max(scores) if draft.layout.maximize else min(scores)
    tied = [
        (inf if best.loss is None else best.loss, tie[e], e) for e, best in candidates.items() if best.score == highest
    ]
    return min(tied)[2]


def record_best(draft: Draft, limits: dict[EpisodeId, int]) -> None:
    """Bring the best so far of those still in the race up to date, for a sweep that ends at its deadline.

    `limits`: the last evaluation that counts, by episode.
    """
    for episode in draft.written():
        status = draft.status(episode)
        limit = limits.get(episode)
        compared = bool(status.rung_scores) or not draft.layout.rungs[draft.layout.bracket_of[episode]]
        if limit is not None and compared and status.verdict is None:
            best = BestEvaluation.of(status.scores, status.losses, limit, maximize=draft.layout.maximize)
            draft.statuses[episode] = status.evolve(best=keep_unknown(best, status.best))


def record_lost_weights(draft: Draft) -> None:
    """Let the best of a sweep that has failed be one whose weights there are.

    Our trainer's best weights wait in its memory for the next checkpoint, or its end: a crash loses them.
    """
    if not draft.stores_weights or draft.seen.status.failure is None:
        return
    while (episode := best_episode(draft)) is not None and draft.may_write(episode):
        status = draft.status(episode)
        weights = evaluations_with_weights(draft, status)
        assert status.best is not None  # that is what made it the best
        # One that lives may still write its own; a verdict says what counts.
        if draft.is_open(episode) or status.verdict is not None or status.best.evaluation <= weights:
            return
        best = BestEvaluation.of(status.scores, status.losses, weights, maximize=draft.layout.maximize)
        draft.write(episode, status.evolve(best=keep_unknown(best, status.best)), durable=True)


def evaluations_with_weights(draft: Draft, status: EpisodeStatus) -> int:
    """The best of so many evaluations is in storage: what an attempt lost after its last checkpoint is not.

    Nothing is handed over of a trainer of one's own, nor without storage: there all that are on record count.
    """
    if not draft.stores_weights:
        return len(status.scores)
    ends = [a.evaluations if a.reason in _WROTE_ALL else a.checkpoint for a in status.attempts]
    return max(ends, default=0)
