"""Averages that could not be made or scored: the next pod is asked for the winner, and told why."""

from seedsweep.api.housekeeping import HandOver, HousekeepingTask
from seedsweep.api.status import Average
from seedsweep.kube.housekeeping.manifest import Chore


class TriedAverage:
    """The last one of a sweep. The pods carry it, so that the next operator knows it too."""

    def __init__(self) -> None:
        self._last: tuple[HandOver, Average] | None = None
        """What asked for it, and what became of it."""

    def note(self, chore: Chore) -> None:
        """Take in what a pod has found out, or was told."""
        asked, answer = chore.task.hand_over, chore.end.answer if chore.end is not None else None
        if asked is None:
            return
        tried = answer.average if answer is not None and answer.only_tried else asked.tried
        if tried is not None:
            self._last = asked, tried

    def replace_in(self, task: HousekeepingTask) -> HousekeepingTask:
        """The task without an average that was tried before; that of other members is tried."""
        asked = task.hand_over
        if asked is None or self._last is None or not asked.is_of_same(self._last[0]):
            return task
        return task.evolve(hand_over=asked.evolve(average=[], tried=self._last[1]))

    def forget(self) -> None:
        """It may be tried as if it never had been."""
        self._last = None
