"""One pass over every record: how many are where, what was spent, and what went wrong."""

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from seedsweep.api.episode import EndReason, EpisodeId, EpisodeState, EpisodeStatus, Interruption
from seedsweep.api.status import Cost, EpisodeCounts
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.budget import Prices, carried_anyway
from seedsweep.engine.facts.verdicts import LOST
from seedsweep.engine.layout import Layout, step_of
from seedsweep.engine.observation import SeenAttempt
from seedsweep.engine.questions.standings import Race


@dataclass(slots=True)
class Census:
    """What the pass found. Steps are optimizer steps; seconds are of GPUs held."""

    tally: dict[EpisodeState, int] = field(default_factory=dict)
    useful: int = 0
    overshoot: int = 0
    wasted: int = 0
    audit: int = 0
    saved: int = 0
    seconds: float = 0.0
    failed: list[str] = field(default_factory=list)
    """Reasons of the episodes that failed for good."""
    diverged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Messages of the episodes whose last attempt refused its configuration."""
    unmeasured: list[str] = field(default_factory=list)
    """Reasons of the episodes that were given up since their metrics cannot be used."""
    unused: int = 0
    """Episodes that the budget does not carry."""
    fallen: int = 0
    """Episodes below the floor."""
    measured: int = 0
    """Episodes with a curve on record."""
    replayed: list[EpisodeId] = field(default_factory=list)
    """Episodes of which a replay disagreed with the record."""
    sampled: bool = False
    fingerprints: set[str] = field(default_factory=set)
    interruptions: Counter[Interruption] = field(default_factory=Counter)

    def counts(self, total: int) -> EpisodeCounts:
        """By state; those without a record wait."""
        found = {state.lower(): number for state, number in self.tally.items()}
        found["unused"] = self.unused
        found["waiting"] = found.get("waiting", 0) + total - sum(found.values())
        return EpisodeCounts(**found)


def episode_state(draft: Draft, episode: EpisodeId, survivors: AbstractSet[EpisodeId]) -> EpisodeState:
    """One word for a column; who trained to the end, and is outranked since the sweep got more seeds, has lost."""
    status = draft.status(episode)
    if status.verdict is not None:
        outcome = status.verdict.outcome
        if outcome == "Failed" or outcome == "Diverged" or (outcome == "Finished" and episode in survivors):
            return outcome
        return "Audited" if episode in draft.layout.audited else "Lost"
    # Until its end is on record it runs, as far as people can see.
    attempt = draft.live.get(episode) or draft.unabsorbed.get(episode)
    if attempt is not None and attempt.bound is not None:
        return "Running"
    if status.attempts and status.attempts[-1].reason == EndReason.DONE:
        return "Trained"
    return "Paused" if status.scores else "Waiting"


def take_census(draft: Draft, race: Race) -> Census:
    """Look at every record once.

    Useful steps are each counted once and only up to the episode's limit (its rung, or the end for a
    survivor), so that they never exceed t step(e) + p (S - step(e)).
    """
    census = Census(unused=race.unused)
    limits, survivors = _limit_steps(draft, race), frozenset(race.survivors)
    for episode, status in draft.statuses.items():
        state = episode_state(draft, episode, survivors)
        census.tally[state] = census.tally.get(state, 0) + 1
        reach, trained = _steps(census, draft, status, draft.unabsorbed.get(episode) or draft.live.get(episode))
        useful = min(reach, limits.get(race.limits.get(episode, 0), reach))
        census.useful += useful
        census.wasted += trained - reach if trained > reach else 0
        if state == "Audited":
            census.audit += reach - useful
        else:
            census.overshoot += reach - useful
        if state == "Lost" and draft.steps is not None:
            census.saved += max(0, draft.steps - reach)
        if status.non_deterministic:
            census.replayed.append(episode)
        verdict = status.verdict
        census.fallen += verdict is not None and verdict.fall is not None
        if verdict is not None and verdict.outcome not in LOST and verdict.outcome != "Finished":
            (census.failed if verdict.outcome == "Failed" else census.diverged).append(verdict.reason)
            if verdict.outcome == "Failed" and _is_unmeasured(status):
                census.unmeasured.append(f"{episode.name}: {verdict.reason}")
        census.measured += bool(status.scores)
        for score in status.rung_scores:
            census.sampled = census.sampled or score.sampled
    return census


def cost_of(draft: Draft, census: Census) -> Cost:
    """What was spent, each kind of step apart, beside what the design costs at most and what all would cost."""
    trained = census.useful + census.overshoot + census.wasted + census.audit
    return Cost(
        useful_steps=census.useful,
        overshoot_steps=census.overshoot,
        wasted_steps=census.wasted,
        audit_steps=census.audit,
        planned_steps=_planned(draft),
        full_steps=None if draft.steps is None else draft.steps * (len(draft.layout.episodes) - census.unused),
        gpu_seconds=round(census.seconds, 1),
        saved_steps=census.saved,
        saved_gpu_seconds=round(census.saved * census.seconds / trained, 1) if trained else 0.0,
    )


def _is_unmeasured(status: EpisodeStatus) -> bool:
    return bool(status.attempts) and status.attempts[-1].reason == EndReason.METRICS_UNAVAILABLE


def _steps(census: Census, draft: Draft, status: EpisodeStatus, open_: SeenAttempt | None) -> tuple[int, int]:
    """The furthest step reached, and the steps trained by all attempts together; notes what else they tell.

    `open_`: the attempt whose end is not on record.
    """
    reach = trained = 0
    for attempt in status.attempts:
        if attempt.fingerprint:
            census.fingerprints.add(attempt.fingerprint)
        if attempt.reason is None:
            continue
        if attempt.interruption is not None:
            census.interruptions[attempt.interruption] += 1
        census.seconds += attempt.gpu_seconds
        reach = attempt.steps if attempt.steps > reach else reach
        trained += attempt.steps - attempt.steps_at_start
    if status.attempts and status.attempts[-1].reason == EndReason.BAD_CONFIGURATION:
        census.refused.append(status.attempts[-1].message)
    if open_ is not None:
        reading = open_.reading
        if reading is not None:
            reach = reading.steps_done if reading.steps_done > reach else reach
            trained += reading.steps_done - reading.steps_at_start
            if reading.fingerprint:
                census.fingerprints.add(reading.fingerprint)
        census.seconds += draft.gpu_seconds(open_)
    return reach, trained


def _limit_steps(draft: Draft, race: Race) -> dict[int, int]:
    if draft.evaluations is None or draft.steps is None:
        return {}
    return {e: step_of(e, draft.evaluations, draft.steps) for e in set(race.limits.values())}


def _planned(draft: Draft) -> int | None:
    if draft.evaluations is None or draft.steps is None:
        return None
    return planned_steps(draft.layout, draft.evaluations, draft.steps)


def planned_steps(layout: Layout, evaluations: int, steps: int) -> int:
    """Optimizer steps that a design costs at most: t step(e) + p (S - step(e)), over all rungs and brackets; or B S."""
    if layout.floor is not None:
        return layout.budget * steps
    return sum(running * length for wave in planned_waves(layout, evaluations, steps) for running, length in wave)


def planned_waves(layout: Layout, evaluations: int, steps: int) -> list[list[tuple[int, int]]]:
    """How many episodes train how many steps up to the first rung, from there to the next, and so on to the end.

    Brackets are laid side by side: a wave has one entry of each that comes as far. With a floor, as if none fell.
    """
    if layout.floor is not None:
        prices = Prices.of(layout, evaluations, steps)
        standing = carried_anyway(layout, prices)
        kept = min(standing, prices.keep)
        return [[(standing, prices.standing)], *([[(kept, steps - prices.standing)]] if kept else [])]
    waves: list[list[tuple[int, int]]] = [[] for _ in range(1 + max(map(len, layout.rungs)))]
    marks_of = layout.rung_evaluations(evaluations)
    for size, ladder, marks in zip(layout.sizes, layout.rungs, marks_of, strict=True):
        before, running = 0, size
        for wave, rung, mark in zip(waves, ladder, marks, strict=False):
            at = step_of(mark, evaluations, steps)
            wave.append((running, at - before))
            before, running = at, min(running, rung.keep)
        waves[len(ladder)].append((running, steps - before))
    return waves
