"""The recorded curves as lines of a CSV file."""

from seedsweep.api.episode import EpisodeId, EpisodeStatus
from seedsweep.engine.layout import step_of

HEADER = "episode,weight_init,data_order,evaluation,step,score,loss\n"


def curve_lines(episode: EpisodeId, status: EpisodeStatus, evaluations: int | None, steps: int | None) -> str:
    """A line per recorded evaluation; empty fields for what is undefined or unknown.

    Args:
        evaluations: E, evaluations of a full episode.
        steps: S, optimizer steps of a full episode.
    """
    lines = []
    for i, score in enumerate(status.scores, start=1):
        step = step_of(i, evaluations, steps) if steps is not None and evaluations is not None else None
        loss = status.losses[i - 1] if i <= len(status.losses) else None
        values = (episode.name, episode.weight_init, episode.data_order, i, step, score, loss)
        lines.append(",".join("" if value is None else str(value) for value in values) + "\n")
    return "".join(lines)
