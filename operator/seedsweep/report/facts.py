"""What the last screen and the page both tell about a record: who failed, what was spent and saved."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from seedsweep.api.episode import Episode
from seedsweep.api.status import Cost, SweepStatus
from seedsweep.report.words import one_line


@dataclass(frozen=True, slots=True)
class Casualty:
    """An episode that came to no good end."""

    episode: str
    outcome: str
    """failed or diverged."""
    evaluations: int
    """How far it came."""
    attempts: int
    reason: str


def casualties(episodes: Iterable[Episode]) -> list[Casualty]:
    """Failed and diverged episodes, in the order given."""
    found = []
    for episode in episodes:
        verdict = episode.status.verdict
        if verdict is not None and verdict.outcome in ("Failed", "Diverged"):
            status = episode.status
            found.append(
                Casualty(
                    episode=episode.spec.id.name,
                    outcome=verdict.outcome.lower(),
                    evaluations=len(status.scores),
                    attempts=len(status.attempts),
                    reason=one_line(verdict.reason),
                )
            )
    return found


def steps_trained(cost: Cost) -> int:
    """All optimizer steps, whatever they were good for."""
    return cost.useful_steps + cost.overshoot_steps + cost.wasted_steps + cost.audit_steps


def saved_share(cost: Cost) -> float | None:
    """Share of the steps of full training that were not taken; negative where interruptions cost more."""
    return 1 - steps_trained(cost) / cost.full_steps if cost.full_steps else None


def full_seconds(cost: Cost) -> float | None:
    """What training everything would have held places for: an estimate from the seconds a step took here."""
    trained = steps_trained(cost)
    if not trained or not cost.full_steps or not cost.gpu_seconds:
        return None
    return cost.gpu_seconds / trained * cost.full_steps


def wall_seconds(status: SweepStatus) -> float | None:
    """From start to completion, without the time suspended; None before both are known."""
    if status.start_time is None or status.completion_time is None:
        return None
    elapsed = datetime.fromisoformat(status.completion_time) - datetime.fromisoformat(status.start_time)
    return elapsed.total_seconds() - status.suspended_seconds
