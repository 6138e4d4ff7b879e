"""What a sweep's checkpoints take of its storage, known before it starts."""

from seedsweep.engine.layout import Layout
from seedsweep.engine.storage import CHECKPOINT_BYTES, WEIGHTS_BYTES


def best_bytes(parameters: int) -> int:
    """Of an evaluation's best weights."""
    return parameters * WEIGHTS_BYTES


def checkpoint_bytes(parameters: int) -> int:
    """Of what an attempt resumes from, without the best weights in it: weights and optimizer."""
    return parameters * CHECKPOINT_BYTES


def storage_bytes(layout: Layout, places: int, parameters: int) -> int:
    """Most that a sweep's checkpoints take at once.

    Those who can still resume (as many as live or are kept at a cut) have a checkpoint, the living a second one while
    it replaces the first. All of these, and who has finished, have their best weights, once more for every rung to
    come. The winner is copied at the end.

    Args:
        places: episodes that train at once.
        parameters: of the model.
    """
    paused = sum(ladder[0].keep for ladder in layout.rungs if ladder)
    sizes = [sum(1 for bracket in layout.bracket_of.values() if bracket == b) for b in range(len(layout.rungs))]
    survivors = sum(ladder[-1].keep if ladder else size for ladder, size in zip(layout.rungs, sizes, strict=True))
    rungs = max(len(ladder) for ladder in layout.rungs)
    resumable = paused + 2 * places
    best = (max(survivors, paused) + places) * (1 + rungs) + 1
    return resumable * checkpoint_bytes(parameters) + best * best_bytes(parameters)
