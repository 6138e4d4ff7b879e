"""What was spent, each kind of step counted apart, against what the design costs at most."""

from datetime import datetime

from seedsweep.api.status import Cost
from seedsweep.engine.draft import Draft
from seedsweep.engine.race import LOST, Race


def step_of(evaluation: int, evaluations: int, steps: int) -> int:
    """Optimizer step that an evaluation follows: ceil(e S / E)."""
    return -(-evaluation * steps // evaluations)


def account(draft: Draft, race: Race) -> Cost:
    """Useful, overshoot, wasted and audit steps of all episodes, and seconds of GPUs held.

    Useful steps are each counted once and only up to the episode's limit (its rung, or the end for a
    survivor), so that they never exceed t step(e) + p (S - step(e)).
    """
    useful = overshoot = wasted = audit = 0
    seconds = 0.0
    limit_steps = _limit_steps(draft, race)
    for episode, status in draft.statuses.items():
        reach = trained = 0
        for attempt in status.attempts:
            if attempt.reason is None:
                continue
            seconds += attempt.gpu_seconds
            reach = max(reach, attempt.steps)
            trained += max(attempt.steps - attempt.steps_at_start, 0)
        live = draft.live.get(episode)
        if live is not None:
            if live.reading is not None:
                reach = max(reach, live.reading.steps_done)
                trained += max(live.reading.steps_done - live.reading.steps_at_start, 0)
            seconds += _held(live.bound, draft.now) * live.gpus
        counted = min(reach, limit_steps.get(race.limits.get(episode, 0), reach))
        useful += counted
        wasted += max(trained - reach, 0)
        if status.verdict is not None and status.verdict.outcome in LOST and episode in draft.layout.audited:
            audit += reach - counted
        else:
            overshoot += reach - counted
    return Cost(
        useful_steps=useful,
        overshoot_steps=overshoot,
        wasted_steps=wasted,
        audit_steps=audit,
        planned_steps=_planned(draft),
        full_steps=None if draft.steps is None else draft.steps * len(draft.layout.episodes),
        gpu_seconds=round(seconds, 1),
    )


def _held(bound: datetime | None, now: datetime) -> float:
    return max((now - bound).total_seconds(), 0.0) if bound is not None else 0.0


def _limit_steps(draft: Draft, race: Race) -> dict[int, int]:
    if draft.evaluations is None or draft.steps is None:
        return {}
    return {e: step_of(e, draft.evaluations, draft.steps) for e in set(race.limits.values())}


def _planned(draft: Draft) -> int | None:
    if draft.evaluations is None or draft.steps is None:
        return None
    sizes = [0] * len(draft.layout.rungs)
    for bracket in draft.layout.bracket_of.values():
        sizes[bracket] += 1
    planned = 0
    for size, ladder, marks in zip(
        sizes, draft.layout.rungs, draft.layout.rung_evaluations(draft.evaluations), strict=True
    ):
        before, running = 0, size
        for rung, mark in zip(ladder, marks, strict=True):
            at = step_of(mark, draft.evaluations, draft.steps)
            planned += running * (at - before)
            before, running = at, min(running, rung.keep)
        planned += running * (draft.steps - before)
    return planned
