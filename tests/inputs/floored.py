"""Made-up records of sweeps with a floor: of eight seeds a budget of four full runs carries five, and two fall.

With a rung at evaluation 10 it carries six, of which two fall, and the best two of four go on.
"""

from inputs.records import (
    BASELINE,
    EVALUATIONS,
    RUNG,
    SECONDS_PER_STEP,
    STEPS,
    Record,
    best_of,
    fully_trained,
    winner_of,
)
from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.cut import MAX_EXCLUSION, Cut, CutData, ExcludedEpisode
from seedsweep.api.early_stopping import EarlyStopping, Floor, Rung
from seedsweep.api.episode import Attempt, EndReason, Episode, Fall, RungScore, StopReason, Verdict
from seedsweep.api.recorded import shortened
from seedsweep.api.status import Cost, CutSummary, EpisodeCounts

BUDGET, MARGIN, STANDARD_ERROR = 4, "2", 0.03
NEEDED = BASELINE + 2 * STANDARD_ERROR
FALLEN = ["wi0-do1", "wi1-do1"]
LATER, KEEP = 10, 2
EARLY = RUNG * STEPS // EVALUATIONS


def floored() -> Record:
    """It is over: three trained to the end, and less than a full run is left for the last three seeds."""
    whole = fully_trained()
    stopping = EarlyStopping(floor=Floor(at_percent=30, margin=MARGIN))
    spec = whole.sweep.spec.evolve(early_stopping=stopping, budget=BUDGET)
    episodes = [_at_floor(episode) for episode in whole.episodes[:5]]
    useful = 3 * STEPS + 2 * EARLY
    seconds = useful * SECONDS_PER_STEP
    status = whole.status.evolve(
        design="floor",
        best=winner_of(episodes),
        counts=EpisodeCounts(finished=3, lost=2, unused=3),
        cost=Cost(
            useful_steps=useful,
            planned_steps=BUDGET * STEPS,
            full_steps=5 * STEPS,
            saved_steps=2 * (STEPS - EARLY),
            gpu_seconds=seconds,
        ),
    )
    return Record(whole.sweep.evolve(spec=spec, status=status), episodes, [])


def floored_and_cut() -> Record:
    """It is over: two were kept at the rung, and the budget pays for none of the last two seeds."""
    whole = fully_trained()
    stopping = EarlyStopping(floor=Floor(at_percent=30, margin=MARGIN), rungs=[Rung(at_percent=50, keep=KEEP)])
    spec = whole.sweep.spec.evolve(early_stopping=stopping, budget=BUDGET)
    begun = [_at_floor(episode) for episode in whole.episodes[:6]]
    fell = [episode for episode in begun if episode.status.verdict is not None and episode.status.verdict.fall]
    above = [episode for episode in begun if episode not in fell]
    scores = {episode.spec.id.name: _best_score(episode, LATER) for episode in above}
    ranked = sorted(scores, key=lambda name: -scores[name])
    data = CutData(
        sweep="rte",
        bracket=0,
        rung=1,
        evaluation=LATER,
        keep=KEEP,
        rank_by="best",
        ranked=ranked,
        scores=[scores[name] for name in ranked],
        excluded=[
            ExcludedEpisode(
                episode=episode.spec.id.name,
                reason=shortened("LostByFloor: not better than a constant answer", MAX_EXCLUSION),
            )
            for episode in fell
        ],
        threshold=scores[ranked[KEEP - 1]],
        tied_at_threshold=1,
    )
    episodes = [episode if episode in fell else _at_rung(episode, data) for episode in begun]
    useful = (
        len(fell) * EARLY + len(above) * LATER * STEPS // EVALUATIONS + KEEP * (STEPS - LATER * STEPS // EVALUATIONS)
    )
    summary = CutSummary(
        bracket=0, rung=1, evaluation=LATER, threshold=data.threshold, kept=KEEP, of=data.size, ref=data.name
    )
    status = whole.status.evolve(
        design="floor+cut",
        best=winner_of(episodes),
        counts=EpisodeCounts(finished=KEEP, lost=len(episodes) - KEEP, unused=2),
        cuts=[summary],
        cost=Cost(
            useful_steps=useful,
            planned_steps=BUDGET * STEPS,
            full_steps=6 * STEPS,
            gpu_seconds=useful * SECONDS_PER_STEP,
        ),
    )
    cut = Cut(metadata=ObjectMeta(name=data.name), data=data)
    return Record(whole.sweep.evolve(spec=spec, status=status), episodes, [cut])


def _best_score(episode: Episode, upto: int) -> float:
    found = best_of(episode.status.scores, upto)
    assert found is not None
    return found.score


def _at_rung(episode: Episode, cut: CutData) -> Episode:
    found = best_of(episode.status.scores, LATER)
    assert found is not None
    final = RungScore(rung=1, evaluation=LATER, score=found.score)
    status = episode.status.evolve(rung_scores=[*episode.status.rung_scores, final])
    if episode.spec.id.name not in cut.kept:
        [attempt] = status.attempts
        steps = LATER * STEPS // EVALUATIONS
        attempt = _stopped(attempt, StopReason.CUT, LATER, steps)
        status = status.evolve(
            state="Lost",
            scores=status.scores[:LATER],
            best=found,
            attempts=[attempt],
            verdict=Verdict(outcome="LostByCut", rung=1, cut=cut.name),
        )
    return episode.evolve(status=status)


def _stopped(attempt: Attempt, stop: StopReason, evaluations: int, steps: int) -> Attempt:
    seconds = steps * SECONDS_PER_STEP
    return attempt.evolve(
        reason=EndReason.STOPPED, stop=stop, evaluations=evaluations, steps=steps, gpu_seconds=seconds
    )


def _at_floor(episode: Episode) -> Episode:
    found = best_of(episode.status.scores, RUNG)
    assert found is not None
    final = RungScore(rung=0, evaluation=RUNG, score=found.score)
    [attempt] = episode.status.attempts
    attempt = attempt.evolve(steps_at_start=0, gpu_seconds=STEPS * SECONDS_PER_STEP)
    status = episode.status.evolve(rung_scores=[final], baseline_error=STANDARD_ERROR, attempts=[attempt])
    if found.score <= NEEDED:
        attempt = _stopped(attempt, StopReason.FLOOR, RUNG, EARLY)
        status = status.evolve(
            state="Lost",
            scores=status.scores[:RUNG],
            best=None,
            attempts=[attempt],
            verdict=Verdict(
                outcome="LostByFloor",
                rung=0,
                fall=Fall(score=found.score, baseline=BASELINE, standard_error=STANDARD_ERROR, margin=MARGIN),
            ),
        )
    return episode.evolve(status=status)
