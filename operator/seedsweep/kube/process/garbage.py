"""Collections of garbage hold the event loop, all threads with it: nearly each looks only through what is new.

Python's collector looks through all objects again and again: those of the libraries, 0.1 s, and of each episode 40.
Nearly nothing of that is ever found to be garbage, for what is not used any more goes with its last reference.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

THRESHOLDS = (10_000, 5, 2)
"""A whole collection once there are 100,000 objects more, which takes 0.05 s; Python's own (700, 10, 10) has the young
looked through all the time."""
MORE_OBJECTS, MORE_SHARE = 20_000, 0.25
"""By so much has what is not looked through grown before it is once more: garbage among it stays bounded."""
_OLDEST = 2


@contextmanager
def short_collections() -> Iterator[None]:
    """Until the end of the context, what has survived a whole collection is rarely looked through again."""
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    gc.collect()
    gc.freeze()
    survivors = _Survivors()
    gc.callbacks.append(survivors.note)
    try:
        yield
    finally:
        gc.callbacks.remove(survivors.note)
        gc.set_threshold(*before)
        gc.unfreeze()


def look_through_all() -> None:
    """Have the next whole collection look through everything once more, where nobody waits for it."""
    gc.unfreeze()


class _Survivors:
    """What is not looked through again, until it has grown."""

    def __init__(self) -> None:
        self._after_all = gc.get_freeze_count()
        """How many objects had survived when all were looked through last, or have been left since."""
        self._all = False
        """All are looked through in the collection under way."""

    def note(self, phase: str, info: Mapping[str, int]) -> None:
        """A collection starts or stops."""
        if info["generation"] != _OLDEST:
            return
        if phase == "start":
            frozen = gc.get_freeze_count()
            self._after_all = min(self._after_all, frozen)
            if frozen > self._after_all * (1 + MORE_SHARE) + MORE_OBJECTS:
                gc.unfreeze()
                frozen = 0
            self._all = not frozen
            return
        gc.freeze()
        if self._all:
            self._after_all = gc.get_freeze_count()
