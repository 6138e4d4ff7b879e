"""Made-up moments of sweeps under way, as a live view is given them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from inputs.records import BASELINE, EVALUATIONS, KEEP, RUNG, START, STEPS, Record, curve, finished, parse
from seedsweep.api.episode import Episode
from seedsweep.api.status import Cost, EpisodeCounts, SweepStatus
from seedsweep.engine.decisions import Plan
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation, Reading, SeenAttempt


@dataclass(frozen=True)
class Moment:
    """What a live view is given."""

    layout: Layout
    seen: Observation
    plan: Plan
    now: datetime


def before_the_cut(weight_inits: int = 4, data_orders: int = 2) -> Moment:
    """Two attempts live, the first of them past two evaluations, everyone after them still waiting."""
    layout = Layout.of(parse(weight_inits, data_orders))
    attempts = [
        SeenAttempt(
            episode=e,
            uid=f"uid-{e.name}",
            created=START,
            bound=START,
            stop_after=RUNG,
            reading=Reading(
                scores=tuple(curve(i)[: 2 + i]),
                evaluations_planned=EVALUATIONS,
                steps_done=25 + 10 * i,
                steps_planned=STEPS,
                baseline=BASELINE,
            ),
        )
        for i, e in enumerate(layout.episodes[:2])
    ]
    t = len(layout.episodes)
    status = SweepStatus(
        phase="Running",
        message=f"2 of {t} episodes train towards the cut",
        start_time=START.isoformat(),
        evaluations=EVALUATIONS,
        steps=STEPS,
        design="cut",
        counts=EpisodeCounts(running=2, waiting=t - 2),
        cost=Cost(useful_steps=60, planned_steps=t * 60 + KEEP * 140, full_steps=t * STEPS),
    )
    seen = Observation(status=status, attempts=attempts, parallelism=2)
    return Moment(layout, seen, Plan(records=(), decisions=(), status=status), START + timedelta(seconds=60))


def after_the_cut(weight_inits: int = 4, data_orders: int = 2) -> Moment:
    """The cut is made; two survivors train on, the third waits for a place, the losers are done."""
    record, now = finished(weight_inits, data_orders), START + timedelta(minutes=10)
    cut = record.cuts[0].data
    kept = cut.ranked[: cut.keep]
    statuses = {}
    attempts: list[SeenAttempt] = []
    for episode in record.episodes:
        name, status = episode.spec.id.name, episode.status
        if name in kept:
            status = status.evolve(state="Paused", scores=status.scores[:RUNG], best=None, verdict=None, attempts=[])
        if name in kept[:2]:
            status = status.evolve(state="Running")
            attempts.append(_second_attempt(episode, evaluations=10 + len(attempts), now=now))
        statuses[episode.spec.id] = status
    running = _status_after_the_cut(record)
    seen = Observation(status=running, episodes=statuses, cuts={(0, 0): cut}, attempts=attempts, parallelism=2)
    return Moment(Layout.of(record.sweep), seen, Plan(records=(), decisions=(), status=running), now)


def _second_attempt(episode: Episode, evaluations: int, now: datetime) -> SeenAttempt:
    """Of a survivor, which goes on from its rung and has come to this evaluation."""
    begun = now - timedelta(seconds=40)
    return SeenAttempt(
        episode=episode.spec.id,
        uid=f"uid-{episode.spec.id.name}-2",
        created=begun,
        bound=begun,
        reading=Reading(
            scores=tuple(episode.status.scores[:evaluations]),
            evaluations_planned=EVALUATIONS,
            steps_done=5 + STEPS // EVALUATIONS * evaluations,
            steps_planned=STEPS,
            steps_at_start=60,
            baseline=BASELINE,
        ),
    )


def _status_after_the_cut(record: Record) -> SweepStatus:
    lost = len(record.episodes) - 5
    return record.status.evolve(
        phase="Running",
        message="2 of 3 survivors train to the end; 1 waits for a place",
        completion_time=None,
        conditions=[],
        best=None,
        counts=EpisodeCounts(running=2, paused=1, lost=lost, failed=1, diverged=1),
        cost=record.status.cost.evolve(useful_steps=400, gpu_seconds=290.0),
    )
