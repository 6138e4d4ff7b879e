"""Workers in simulated time: who trains when, what a scheduler is told in which order, and what that costs.

Every method is driven by the same clock: k workers, each with one episode, each episode at its own pace. A pause and
a start cost nothing, and an episode that goes on after a pause goes on where it was: that favours the methods that
pause.
"""

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import numpy as np

from compare_curves import Curves, Draw


class Answer(Enum):
    """What becomes of an episode that has just reported."""

    GO_ON = auto()
    LEAVE = auto()
    """It gives up its worker: for good or until it is started again, which the scheduler knows."""


class Scheduler(Protocol):
    """A method as the clock drives it. Episodes are numbers: their places in the draw."""

    def next_start(self) -> int | None:
        """The episode that a free worker takes up; None where there is none for now."""

    def report(self, episode: int, evaluation: int, score: float) -> Answer:
        """An evaluation, the first is 1, has just been made."""

    def to_end(self) -> Collection[int]:
        """Episodes that lose their worker before their next evaluation."""

    def found(self, trained: Sequence[int]) -> float:
        """The best score, after so many evaluations of every episode."""

    def kept(self, trained: Sequence[int]) -> Collection[int]:
        """Episodes that every comparison let go on."""


@dataclass(frozen=True)
class Replay:
    """What a method found, and what it spent."""

    found: float
    steps: float
    """Optimizer steps of all workers, also those after the last evaluation of an episode that was stopped."""
    trained: tuple[int, ...]
    """Evaluations made, by episode."""
    kept: frozenset[int]


def best_of(curves: Curves, trained: Sequence[int]) -> float:
    """The best score among the evaluations that were made."""
    return max(float(curves.scores[episode, :done].max()) for episode, done in enumerate(trained) if done)


def reached(evaluation: int, trained: Sequence[int]) -> Collection[int]:
    """Episodes that made so many evaluations."""
    return [episode for episode, done in enumerate(trained) if done >= evaluation]


class Pruning:
    """What methods have in common that stop only who reports."""

    def __init__(self, curves: Curves) -> None:
        self.curves = curves

    def to_end(self) -> Collection[int]:
        """Nobody else is stopped."""
        return ()

    def found(self, trained: Sequence[int]) -> float:
        """The best over all that was reported."""
        return best_of(self.curves, trained)

    def kept(self, trained: Sequence[int]) -> Collection[int]:
        """Those that are complete."""
        return reached(self.curves.evaluations, trained)


def replay(scheduler: Scheduler, drawn: Draw, episodes: int, workers: int) -> Replay:
    """Run a method to its end."""
    curves, paces = drawn.curves, drawn.paces
    steps_at = (0, *curves.steps)
    trained = [0] * episodes
    began: dict[int, float] = {}
    """When the evaluation under way began, of those who have a worker."""
    moments: list[tuple[float, int]] = []
    now, partial = 0.0, 0.0

    def go_on(episode: int) -> None:
        began[episode] = now
        heapq.heappush(moments, (now + paces[episode], episode))

    while True:
        for episode in scheduler.to_end():
            if episode in began:
                done, part = trained[episode], (now - began.pop(episode)) / paces[episode]
                partial += float(np.floor(part * (steps_at[done + 1] - steps_at[done])))
                moments = [moment for moment in moments if moment[1] != episode]
                heapq.heapify(moments)
        while len(began) < workers and (started := scheduler.next_start()) is not None:
            go_on(started)
        if not moments:
            break
        now, episode = heapq.heappop(moments)
        trained[episode] += 1
        answer = scheduler.report(episode, trained[episode], float(curves.scores[episode, trained[episode] - 1]))
        if answer is Answer.GO_ON and trained[episode] < curves.evaluations:
            go_on(episode)
        else:
            del began[episode]
    steps = sum(steps_at[done] for done in trained) + partial
    return Replay(scheduler.found(trained), steps, tuple(trained), frozenset(scheduler.kept(trained)))
