"""The columns of `kubectl get`, which can show a field but not count or divide."""

from seedsweep.api.status import Best, Cost, EpisodeCounts, Summary


def summarize(counts: EpisodeCounts, best: Best | None, cost: Cost) -> Summary:
    """Text from the numbers of a status."""
    found = [f"{number} {state}" for state, number in counts if number]
    return Summary(
        episodes=", ".join(found),
        score="" if best is None else f"{best.score:.4f}",
        saved=_percent(cost.net_saved_steps, cost.full_steps) if cost.full_steps else "",
        gpu_hours=f"{cost.gpu_seconds / 3600:.1f}",
    )


def _percent(part: int, whole: int) -> str:
    """Whole percent, below 0 too; less than all is never 100."""
    return f"{min(round(100 * part / whole), 99 if part < whole else 100)} %"
