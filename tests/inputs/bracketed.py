"""A made-up record of two brackets: three episodes of which none is stopped, and five of which a cut keeps two."""

from inputs.records import EVALUATIONS, RUNG, Record, best_of, fully_trained, winner_of
from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.cut import Cut, CutData, cut_name
from seedsweep.api.early_stopping import EarlyStopping
from seedsweep.api.episode import Episode, RungScore, Verdict
from seedsweep.engine.layout import Layout

UNCUT, CUT, KEPT = 3, 5, 2
_NAME = cut_name("rte", 1, 0)


def bracketed() -> Record:
    """It is over; the bracket without a rung comes first."""
    whole = fully_trained()
    rung = {"atPercent": 100 * RUNG // EVALUATIONS, "keep": KEPT}
    brackets = [{"episodes": UNCUT, "rungs": []}, {"episodes": CUT, "rungs": [rung]}]
    stopping = EarlyStopping.model_validate({"brackets": brackets})
    sweep = whole.sweep.evolve(spec=whole.sweep.spec.evolve(early_stopping=stopping))
    layout = Layout.of(sweep)
    episodes = [episode.evolve(spec=layout.episode_spec(episode.spec.id)) for episode in whole.episodes]
    data = _cut([episode for episode in episodes if episode.spec.bracket == 1])
    episodes = [_after(data, episode) if episode.spec.bracket == 1 else episode for episode in episodes]
    status = whole.status.evolve(design="cut", best=winner_of(episodes))
    return Record(sweep.evolve(status=status), episodes, [Cut(metadata=ObjectMeta(name=_NAME), data=data)])


def _cut(members: list[Episode]) -> CutData:
    ranked = sorted(members, key=lambda episode: -_best(episode, RUNG))
    scores = [_best(episode, RUNG) for episode in ranked]
    return CutData(
        sweep="rte",
        bracket=1,
        rung=0,
        evaluation=RUNG,
        keep=KEPT,
        rank_by="best",
        ranked=[episode.spec.id.name for episode in ranked],
        scores=[*scores],
        threshold=scores[KEPT - 1],
        tied_at_threshold=1,
    )


def _after(cut: CutData, episode: Episode) -> Episode:
    status = episode.status.evolve(rung_scores=[RungScore(rung=0, evaluation=RUNG, score=_best(episode, RUNG))])
    if episode.spec.id.name not in cut.kept:
        scores, verdict = status.scores[:RUNG], Verdict(outcome="LostByCut", rung=0, cut=_NAME)
        status = status.evolve(state="Lost", scores=scores, best=best_of(scores), verdict=verdict)
    return episode.evolve(status=status)


def _best(episode: Episode, upto: int) -> float:
    best = best_of(episode.status.scores, upto)
    assert best is not None
    return best.score
