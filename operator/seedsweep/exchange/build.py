"""Evaluations that others recorded become a record: the same resources that a sweep of ours leaves."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from seedsweep.api.core.objects import Condition, ObjectMeta
from seedsweep.api.episode import BestEvaluation, Episode, EpisodeId, EpisodeStatus, Verdict
from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.api.reading.parse import InvalidSweepError, parse_sweep
from seedsweep.api.seeds import MAX_EPISODES, MAX_PAIRS
from seedsweep.api.status import Best, Cost, EpisodeCounts, SweepStatus
from seedsweep.api.sweep import API_VERSION, SeedSweep
from seedsweep.engine.facts.ranking import best_of
from seedsweep.engine.layout import Layout, step_of
from seedsweep.exchange.baseline import doubts
from seedsweep.exchange.points import ImportProblemError, Point
from seedsweep.exchange.sample import sample_note
from seedsweep.exchange.steps import common_steps
from seedsweep.exchange.told import Goal, Loss, Told
from seedsweep.report.facts import IMPORTED
from seedsweep.report.record import Record
from seedsweep.report.words import counted

Short = Literal["failed", "diverged"]
_WORDS = {
    "failed": "crashed, and is not to be in n",
    "diverged": "became non-finite, and counts with its best score",
}


@dataclass(frozen=True)
class About:
    """What the source does not say."""

    name: str
    metric: str
    goal: Goal
    source: str
    """Where the record is from, in a line for people."""
    now: datetime
    baseline: float | None = None
    evaluations: int | None = None
    """At most so many of each run are taken."""
    tried: tuple[str, ...] = ()
    """The names that scores were looked for under."""
    told: Told = field(default_factory=lambda: Told("score"))
    """What the source itself says about its runs."""
    short: Short | None = None
    """What became of runs with fewer evaluations than the others; None refuses them."""


@dataclass(frozen=True)
class _Curve:
    scores: list[float | None]
    losses: list[float | None]
    steps: list[int | None]
    where: str


def build_record(points: Sequence[Point], about: About) -> tuple[Record, list[str]]:
    """The record, and what has to be said about it.

    Raises:
        ImportProblemError: no score is defined, an evaluation is there twice or missing, steps do not increase, runs
            differ in length, or there are too many.
    """
    if all(point.score is None for point in points):
        raise ImportProblemError(_scoreless(about))
    recorded = _curves(points)
    curves = {episode: _cut_to(curve, about.evaluations) for episode, curve in recorded.items()}
    if len(curves) > MAX_EPISODES:
        raise ImportProblemError(
            f"{about.name}: has {len(curves):,} runs, more than the {MAX_EPISODES:,} of a sweep: split it with --by "
            "or --where"
        )
    if all(score is None for curve in curves.values() for score in curve.scores):
        raise ImportProblemError(_scoreless(about))
    planned = max(len(curve.scores) for curve in curves.values())
    if planned > MAX_EVALUATIONS:
        raise ImportProblemError(
            f"{about.name}: a run has {planned} evaluations, more than {MAX_EVALUATIONS}: take fewer with --evaluations"
        )
    selection = sample_note(about.name, about.told, {e: len(c.scores) for e, c in recorded.items()}, planned)
    # A run that is cut to the length of the others has not come to its end there.
    told = {e: end for e, end in about.told.outcomes.items() if e in curves and recorded[e].scores == curves[e].scores}
    short = _short({episode: curve for episode, curve in curves.items() if episode not in told}, planned, about)
    lost = told | short
    steps, notes = common_steps({episode: curve.steps for episode, curve in curves.items()}, planned)
    sweep = _sweep(list(curves), planned, about)
    layout = Layout.of(sweep)
    episodes = [
        Episode(
            metadata=ObjectMeta(name=f"{layout.name}-{episode.name}"),
            spec=layout.episode_spec(episode),
            status=_status(curves[episode], about, planned, lost.get(episode)),
        )
        for episode in layout.episodes
    ]
    status = _sweep_status(layout, episodes, planned, steps, about)
    notes += [selection] if selection else []
    undefined = sum(score is None for curve in curves.values() for score in curve.scores)
    if undefined:
        notes.append(f"{counted(undefined, 'score')} undefined: kept as such")
    if told:
        notes.append(f"{len(told):,} of {len(curves):,} runs failed or diverged, as the source says")
    if short:
        notes.append(f"{len(short):,} of {len(curves):,} runs are shorter and count as {about.short}")
    bests = [episode.status.best.score for episode in episodes if episode.status.best is not None]
    notes += doubts(about.baseline, bests, maximize=about.goal == "maximize")
    return Record(sweep.evolve(status=status), episodes, []), notes


def _scoreless(about: About) -> str:
    among = f" in its first {counted(about.evaluations, 'evaluation')}" if about.evaluations is not None else ""
    tried = f" (tried: {', '.join(about.tried)})" if about.tried else ""
    return f"{about.name}: no run has a defined score{among}{tried}: name another with --score, or take other rows"


def _curves(points: Sequence[Point]) -> dict[EpisodeId, _Curve]:
    """By episode, in the order of the seeds."""
    by_episode: dict[EpisodeId, list[Point]] = {}
    for point in points:
        by_episode.setdefault(point.episode, []).append(point)
    first = min(
        (p.evaluation for own in by_episode.values() for p in own if p.evaluation is not None),
        default=1,
    )
    if first > 1:
        where = next(p.where for p in points if p.evaluation == first)
        raise ImportProblemError(f"{where}: the first evaluation is {first}: count them from 0 or 1")
    return {episode: _curve(by_episode[episode], 1 - first) for episode in sorted(by_episode)}


def _curve(points: list[Point], shift: int) -> _Curve:
    keys = [_key(point) for point in points]
    ordered = sorted(zip(keys, points, strict=True), key=lambda pair: pair[0])
    for (key, one), (after, other) in pairwise(ordered):
        if key == after:
            raise ImportProblemError(_doubled(one, other))
        if one.step is not None and other.step is not None and other.step <= one.step:
            raise ImportProblemError(
                f"{other.where}: evaluation {after} of {other.episode.name} is at step {other.step}, and the one "
                f"before it at step {one.step} ({one.where}): correct one of them, or rename the column of steps to "
                "import without it"
            )
    for number, (key, point) in enumerate(ordered, start=1):
        if point.evaluation is not None and key + shift != number:
            raise ImportProblemError(
                f"{point.where}: evaluation {key} of {point.episode.name} comes without the one before it: add a row "
                "with an empty score where it is undefined"
            )
    return _Curve(
        [point.score for _, point in ordered],
        [point.loss for _, point in ordered],
        [point.step for _, point in ordered],
        ordered[-1][1].where,
    )


def _key(point: Point) -> int:
    """What orders the evaluations of a run; a run without either has one."""
    return point.evaluation if point.evaluation is not None else point.step if point.step is not None else 0


def _doubled(one: Point, other: Point) -> str:
    what = "two rows, which no evaluation or step tells apart"
    remedy = "name the column that does with --evaluation or --step, or tell records apart with --by"
    if other.evaluation is not None or other.step is not None:
        what = f"step {other.step} twice" if other.evaluation is None else f"evaluation {other.evaluation} twice"
        remedy = "remove one of the two, tell records apart with --by, or choose rows with --where"
    return f"{other.where}: {other.episode.name} has {what} (first in {one.where}): {remedy}"


def _cut_to(curve: _Curve, evaluations: int | None) -> _Curve:
    return _Curve(curve.scores[:evaluations], curve.losses[:evaluations], curve.steps[:evaluations], curve.where)


def _short(curves: dict[EpisodeId, _Curve], planned: int, about: About) -> dict[EpisodeId, Loss]:
    found = [episode for episode, curve in curves.items() if len(curve.scores) < planned]
    if found and about.short is None:
        fewest = min(len(curves[episode].scores) for episode in found)
        meanings = "; ".join(f"--short {word} if it {meaning}" for word, meaning in _WORDS.items())
        raise ImportProblemError(
            f"{curves[found[0]].where}: {found[0].name} ends after evaluation {len(curves[found[0]].scores)} of "
            f"{planned}, like {len(found):,} of {len(curves):,} runs. Say why: {meanings}. Runs that a scheduler "
            f"stopped are no sample of whole runs: compare all at the same length with --evaluations {fewest}"
        )
    return dict.fromkeys(found, "Diverged" if about.short == "diverged" else "Failed")


def _sweep(episodes: Sequence[EpisodeId], planned: int, about: About) -> SeedSweep:
    """A sweep with these episodes.

    Raises:
        ImportProblemError: what was given makes no valid one.
    """
    document = {
        "apiVersion": API_VERSION,
        "kind": "SeedSweep",
        "metadata": {"name": about.name},
        "spec": {
            "seeds": _seeds(about.name, episodes),
            "parallelism": 1,
            "trainer": {"metric": {"name": about.metric, "goal": about.goal}, "evaluations": planned},
        },
    }
    try:
        return parse_sweep(json.dumps(document), source=about.name)
    except InvalidSweepError as error:
        raise ImportProblemError(str(error)) from None


def _seeds(name: str, episodes: Sequence[EpisodeId]) -> dict[str, Any]:
    """The shortest form that gives these episodes."""
    weight_inits, data_orders = (sorted({episode[axis] for episode in episodes}) for axis in (0, 1))
    if all(w == d for w, d in episodes):
        return {"single": {"values": weight_inits}}
    if len(episodes) == len(weight_inits) * len(data_orders):
        return {"grid": {"weightInits": {"values": weight_inits}, "dataOrders": {"values": data_orders}}}
    if len(episodes) > MAX_PAIRS:
        raise ImportProblemError(
            f"{name}: has {len(episodes):,} runs whose seeds make no grid, more than the {MAX_PAIRS:,} that a sweep "
            "may list: split it with --by or --where"
        )
    return {"pairs": [{"weightInit": w, "dataOrder": d} for w, d in episodes]}


def _status(curve: _Curve, about: About, planned: int, lost: Loss | None) -> EpisodeStatus:
    maximize = about.goal == "maximize"
    losses = curve.losses if any(loss is not None for loss in curve.losses) else []
    best = BestEvaluation.of(curve.scores, losses, len(curve.scores), maximize=maximize)
    done = f"its source has {len(curve.scores)} of {planned} evaluations"
    outcome = lost or "Finished"
    return EpisodeStatus(
        state=outcome,
        scores=curve.scores,
        losses=losses,
        best=best,
        baseline=about.baseline,
        verdict=Verdict(outcome=outcome, reason=done if lost else ""),
    )


def _sweep_status(
    layout: Layout, episodes: Sequence[Episode], planned: int, steps: int | None, about: About
) -> SweepStatus:
    outcomes = [episode.status.verdict.outcome for episode in episodes if episode.status.verdict is not None]
    trained = sum(_trained(episodes, planned, steps))
    when = about.now.isoformat(timespec="seconds")
    complete = Condition(
        type="Complete", status="True", reason=IMPORTED, message=about.source, last_transition_time=when
    )
    return SweepStatus(
        phase="Complete",
        message=about.source,
        completion_time=when,
        evaluations=planned,
        steps=steps,
        design="full",
        counts=EpisodeCounts(
            finished=outcomes.count("Finished"), failed=outcomes.count("Failed"), diverged=outcomes.count("Diverged")
        ),
        conditions=[complete],
        best=_best(layout, episodes, about),
        cost=Cost(
            useful_steps=trained,
            planned_steps=steps * len(episodes) if steps is not None else None,
            full_steps=steps * len(episodes) if steps is not None else None,
        ),
    )


def _trained(episodes: Sequence[Episode], planned: int, steps: int | None) -> Iterator[int]:
    for episode in episodes:
        yield step_of(len(episode.status.scores), planned, steps) if steps is not None else 0


def _best(layout: Layout, episodes: Sequence[Episode], about: About) -> Best | None:
    """The best score of all; ties as in a sweep of ours."""
    bests = {episode.spec.id: episode.status.best for episode in episodes if episode.status.best is not None}
    winner = best_of(bests, layout.tie, maximize=layout.maximize)
    if winner is None:
        return None
    return Best(
        episode=winner.name,
        weight_init=winner.weight_init,
        data_order=winner.data_order,
        score=bests[winner].score,
        evaluation=bests[winner].evaluation,
        baseline=about.baseline,
    )
