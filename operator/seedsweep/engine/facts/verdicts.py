"""How an episode comes to its end for good: which ends are lasting, and what is recorded of them."""

from seedsweep.api.episode import (
    MAX_VERDICT,
    BestEvaluation,
    EndReason,
    EpisodeId,
    StopReason,
    Verdict,
)
from seedsweep.api.recorded import keep_unknown, shortened
from seedsweep.engine.decisions import Event
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.best import evaluations_with_weights
from seedsweep.engine.facts.retry import given_up

LOST = {
    "LostByCut": StopReason.CUT,
    "LostByDominance": StopReason.DOMINATED,
    "LostByFloor": StopReason.FLOOR,
}
"""Outcomes by which an episode lost, and the reason that the stop of its attempt cites."""


def stop_of(verdict: Verdict | None) -> StopReason | None:
    """The reason to stop an attempt whose episode lost; None where it did not."""
    return LOST.get(verdict.outcome) if verdict is not None else None


def lasting_end(draft: Draft, episode: EpisodeId, upto: int | None) -> Verdict | None:
    """How an episode without a live attempt failed or diverged for good, as far as that matters up to an evaluation."""
    last = next(draft.ended_attempts(episode), None)
    if last is None:
        return None
    if (
        last.reason == EndReason.DIVERGED
        and last.diverged_at is not None
        and (upto is None or last.diverged_at <= upto)
    ):
        reason = f"loss or weights became non-finite before evaluation {last.diverged_at}"
        return Verdict(outcome="Diverged", reason=reason)
    why = given_up(draft.status(episode).attempts, draft.layout.spec.backoff_limit_per_episode)
    return Verdict(outcome="Failed", reason=shortened(why, MAX_VERDICT)) if why else None


def has_trained_to_the_end(draft: Draft, episode: EpisodeId) -> bool:
    """One of its attempts did."""
    return any(attempt.reason == EndReason.DONE for attempt in draft.ended_attempts(episode))


def in_words(verdict: Verdict) -> str:
    """Outcome and reason."""
    return f"{verdict.outcome}: {verdict.reason}" if verdict.reason else verdict.outcome


def record_loss(draft: Draft, episode: EpisodeId, verdict: Verdict, *, durable: bool) -> None:
    """Its best up to a rung is on record with its score there, and stays what counts; who fell has none that does."""
    status = draft.status(episode)
    best = status.best if verdict.fall is None else None
    draft.write(episode, status.evolve(verdict=verdict, best=best), durable=durable)
    draft.events.append(_event(episode, verdict))


def record_end(draft: Draft, episode: EpisodeId, verdict: Verdict) -> None:
    """An episode without a live attempt has come to its end; one that was never ranked cannot be the result."""
    status = draft.status(episode)
    ranked_somewhere = verdict.rung is None or bool(status.rung_scores)
    # What a failed one lost after its last checkpoint, nobody repeats.
    upto = evaluations_with_weights(draft, status) if verdict.outcome == "Failed" else len(status.scores)
    best = BestEvaluation.of(status.scores, status.losses, upto, maximize=draft.layout.maximize)
    best = keep_unknown(best, status.best) if ranked_somewhere else None
    draft.write(episode, status.evolve(verdict=verdict, best=best), durable=True)
    draft.events.append(_event(episode, verdict))


def _event(episode: EpisodeId, verdict: Verdict) -> Event:
    match verdict.outcome:
        case "Finished":
            return Event("Completed", f"{episode.name} was kept and trained to the end", episode)
        case "LostByCut":
            return Event("Lost", f"{episode.name} lost at {verdict.cut}", episode)
        case "LostByDominance":
            best = ", ".join(verdict.dominators[:3]) + (", ..." if len(verdict.dominators) > 3 else "")
            return Event("Lost", f"{episode.name} is outranked by {best}", episode)
        case "LostByFloor":
            return Event("Lost", f"{episode.name} fell below the floor: {verdict.reason}", episode)
        case _:
            return Event(verdict.outcome, f"{episode.name}: {verdict.reason}", episode, "Warning")
