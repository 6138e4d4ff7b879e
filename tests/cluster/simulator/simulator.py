"""Simulated trainers for every episode's pod: they publish, save, resume, stop and fail as their script has it."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kubernetes.aio.client.api_client import ApiClient

from cluster.simulator.chores import SimulatedHousekeepers
from cluster.simulator.course import Course
from cluster.simulator.exporter import exporter
from cluster.simulator.exposition import gauges_body, metrics_body
from cluster.simulator.faults import Quirk
from cluster.simulator.hostile import Answer, lying, plain
from cluster.simulator.kubelet import Ended, Kubelet, running
from cluster.simulator.podapi import PodApi
from cluster.simulator.pods import Pod
from cluster.simulator.record import Record
from cluster.simulator.script import Script
from engine.cases import BASELINE, BASELINE_ERROR
from seedsweep.contract.message import Message, Outcome, TrainerInfo, encode_message
from seedsweep.contract.protocol import DEFAULT_METRICS_PORT, Env
from seedsweep.kube.objects.names import LABEL_SWEEP

_SILENT = frozenset({Quirk.MUTE, Quirk.UNREACHABLE})


@dataclass(frozen=True, slots=True)
class SimulatedTrainer:
    """One attempt, and what it tells of its course."""

    pod: Pod
    course: Course

    def message(self, elapsed: float, outcome: Outcome = Outcome.RUNNING, explanation: str = "") -> Message:
        """What it has to tell after so many seconds."""
        behaviour, done = self.course.behaviour, self.course.evaluations(elapsed)
        losses = behaviour.curve.losses
        return Message(
            info=TrainerInfo(self.pod.episode.name, self.pod.uid, level=behaviour.level, fingerprint="simulated"),
            outcome=outcome,
            evaluations_planned=behaviour.evaluations,
            steps_done=self.course.steps(elapsed),
            steps_planned=behaviour.evaluations * behaviour.steps_per_evaluation,
            steps_at_start=self.course.steps_at_start,
            checkpoint=self.course.checkpoint(elapsed),
            diverged_at=done + 1 if outcome is Outcome.DIVERGED else None,
            baseline=BASELINE,
            baseline_error=BASELINE_ERROR,
            scores=behaviour.curve.scores[:done],
            losses=losses[:done] if losses is not None else None,
            reason=explanation,
        )

    def answer(self, elapsed: float) -> Answer:
        """To a scrape."""
        truth, lie, gauges = self.message(elapsed), self.course.lie(elapsed), self.course.behaviour.gauges
        if lie is not None:
            return lying(lie, truth)
        if gauges is not None:
            return plain(gauges_body(gauges, truth, self.course.progress(elapsed)))
        return plain(metrics_body(truth))

    def ended(self) -> Ended:
        """Its end, and its last words."""
        end = self.course.end
        # A trainer that knows no more of the contract than two gauges leaves no message.
        if end.outcome is None or self.course.behaviour.gauges is not None:
            return Ended(end, "")
        last = self.message(self.course.duration, end.outcome, end.explanation)
        return Ended(end, encode_message(last).decode())


@dataclass
class SimulatedTrainers:
    """All attempts of a cluster, and what they have stored."""

    script: Script
    record: Record = field(default_factory=Record)
    stored: dict[str, int] = field(default_factory=dict)
    """By checkpoint folder: the furthest evaluation with a durable checkpoint."""
    let_in: str = ""
    """With what the names of those begin whom a network policy lets read metrics."""
    housekeepers: SimulatedHousekeepers = field(init=False)

    def __post_init__(self) -> None:
        self.housekeepers = SimulatedHousekeepers(self.script.chores, self.stored)

    def pullable(self, pod: Pod) -> bool:
        """See Trainers."""
        return Quirk.UNPULLABLE not in self.script.behaviour(pod.episode, pod.attempt).quirks

    async def train(self, pod: Pod, told_to_end: asyncio.Event) -> Ended | None:
        """See Trainers."""
        if pod.task is not None:
            return await self.housekeepers.keep(pod, told_to_end)
        self.housekeepers.began_training(pod.env.get(Env.CHECKPOINT_DIR))
        trainer = SimulatedTrainer(pod, self._course(pod))
        course = trainer.course
        clock = asyncio.get_running_loop().time
        start, stopped = clock(), True
        async with self._listening(trainer, lambda: clock() - start):
            attempt = self.record.began(pod, course.steps_at_start)
            try:
                stopped = await _happens(told_to_end, within=course.duration)
            finally:
                elapsed = min(clock() - start, course.duration) if stopped else course.duration
                attempt.conclude(course, elapsed)
                self._store(pod, course.checkpoint(elapsed))
                self.record.note(pod, "was told to end" if stopped else f"ended with exit code {course.end.exit_code}")
        return None if stopped else trainer.ended()

    @asynccontextmanager
    async def _listening(self, trainer: SimulatedTrainer, elapsed: Callable[[], float]) -> AsyncIterator[None]:
        pod = trainer.pod
        if trainer.course.behaviour.quirks & _SILENT:
            yield
            return
        assert pod.ip is not None  # a kubelet starts nothing without
        port = int(pod.env.get(Env.METRICS_PORT) or DEFAULT_METRICS_PORT)
        async with exporter(pod.ip, port, lambda: trainer.answer(elapsed()), self.let_in):
            yield

    def _course(self, pod: Pod) -> Course:
        behaviour = self.script.behaviour(pod.episode, pod.attempt)
        folder = pod.env.get(Env.CHECKPOINT_DIR)
        if folder and Quirk.LOSES_CHECKPOINT in behaviour.quirks:
            self.stored.pop(folder, None)
        stop_after = pod.env.get(Env.STOP_AFTER)
        return Course(
            behaviour=behaviour,
            start=self.stored.get(folder, 0) if folder and behaviour.resumes else 0,
            stop_after=int(stop_after) if stop_after else None,
            rungs=frozenset(int(rung) for rung in pod.env.get(Env.RUNGS, "").split(",") if rung),
            stored=bool(folder),
        )

    def _store(self, pod: Pod, evaluation: int) -> None:
        folder = pod.env.get(Env.CHECKPOINT_DIR)
        if folder:
            self.stored[folder] = max(evaluation, self.stored.get(folder, 0))


async def _happens(event: asyncio.Event, within: float) -> bool:
    try:
        async with asyncio.timeout(None if math.isinf(within) else within):
            await event.wait()
    except TimeoutError:
        return False
    return True


@asynccontextmanager
async def simulate(client: ApiClient, script: Script, namespace: str | None = None) -> AsyncIterator[SimulatedTrainers]:
    """Play the trainers of all episodes, of one namespace or of all, within this context."""
    trainers = SimulatedTrainers(script)
    async with running(Kubelet(PodApi(client, namespace, LABEL_SWEEP), trainers)):
        yield trainers
