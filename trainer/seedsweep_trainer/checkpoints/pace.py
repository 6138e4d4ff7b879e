"""When the next checkpoint is worth what it costs. Pure: what the clock says is an argument."""

LOSS_SECONDS = 60.0
"""A crash costs about so much training, where the cost of checkpoints allows it."""
PARTS = 20
"""Checkpoints cost at most one part in so many of the time."""


def is_due(since: float, cost: float) -> bool:
    """Whether another one is due, `since` seconds after the last or the start; `cost`: seconds that the last cost."""
    return since >= max(LOSS_SECONDS, PARTS * cost)
