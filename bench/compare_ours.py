"""SeedSweep behind the clock: the engine's `plan`, turn by turn, as the runner and the operator call it.

Time stands still for the engine: nothing fails, hangs or waits for capacity here, so only the order of events counts.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from compare_clock import Answer
from compare_curves import Curves
from seedsweep.api.episode import EndReason, EpisodeId
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import StartEpisode, StopAttempt
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Ending, Reading
from seedsweep.engine.plan import plan
from world_in_memory import WorldInMemory

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Engine(WorldInMemory):
    """A sweep over the first episodes of a draw."""

    def __init__(self, curves: Curves, episodes: int, workers: int, stopping: dict[str, Any] | None) -> None:
        self.curves = curves
        self.ids = [EpisodeId(int(w), int(d)) for w, d in curves.seeds[:episodes]]
        self.number = {episode: i for i, episode in enumerate(self.ids)}
        super().__init__(Layout.of(_sweep(self.ids, curves.evaluations, workers, stopping)), workers)
        self.rungs = self.layout.rung_evaluations(curves.evaluations)
        self.finished = False
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._turns()

    def next_start(self) -> int | None:
        """The next attempt that the engine has decided to start."""
        return self._starts.pop(0) if self._starts else None

    def report(self, episode: int, evaluation: int, score: float) -> Answer:
        """The attempt publishes; where its training ends here, it ends."""
        identity = self.ids[episode]
        attempt = self.attempts[identity]
        assert attempt.reading is not None  # every attempt starts with one
        ending = None
        if evaluation == self.curves.evaluations:
            ending = Ending(EndReason.DONE, NOW, exit_code=0)
        elif evaluation == attempt.stop_after:
            ending = Ending(EndReason.STOPPED_AT_RUNG, NOW, exit_code=0)
        reading = self._reading(episode, evaluation, attempt.reading.steps_at_start)
        assert reading.scores[-1] == score
        self.attempts[identity] = replace(attempt, reading=reading, progressed=NOW, ending=ending)
        if ending is not None or evaluation in self.rungs[self.layout.bracket_of[identity]]:
            # What comes between rungs is on record at the next turn, and decides nothing.
            self._turns()
        return Answer.GO_ON if ending is None else Answer.LEAVE

    def to_end(self) -> Collection[int]:
        """Attempts that the engine has decided to stop."""
        ends, self._ends = self._ends, []
        return ends

    def found(self, trained: Sequence[int]) -> float:
        """The result as the sweep's status has it: what was trained past a lost rung does not count."""
        assert self.finished
        assert self.status.best is not None
        assert self.status.best.score is not None
        return self.status.best.score

    def kept(self, trained: Sequence[int]) -> Collection[int]:
        """Those that survived every cut."""
        verdicts = {episode: status.verdict for episode, status in self.records.items()}
        return [self.number[e] for e, verdict in verdicts.items() if verdict and verdict.outcome == "Finished"]

    def _turns(self) -> None:
        """Turns of the loop until the engine waits for news."""
        waits = False
        while not (waits or self.finished):
            todo = plan(self.layout, self.observe(), NOW)
            self.carry_out(todo, NOW, self._first_reading)
            self._starts += [self.number[d.episode] for d in todo.decisions if isinstance(d, StartEpisode)]
            self._ends += [self.number[d.episode] for d in todo.decisions if isinstance(d, StopAttempt)]
            self.finished = todo.finished
            waits = not todo.decisions and todo.look_again_in != timedelta(0)

    def _first_reading(self, episode: EpisodeId, done: int) -> Reading:
        return self._reading(self.number[episode], done, (0, *self.curves.steps)[done])

    def _reading(self, episode: int, done: int, steps_at_start: int) -> Reading:
        return Reading(
            scores=tuple(map(float, self.curves.scores[episode, :done])),
            losses=tuple(map(float, self.curves.losses[episode, :done])),
            evaluations_planned=self.curves.evaluations,
            steps_done=(0, *self.curves.steps)[done],
            steps_planned=self.curves.steps[-1],
            steps_at_start=steps_at_start,
            checkpoint=done,
            level="L3",
            fingerprint="replay",
        )


def _sweep(ids: Sequence[EpisodeId], evaluations: int, workers: int, stopping: dict[str, Any] | None) -> SeedSweep:
    fine_tuning = {
        "model": "example/encoder",
        "dataset": {"train": "train.csv", "validation": "validation.csv"},
        "metric": {"name": "accuracy", "goal": "maximize"},
        "epochs": 1,
        "evaluationsPerEpoch": evaluations,
    }
    spec = {
        "seeds": {"pairs": [{"weightInit": e.weight_init, "dataOrder": e.data_order} for e in ids]},
        "parallelism": workers,
        "earlyStopping": stopping,
        "trainer": {"fineTuning": fine_tuning},
    }
    document = {
        "apiVersion": "seedsweep.io/v1alpha1",
        "kind": "SeedSweep",
        "metadata": {"name": "replay"},
        "spec": spec,
    }
    return SeedSweep.model_validate(document)
