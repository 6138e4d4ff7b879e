"""Moments of sweeps as live pages show them."""

from datetime import timedelta
from functools import cache

from inputs import moments, records
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.status import Cost, EpisodeCounts, SweepStatus
from seedsweep.engine.decisions import Plan
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation, Reading, SeenAttempt
from seedsweep.terminal.moment import Moment

EVALUATIONS, STEPS = 30, 3000
_LARGE = """
apiVersion: seedsweep.io/v1alpha1
kind: SeedSweep
metadata: {name: paper}
spec:
  seeds: {grid: {weightInits: {count: 50}, dataOrders: {count: 42}}}
  parallelism: 2100
  earlyStopping: {rungs: [{atPercent: 99, keep: 100}]}
  trainer: {image: any, command: [train], metric: {name: accuracy, goal: maximize}}
"""


def moment_of(given: moments.Moment) -> Moment:
    """As the live view reckons it."""
    return Moment.of(given.layout, given.seen, given.plan, given.now, given.now - records.START)


def large(evaluations: int) -> Moment:
    """2,100 episodes at work at once, after so many of 30 evaluations."""
    layout = _layout()
    attempts = [
        SeenAttempt(
            episode,
            f"uid-{episode.name}",
            records.START,
            records.START,
            reading=Reading(
                scores=tuple(_curve(i)[:evaluations]),
                evaluations_planned=EVALUATIONS,
                steps_done=evaluations * STEPS // EVALUATIONS,
                steps_planned=STEPS,
                baseline=records.BASELINE,
            ),
        )
        for i, episode in enumerate(layout.episodes)
    ]
    t = len(layout.episodes)
    status = SweepStatus(
        phase="Running",
        message=f"{t:,} episodes train",
        start_time=records.START.isoformat(),
        evaluations=EVALUATIONS,
        steps=STEPS,
        counts=EpisodeCounts(running=t),
        cost=Cost(useful_steps=t * evaluations * STEPS // EVALUATIONS, planned_steps=t * STEPS, full_steps=t * STEPS),
    )
    seen = Observation(status=status, attempts=attempts, parallelism=t)
    now = records.START + timedelta(minutes=evaluations)
    return Moment.of(layout, seen, Plan((), (), status), now, now - records.START)


@cache
def _layout() -> Layout:
    return Layout.of(parse_sweep(_LARGE))


@cache
def _curve(index: int) -> list[float | None]:
    return records.curve(index, EVALUATIONS)
