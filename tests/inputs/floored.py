"""A made-up record of a sweep with a floor: of eight seeds a budget of four full runs carries five, and two fall."""

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
from seedsweep.api.early_stopping import EarlyStopping, Floor
from seedsweep.api.episode import EndReason, Episode, Fall, RungScore, StopReason, Verdict
from seedsweep.api.status import Cost, EpisodeCounts

BUDGET, MARGIN, STANDARD_ERROR = 4, "2", 0.03
NEEDED = BASELINE + 2 * STANDARD_ERROR
FALLEN = ["wi0-do1", "wi1-do1"]
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


def _at_floor(episode: Episode) -> Episode:
    found = best_of(episode.status.scores, RUNG)
    assert found is not None
    final = RungScore(rung=0, evaluation=RUNG, score=found.score)
    [attempt] = episode.status.attempts
    attempt = attempt.evolve(steps_at_start=0, gpu_seconds=STEPS * SECONDS_PER_STEP)
    status = episode.status.evolve(rung_scores=[final], baseline_error=STANDARD_ERROR, attempts=[attempt])
    if found.score <= NEEDED:
        attempt = attempt.evolve(
            reason=EndReason.STOPPED,
            stop=StopReason.FLOOR,
            evaluations=RUNG,
            steps=EARLY,
            gpu_seconds=EARLY * SECONDS_PER_STEP,
        )
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
