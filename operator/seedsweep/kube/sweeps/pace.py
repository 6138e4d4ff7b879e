"""How long a sweep waits between two turns: at least, so that news is taken in together, and at most."""

from datetime import datetime, timedelta

from seedsweep.engine.layout import Layout
from seedsweep.kube.sweeps.world import KubeWorld

PAUSE_SECONDS = 0.05
PAUSE_SECONDS_PER_EPISODE = 0.00025
"""Between two turns at least: news comes in bursts, and no sweep, however large, may take the loop for itself. What is
known already, and was more than one turn takes in, does not wait for more."""
BEGINNINGS_SECONDS = 1.0
"""After the first pod that got its place, or began: that asks for nothing, and others follow."""
MAX_SLEEP_SECONDS = 60.0
"""Nothing that was forgotten waits for longer."""
RETRY_SECONDS = 1.0
"""Before what could not be written is tried again; each try has its own patience with the API server."""


def pause(layout: Layout, wait: timedelta | None, world: KubeWorld) -> float:
    """Seconds before the next turn at least; `wait`: after how long the last plan wants to look again."""
    if wait == timedelta(0) or world.unfinished:
        return PAUSE_SECONDS
    return max(PAUSE_SECONDS, PAUSE_SECONDS_PER_EPISODE * len(layout.episodes))


def longest_sleep(world: KubeWorld, wait: timedelta | None, until_list: float, moment: datetime) -> float:
    """Seconds after which the next turn comes without any news; `until_list`: seconds until pods are listed again."""
    if world.held_back:
        # To plan the same at once would be refused as well.
        return RETRY_SECONDS
    seconds = min(MAX_SLEEP_SECONDS, max(until_list, 0.0))
    if wait is not None:
        seconds = min(seconds, wait.total_seconds())
    if (again := world.tries_again_at(moment)) is not None:
        seconds = min(seconds, (again - moment).total_seconds())
    return min(seconds, RETRY_SECONDS) if world.behind or world.unfinished else seconds
