"""Collections of garbage hold the event loop, all threads with it: each looks only through what is new.

Python's collector looks through all objects again and again: those of the libraries, 0.1 s, and of each episode 40.
Nearly nothing of that is ever found to be garbage, for what is not used any more goes with its last reference.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

THRESHOLDS = (10_000, 5, 2)
"""A whole collection once there are 100,000 objects more, which takes 0.05 s; Python's own (700, 10, 10) has the young
looked through all the time."""
_OLDEST = 2


@contextmanager
def short_collections() -> Iterator[None]:
    """Until the end of the context, what has survived a whole collection is not looked through again."""
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    gc.collect()
    gc.freeze()
    gc.callbacks.append(_freeze_survivors)
    try:
        yield
    finally:
        gc.callbacks.remove(_freeze_survivors)
        gc.set_threshold(*before)
        gc.unfreeze()


def look_through_all() -> None:
    """Have the next whole collection look through everything once more, where nobody waits for it."""
    gc.unfreeze()


def _freeze_survivors(phase: str, info: Mapping[str, int]) -> None:
    if phase == "stop" and info["generation"] == _OLDEST:
        gc.freeze()
