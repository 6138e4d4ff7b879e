"""Simulated housekeeping: what is stored is pruned, handed over and removed in memory, or something goes wrong."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto

from cluster.simulator.faults import End
from cluster.simulator.kubelet import Ended
from cluster.simulator.pods import Pod
from seedsweep.api.comparison import ALIKE, APART, UNKNOWN, Compared, Comparison
from seedsweep.api.housekeeping import HousekeepingAnswer, HousekeepingTask
from seedsweep.api.status import Average, TestScore
from seedsweep.contract.protocol import Env, ExitCode

PARAMETERS = 22_000_000
_PERIOD = 0.05
TEST = TestScore(metric="accuracy", score=0.7, n=1000, interval=[0.67, 0.73], confidence=0.95, baseline=0.5)


class Part(StrEnum):
    """What a task is about."""

    WARM_UP = auto()
    PRUNING = auto()
    HAND_OVER = auto()
    COMPARISON = auto()
    REMOVAL = auto()

    @classmethod
    def of(cls, task: HousekeepingTask) -> "Part":
        """The last thing that it does."""
        if task.remove_all:
            return cls.REMOVAL
        if task.hand_over is not None:
            return cls.HAND_OVER
        if task.compare is not None:
            return cls.COMPARISON
        return cls.WARM_UP if task.warm_up else cls.PRUNING


class Mishap(StrEnum):
    """How it goes wrong."""

    FAILS = auto()
    """With an answer that says why, and nothing done."""
    REFUSES = auto()
    """Its configuration."""
    HANGS = auto()
    EVICTED = auto()
    SILENT = auto()
    """Everything done, exit code 0, and no answer."""


@dataclass(frozen=True, slots=True)
class Chores:
    """What housekeeping pods do."""

    seconds: float = 0.1
    mishaps: Mapping[Part, tuple[Mishap, ...]] = field(default_factory=dict)
    """By attempt; after them all is well."""


@dataclass
class SimulatedHousekeepers:
    """All housekeeping of a cluster."""

    script: Chores
    stored: dict[str, int]
    """By checkpoint folder, as trainers know it."""
    done: list[tuple[str, HousekeepingTask]] = field(default_factory=list)
    """Name of the pod and what it has done, in order."""
    begun: list[tuple[str, Part]] = field(default_factory=list)
    """Name of the pod and what it began."""
    emptied: set[str] = field(default_factory=set)
    """Folders without checkpoints, for good."""
    wrong: list[str] = field(default_factory=list)
    """What must never happen."""
    held_up: bool = False
    """Nothing gets done as long as it is."""
    _at_work: set[str] = field(default_factory=set)

    async def keep(self, pod: Pod, told_to_end: asyncio.Event) -> Ended | None:
        """One pod, until its end; None where it was told to end."""
        assert pod.task is not None  # that is what makes it one
        part, folder = Part.of(pod.task), pod.env[Env.STORAGE_DIR]
        if folder in self._at_work:
            self.wrong.append(f"two housekeeping pods at once in {folder}")
        self._at_work.add(folder)
        self.begun.append((pod.name, part))
        mishaps = self.script.mishaps.get(part, ())
        mishap = mishaps[pod.attempt] if pod.attempt < len(mishaps) else None
        try:
            while self.held_up and not told_to_end.is_set():  # noqa: ASYNC110
                await asyncio.sleep(_PERIOD)
            async with asyncio.timeout(None if mishap is Mishap.HANGS else self.script.seconds):
                await told_to_end.wait()
            return None
        except TimeoutError:
            return self._end(pod, pod.task, mishap)
        finally:
            self._at_work.discard(folder)

    def began_training(self, folder: str | None) -> None:
        """A trainer that starts may look for checkpoints."""
        if folder in self.emptied:
            self.wrong.append(f"a trainer starts in {folder}, which was freed")

    def _end(self, pod: Pod, task: HousekeepingTask, mishap: Mishap | None) -> Ended:
        if mishap is Mishap.FAILS:
            return _ended(HousekeepingAnswer(error="the bucket is away"), 1)
        if mishap is Mishap.REFUSES:
            return _ended(HousekeepingAnswer(error="model: there is no such model"), ExitCode.BAD_CONFIGURATION)
        if mishap is Mishap.EVICTED:
            return Ended(End(137, None, "Error", pod_reason="Evicted", disruption="TerminationByKubelet"), "")
        answer = self._do(pod.env[Env.STORAGE_DIR], task)
        self.done.append((pod.name, task))
        return _ended(answer, 0) if mishap is None else Ended(End(), "")

    def _do(self, folder: str, task: HousekeepingTask) -> HousekeepingAnswer:
        for pruning in task.prune:
            place = f"{folder}/{pruning.episode}"
            self.stored.pop(place, None)
            self.emptied.add(place)
            if pruning.keep is None:
                self.emptied.add(f"{place}/best")
        if task.remove_all:
            for place in [place for place in self.stored if place.startswith(folder)]:
                del self.stored[place]
        if task.compare is not None:
            return HousekeepingAnswer(compared=compared(task.compare))
        if task.hand_over is None:
            return HousekeepingAnswer(parameters=PARAMETERS if task.warm_up else None)
        members = [member.episode for member in task.hand_over.average]
        for episode in (task.hand_over.episode, *members):
            if f"{folder}/{episode}/best" in self.emptied:
                self.wrong.append(f"the weights of {episode} are handed over, and were freed")
        exported = task.hand_over.export.uri if task.hand_over.export is not None else None
        average = Average(members=len(members), score=0.9, members_score=0.8, handed_over=True) if members else None
        return HousekeepingAnswer(weights=f"{folder}/best", test=TEST, exported=exported, average=average)


def compared(asked: Comparison) -> Compared:
    """Of every third loser nothing is known, and the others are told apart in turn."""
    places = range(len(asked.losers))
    return Compared(letters="".join((ALIKE, APART, UNKNOWN)[i % 3] for i in places), examples=100, level=0.05)


def _ended(answer: HousekeepingAnswer, code: int) -> Ended:
    end = End(code, reason="Completed" if code == 0 else "Error")
    return Ended(end, answer.model_dump_json(by_alias=True, exclude_defaults=True))
