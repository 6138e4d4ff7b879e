"""An attempt's course, known from its start: what it has done at any second, and when and how it ends."""

import math
from dataclasses import dataclass

from cluster.simulator.faults import End, Halt, Lies, Quirk
from cluster.simulator.script import Behaviour
from seedsweep.contract.message import Outcome


@dataclass(frozen=True, slots=True)
class Course:
    """Times are seconds since the attempt's start."""

    behaviour: Behaviour
    start: int = 0
    """The evaluation it resumes at."""
    stop_after: int | None = None
    rungs: frozenset[int] = frozenset()
    stored: bool = False
    """It has a place for checkpoints."""

    @property
    def target(self) -> int:
        """The evaluation it is asked to come to."""
        end = self.behaviour.evaluations
        if self.stop_after is not None and self.behaviour.resumes:
            end = min(end, self.stop_after)
        return max(end, self.start)

    @property
    def steps_at_start(self) -> int:
        """Optimizer steps that earlier attempts have done."""
        return self.start * self.behaviour.steps_per_evaluation

    @property
    def halt(self) -> Halt | None:
        """What keeps it from its target."""
        halt = self.behaviour.halt
        return halt if halt is not None and max(halt.after, self.start) < self.target else None

    @property
    def duration(self) -> float:
        """Until it ends; math.inf where it hangs."""
        hangs = self.halt is not None and self.halt.end is None
        return math.inf if hangs else self.moment(self._limit)

    @property
    def end(self) -> End:
        """How it ends once `duration` is over."""
        if self.halt is not None and self.halt.end is not None:
            return self.halt.end
        if Quirk.MUTE in self.behaviour.quirks:
            return End()
        return End(outcome=Outcome.DONE if self.target == self.behaviour.evaluations else Outcome.STOPPED)

    def moment(self, evaluation: float) -> float:
        """When an evaluation is published."""
        return self.behaviour.delay + (evaluation - self.start) * self.behaviour.seconds

    def evaluations(self, elapsed: float) -> int:
        """Published by then, those it resumed with included."""
        return int(self._progress(elapsed))

    def steps(self, elapsed: float) -> int:
        """Optimizer steps done by then, those of earlier attempts included."""
        return int(self._progress(elapsed) * self.behaviour.steps_per_evaluation)

    def progress(self, elapsed: float) -> float:
        """From 0 to 1 over the whole episode."""
        return self._progress(elapsed) / self.behaviour.evaluations

    def checkpoint(self, elapsed: float) -> int:
        """Newest evaluation whose checkpoint is durable."""
        if not (self.stored and self.behaviour.resumes):
            return 0
        # A trainer that ends well waits for its last checkpoint.
        waited = self.halt is None and elapsed >= self.duration
        done = self.target if waited else self.evaluations(elapsed - self.behaviour.checkpoint_seconds)
        return max((i for i in range(self.start + 1, done + 1) if self._saves(i)), default=self.start)

    def lie(self, elapsed: float) -> Lies | None:
        """What is told to scrapers then; None: the truth."""
        lie = self.behaviour.lie
        if lie is None or not lie.after <= self.evaluations(elapsed) < (math.inf if lie.until is None else lie.until):
            return None
        return lie.kind

    def _saves(self, evaluation: int) -> bool:
        every = evaluation % self.behaviour.checkpoint_every == 0
        return every or evaluation in self.rungs or evaluation == self.target

    @property
    def _limit(self) -> float:
        return self.target if self.halt is None else max(self.halt.after, self.start) + 0.5

    def _progress(self, elapsed: float) -> float:
        trained = elapsed - self.behaviour.delay
        if trained < 0:
            return self.start
        # At its end it is where it was to come, whatever the rounding.
        if elapsed >= self.moment(self._limit):
            return self._limit
        return min(self.start + trained / self.behaviour.seconds, self._limit)
