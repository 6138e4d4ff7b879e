"""What truly happened in the trainers, to be held against what the operator has on record."""

from dataclasses import dataclass, field
from time import time

from cluster.simulator.course import Course
from cluster.simulator.pods import Pod


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to an attempt."""

    at: float
    """Seconds since the epoch, as all times here."""
    uid: str
    episode: str
    what: str


@dataclass(slots=True)
class AttemptRecord:
    """What one attempt went through."""

    pod: Pod
    began: float
    steps_at_start: int = 0
    ended: float | None = None
    steps: int = 0
    """Optimizer steps when it ended, those of earlier attempts included."""
    visible: list[float] = field(default_factory=list)
    """When each evaluation that it made itself could first be scraped; known once it has ended."""

    def conclude(self, course: Course, elapsed: float) -> None:
        """It has ended, after so many seconds of its course."""
        self.ended = time()
        self.steps = course.steps(elapsed)
        own = range(course.start + 1, course.evaluations(elapsed) + 1)
        self.visible = [self.began + course.moment(i) for i in own]

    @property
    def steps_trained(self) -> int:
        """By this attempt alone."""
        return self.steps - self.steps_at_start


class Record:
    """Attempts by pod UID, and all that happened in its order."""

    def __init__(self) -> None:
        self.attempts: dict[str, AttemptRecord] = {}
        self.happenings: list[Happening] = []

    def began(self, pod: Pod, steps_at_start: int = 0) -> AttemptRecord:
        """A trainer starts."""
        attempt = self.attempts[pod.uid] = AttemptRecord(pod, time(), steps_at_start, steps=steps_at_start)
        self.note(pod, f"began at step {steps_at_start}")
        return attempt

    def note(self, pod: Pod, what: str) -> None:
        """Something happened to a pod."""
        self.happenings.append(Happening(time(), pod.uid, pod.episode.name, what))

    @property
    def steps_trained(self) -> int:
        """By all attempts that have ended: what was paid for."""
        return sum(attempt.steps_trained for attempt in self.attempts.values())
