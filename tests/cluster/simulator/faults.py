"""What can go wrong with a simulated trainer, as values: how it ends, what it tells scrapers, how it misbehaves."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from seedsweep.contract.message import Outcome
from seedsweep.contract.protocol import ExitCode


@dataclass(frozen=True, slots=True)
class End:
    """How a container ends, and its pod with it."""

    exit_code: int = ExitCode.OK
    outcome: Outcome | None = None
    """As its termination message has it; None: it leaves no message."""
    reason: str = "Completed"
    """Of the terminated container, as a kubelet gives it."""
    explanation: str = ""
    """The `reason` of the message."""
    pod_reason: str = ""
    disruption: str = ""
    """The reason of the condition DisruptionTarget; empty: no such condition."""
    deleted: bool = False
    """Its pod is deleted by whoever ended it."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Training comes no further than half an evaluation beyond evaluation `after`, or beyond where it resumed."""

    after: int
    end: End | None
    """None: it hangs."""


def stall(after: int) -> Halt:
    """Another evaluation never comes."""
    return Halt(after, None)


def crash(after: int, exit_code: int = 1, outcome: Outcome | None = Outcome.FAILED) -> Halt:
    """The process ends with an exit code; `outcome` is None where it leaves no message."""
    return Halt(after, End(exit_code, outcome, "Error", "RuntimeError: told to crash"))


def run_out_of_memory(after: int) -> Halt:
    """The kernel kills it; what it last wrote into its message stays."""
    return Halt(after, End(137, Outcome.RUNNING, "OOMKilled"))


def diverge(after: int) -> Halt:
    """Loss or weights become non-finite."""
    return Halt(after, End(ExitCode.OK, Outcome.DIVERGED))


def evict(after: int) -> Halt:
    """The node runs out of something, and its kubelet fails the pod."""
    return Halt(after, End(137, Outcome.RUNNING, "Error", pod_reason="Evicted", disruption="TerminationByKubelet"))


def preempt(after: int) -> Halt:
    """The scheduler deletes the pod for one of higher priority."""
    return Halt(after, End(143, Outcome.INTERRUPTED, "Error", disruption="PreemptionByScheduler", deleted=True))


class Lies(StrEnum):
    """What a scraper gets instead of the truth."""

    OTHER_EPISODE = auto()
    OTHER_UID = auto()
    OUT_OF_RANGE = auto()
    NOT_A_NUMBER = auto()
    """The newest score is NaN, which is honest for an undefined one."""
    GOES_BACK = auto()
    """A step behind the one that was published."""
    BEYOND_ITS_STEPS = auto()
    DUPLICATE = auto()
    GARBAGE = auto()
    HUGE = auto()
    MANY_LABELS = auto()
    ENDLESS = auto()
    SLOW = auto()
    """A byte now and then."""
    REDIRECT = auto()
    GZIP = auto()
    """A small body that would inflate to a large one."""
    SERVER_ERROR = auto()
    RESET = auto()
    """The connection ends without an answer."""


@dataclass(frozen=True, slots=True)
class Lie:
    """Told between two evaluations: from `after` on, and no more once `until` is done."""

    kind: Lies
    after: int = 0
    until: int | None = None


class Quirk(Enum):
    """Other ways to misbehave."""

    MUTE = auto()
    """Never a metric nor a message, and exit code 0."""
    UNREACHABLE = auto()
    """Nobody listens where its metrics should be; its message tells all the same."""
    HURRIED = auto()
    """Done before the first scrape."""
    LOSES_CHECKPOINT = auto()
    """What earlier attempts have stored is gone when this one starts."""
    UNPULLABLE = auto()
    """Its image cannot be pulled."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, in one episode or in all, in one attempt (from 0) or in all."""

    what: Halt | Lie | Quirk
    episode: str | None = None
    attempt: int | None = None

    def hits(self, episode: str, attempt: int) -> bool:
        """Whether it happens to this attempt."""
        return self.episode in (None, episode) and self.attempt in (None, attempt)
