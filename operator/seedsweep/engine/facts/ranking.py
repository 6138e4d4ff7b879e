"""Scores at a rung, the order of episodes, dominance and the cut. Pure functions of recorded values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedsweep.api.cut import MAX_EXCLUSION, CutData, ExcludedEpisode
from seedsweep.api.episode import BestEvaluation, EpisodeId, RungScore
from seedsweep.api.recorded import shortened

Score = float | None


@dataclass(frozen=True, slots=True)
class Contest:
    """One bracket at one rung: what is compared, and how."""

    sweep: str
    bracket: int
    rung: int
    evaluation: int
    keep: int
    maximize: bool
    latest: bool
    full_order: bool
    """Every trainer publishes losses, so that the order of two episodes never depends on a third."""
    before: CutData | None = None
    """The cut there of fewer episodes, made before the sweep got more seeds."""


def rung_score(
    scores: Sequence[Score], losses: Sequence[Score], best: BestEvaluation | None, contest: Contest, sampled: bool
) -> RungScore:
    """The score to rank by, from a curve that reaches the rung and its best evaluation up to there."""
    e = contest.evaluation
    if contest.latest:
        score, loss = scores[e - 1], losses[e - 1] if e <= len(losses) else None
    else:
        score, loss = (best.score, best.loss) if best is not None else (None, None)
    return RungScore(rung=contest.rung, evaluation=e, score=score, loss=loss, sampled=sampled)


def score_key(score: Score, maximize: bool) -> tuple[bool, float]:
    """Sorts the best first and the undefined last."""
    if score is None:
        return (True, 0.0)
    return (False, -score if maximize else score)


Key = tuple[tuple[bool, float], float, int]


def ranking_key(score: Score, loss: Score, tie: int, *, maximize: bool) -> Key:
    """Score in the metric's direction, then lower validation loss, then the hash: the one order of episodes."""
    return (score_key(score, maximize), float("inf") if loss is None else loss, tie)


def best_of(
    bests: Mapping[EpisodeId, BestEvaluation], tie: Mapping[EpisodeId, int], *, maximize: bool
) -> EpisodeId | None:
    """Whose best is the best of all, in the order of `ranking_key`; None where there is none."""
    if not bests:
        return None
    scores = [best.score for best in bests.values()]
    highest = max(scores) if maximize else min(scores)
    tied = [episode for episode, best in bests.items() if best.score == highest]
    return min(tied, key=lambda e: ranking_key(highest, bests[e].loss, tie[e], maximize=maximize))


def rank(scored: Mapping[EpisodeId, RungScore], tie: Mapping[EpisodeId, int], contest: Contest) -> list[EpisodeId]:
    """Everyone with a final score, best first. The loss counts only where all publish it."""
    use_loss = contest.full_order or all(score.loss is not None for score in scored.values() if score.score is not None)

    def key(episode: EpisodeId) -> Key:
        final = scored[episode]
        return ranking_key(final.score, final.loss if use_loss else None, tie[episode], maximize=contest.maximize)

    return sorted(scored, key=key)


def dominated(
    ranked: Sequence[EpisodeId], scored: Mapping[EpisodeId, RungScore], contest: Contest
) -> Sequence[EpisodeId]:
    """Those whom the first `keep` outrank whatever is still to come.

    Where some may publish no loss, a later score could still change how ties are broken: then only
    strictly better scores dominate.
    """
    below = ranked[contest.keep :]
    if contest.full_order or not below:
        return below
    bar = score_key(scored[ranked[contest.keep - 1]].score, contest.maximize)
    return [episode for episode in below if score_key(scored[episode].score, contest.maximize) > bar]


def make_cut(
    contest: Contest,
    ranked: Sequence[EpisodeId],
    scored: Mapping[EpisodeId, RungScore],
    excluded: Mapping[EpisodeId, str],
) -> CutData:
    """The decision with all its inputs: survivors are the first min(keep, eligible)."""
    kept = min(contest.keep, len(ranked))
    threshold = scored[ranked[kept - 1]].score if kept else None
    losses = [scored[e].loss for e in ranked]
    return CutData(
        sweep=contest.sweep,
        bracket=contest.bracket,
        rung=contest.rung,
        growth=contest.before.growth + 1 if contest.before is not None else 0,
        replaces=contest.before.name if contest.before is not None else None,
        evaluation=contest.evaluation,
        keep=contest.keep,
        rank_by="latest" if contest.latest else "best",
        ranked=[e.name for e in ranked],
        scores=[scored[e].score for e in ranked],
        losses=losses if any(loss is not None for loss in losses) else [],
        excluded=[
            ExcludedEpisode(episode=e.name, reason=shortened(reason, MAX_EXCLUSION)) for e, reason in excluded.items()
        ],
        threshold=threshold,
        tied_at_threshold=sum(1 for e in ranked if scored[e].score == threshold) if kept else 0,
    )
