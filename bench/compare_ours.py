"""SeedSweep behind the clock: the engine's `plan`, turn by turn, as the runner and the operator call it.

Time stands still for the engine: nothing fails, hangs or waits for capacity here, so only the order of events counts.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from compare_clock import Answer
from compare_curves import Curves
from seedsweep.api.cut import CutData
from seedsweep.api.episode import EndReason, EpisodeId, EpisodeStatus
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import Plan, RecordCut, StartEpisode, StopAttempt
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Ending, HandOverOutcome, Observation, Reading, SeenAttempt
from seedsweep.engine.plan import plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Engine:
    """A sweep over the first episodes of a draw."""

    def __init__(self, curves: Curves, episodes: int, workers: int, stopping: dict[str, Any] | None) -> None:
        self.curves, self.places = curves, workers
        self.ids = [EpisodeId(int(w), int(d)) for w, d in curves.seeds[:episodes]]
        self.number = {episode: i for i, episode in enumerate(self.ids)}
        self.layout = Layout.of(_sweep(self.ids, curves.evaluations, workers, stopping))
        self.rungs = self.layout.rung_evaluations(curves.evaluations)
        self.records: dict[EpisodeId, EpisodeStatus] = {}
        self.cuts: dict[tuple[int, int], CutData] = {}
        self.attempts: dict[EpisodeId, SeenAttempt] = {}
        self.status = SweepStatus()
        self.finished = False
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._outcome: HandOverOutcome | None = None
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
            todo = plan(self.layout, self._observe(), NOW)
            self._apply(todo)
            self.finished = todo.finished
            waits = not todo.decisions and todo.look_again_in != timedelta(0)

    def _observe(self) -> Observation:
        return Observation(
            status=self.status,
            episodes=dict(self.records),
            cuts=dict(self.cuts),
            attempts=tuple(self.attempts.values()),
            parallelism=self.places,
            hand_over=self._outcome,
        )

    def _apply(self, todo: Plan) -> None:
        for record in todo.records:
            if isinstance(record, RecordCut):
                self.cuts[record.cut.bracket, record.cut.rung] = record.cut
            else:
                self.records[record.episode] = record.status
        on_record = {a.uid for status in self.records.values() for a in status.attempts if a.reason is not None}
        self.attempts = {e: a for e, a in self.attempts.items() if a.uid not in on_record}
        for decision in todo.decisions:
            if isinstance(decision, StartEpisode):
                self._start(decision)
            elif isinstance(decision, StopAttempt):
                attempt = self.attempts[decision.episode]
                self.attempts[decision.episode] = replace(attempt, ending=Ending(EndReason.INTERRUPTED, NOW))
                self._ends.append(self.number[decision.episode])
        self.status = todo.status
        if todo.status.phase == "Concluding" and todo.status.best is not None:
            self._outcome = HandOverOutcome(todo.status.best.episode)

    def _start(self, decision: StartEpisode) -> None:
        episode = self.number[decision.episode]
        done = len(self.records[decision.episode].scores) if decision.episode in self.records else 0
        self.attempts[decision.episode] = SeenAttempt(
            episode=decision.episode,
            uid=f"{decision.episode.name}-{decision.attempt}",
            created=NOW,
            bound=NOW,
            stop_after=decision.stop_after,
            reading=self._reading(episode, done, (0, *self.curves.steps)[done]),
        )
        self._starts.append(episode)

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
