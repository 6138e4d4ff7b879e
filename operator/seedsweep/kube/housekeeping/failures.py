"""Failures of a sweep's housekeeping: how often in a row, when it is tried again, and when that is given up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from seedsweep.api.housekeeping import HousekeepingAnswer, HousekeepingTask
from seedsweep.api.sweep import Export
from seedsweep.engine.backoff import backoff
from seedsweep.kube.apiserver.client import ApiError, is_quota_conflict
from seedsweep.kube.apiserver.gates import ClosedError

BACK_OFF = timedelta(seconds=5)
MAX_BACK_OFF = timedelta(minutes=10)
WARM_UP, HAND_OVER, PRUNING = "warming up", "handing over the winner", "freeing what is no longer needed"
HELD = "PodHeld"
"""Reason of the error for a pod that was deleted and keeps its name."""
MAX_FAILURES = {WARM_UP: 4, HAND_OVER: 8, PRUNING: 8}
"""In a row, before a sweep begins or ends without: half a minute of pauses, and ten minutes."""

Target = tuple[str, Export | None]
"""Of a hand-over: whose weights, and where a copy goes."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Of the last pod, or of the last try to have one."""

    stage: str
    target: Target | None
    """Of a hand-over."""
    times: int
    """In a row."""
    answer: HousekeepingAnswer
    until: datetime
    """When it is tried again."""
    final: bool = False
    """To try again would be in vain."""

    @property
    def exhausted(self) -> bool:
        """It was tried often enough."""
        return self.final or self.times >= MAX_FAILURES[self.stage]

    def __str__(self) -> str:
        again = "" if self.times < 2 else f" {self.times} times"
        return f"{self.stage} failed{again}: {self.answer.error}"


class Failures:
    """Those of one sweep."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.last: Failure | None = None
        """None once something has worked."""
        self.given_up: Failure | None = None
        """Of the hand-over: what is to be freed is still tried after it."""
        self._clock = clock

    def add(self, task: HousekeepingTask, times: int, answer: HousekeepingAnswer, *, final: bool = False) -> None:
        """It failed so often in a row. What nothing is known of, as of another release, is nobody's failure."""
        if not stage_of(task):
            return
        until = self._clock() + backoff(times, BACK_OFF, MAX_BACK_OFF)
        self.last = Failure(stage_of(task), target_of(task), times, answer, until, final)
        if self.last.stage == HAND_OVER and self.last.exhausted:
            self.given_up = self.last

    def forget(self) -> None:
        """What failed may be tried as if it never had been."""
        self.last = self.given_up = None

    def of(self, stage: str) -> Failure | None:
        """The last one, where it is of this stage."""
        return self.last if self.last is not None and self.last.stage == stage else None

    def of_task(self, task: HousekeepingTask) -> Failure | None:
        """The last one, where the task asks for the same: another winner or export is another hand-over."""
        failure = self.of(stage_of(task))
        return failure if failure is not None and failure.target == target_of(task) else None

    def exhausted(self, stage: str) -> bool:
        """This stage was the last to fail, and was tried often enough."""
        failure = self.of(stage)
        return failure is not None and failure.exhausted


def times_refused(attempt: int, error: ApiError) -> int:
    """How often in a row something has failed, where the API server made no pod for attempt 0, 1, ... of it.

    An API server that is away is no reason to give up, nor is a pod that is still to go.
    """
    away = error.status is None or error.status >= 500 or error.status in (404, 429)
    passing = away or error.reason == HELD or isinstance(error, ClosedError) or is_quota_conflict(error)
    return max(attempt, 1) if passing else attempt + 1


def stage_of(task: HousekeepingTask) -> str:
    """What a task is for, in words; empty for one of nothing."""
    if task.warm_up:
        return WARM_UP
    if task.hand_over is not None:
        return HAND_OVER
    return PRUNING if task.prune else ""


def target_of(task: HousekeepingTask) -> Target | None:
    """What it hands over, and where to."""
    return (task.hand_over.episode, task.hand_over.export) if task.hand_over is not None else None
