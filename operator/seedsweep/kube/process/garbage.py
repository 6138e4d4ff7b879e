"""Collections of garbage hold the event loop, all threads with it: nearly each looks only through what is new.

Python's collector looks through all objects again and again: 110,000 of the libraries, and 60 of each episode. Nearly
nothing of that is ever found to be garbage, for what is not used any more goes with its last reference. While a large
sweep is planned, which makes as many for a moment, there is none at all (seedsweep/loop.py).
"""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

THRESHOLDS = (10_000, 5, 2)
"""A whole collection once there are 100,000 objects more, which takes 0.05 s; Python's own (700, 10, 10) has the young
looked through all the time."""
MORE_OBJECTS, MORE_SHARE = 300_000, 0.25
"""By so much has what is not looked through grown before it is once more: garbage among it stays bounded, to 0.2 GB at
600 bytes an object, and the operator has 512 MiB."""
OF_EPISODE = 60
"""Objects that an episode under way accounts for, a fifth of them kopf's: these are no garbage. To look through those
of 10,000 takes half a second, and more on a busy core."""
_OLDEST = 2


@contextmanager
def short_collections(episodes: Callable[[], int]) -> Iterator[None]:
    """Until the end of the context, what has survived a whole collection is rarely looked through again.

    Args:
        episodes: how many are under way. It is called at any moment, on any thread.
    """
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    gc.collect()
    gc.freeze()
    survivors = _Survivors(episodes)
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

    def __init__(self, episodes: Callable[[], int]) -> None:
        self._episodes = episodes
        self._after_all = gc.get_freeze_count()
        """How many objects had survived when all were looked through last, or have been left since."""
        self._accounted = 0
        """Of how many episodes."""
        self._all = False
        """All are looked through in the collection under way."""

    def note(self, phase: str, info: Mapping[str, int]) -> None:
        """A collection starts or stops."""
        if info["generation"] != _OLDEST:
            return
        if phase == "start":
            frozen, episodes = gc.get_freeze_count(), self._episodes()
            self._after_all, self._accounted = min(self._after_all, frozen), min(self._accounted, episodes)
            more = OF_EPISODE * max(0, episodes - self._accounted)
            if frozen > self._after_all * (1 + MORE_SHARE) + MORE_OBJECTS + more:
                gc.unfreeze()
                frozen = 0
            self._all = not frozen
            return
        gc.freeze()
        if self._all:
            self._after_all, self._accounted = gc.get_freeze_count(), self._episodes()
