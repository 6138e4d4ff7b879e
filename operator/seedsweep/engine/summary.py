"""The columns of `kubectl get`, which can show a field but not count or divide."""

from seedsweep.api.status import Best, Cost, EpisodeCounts, Summary


def summarize(counts: EpisodeCounts, best: Best | None, cost: Cost) -> Summary:
    """Text from the numbers of a status."""
    found = [f"{number} {state}" for state, number in counts if number]
    return Summary(
        episodes=", ".join(found),
        score="" if best is None else f"{best.score:.4f}",
        saved=f"{100 * cost.saved_steps / cost.full_steps:.0f} %" if cost.full_steps else "",
        gpu_hours=f"{cost.gpu_seconds / 3600:.1f}",
    )
