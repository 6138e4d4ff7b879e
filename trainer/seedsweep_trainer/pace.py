"""When the next checkpoint is worth what it costs. Pure: what clocks say is an argument."""

from typing import NamedTuple

LOSS_SECONDS = 60.0
"""A crash costs about so much training, where the cost of checkpoints allows it."""
PARTS = 20
"""Checkpoints cost at most one part in so many of the time, and of the processor's."""


class Spent(NamedTuple):
    """Seconds."""

    time: float = 0.0
    """That pass."""
    processor: float = 0.0
    """That a processor works: on a busy machine many more pass."""


def is_due(since: Spent, cost: Spent) -> bool:
    """Whether another one is due, with what was spent since the last or the start, and what the last one cost.

    `cost`: how long training waited, and where the processor trains, how long it worked for the checkpoint instead.
    """
    return since.time >= max(LOSS_SECONDS, PARTS * cost.time) and since.processor >= PARTS * cost.processor
