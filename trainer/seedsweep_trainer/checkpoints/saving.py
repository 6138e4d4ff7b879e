"""What of an episode is written down and when, while training goes on.

A whole checkpoint at the evaluations that the sweep asks for one (a rung, the last one of an attempt that stops there)
and on SIGTERM, else as often as its cost allows (pace.py). The best weights wait in memory for the next write, or for
the end. A crash loses what came after the last checkpoint: the next attempt trains it again, to the same bits.
"""

import csv
import io
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch

from seedsweep.contract.training import Interval
from seedsweep_trainer.checkpoints.answers import AnswerFiles, best_evaluation
from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder, Best
from seedsweep_trainer.checkpoints.checkpoint import Checkpoint, Learner, Progress, state_of, weights_of
from seedsweep_trainer.checkpoints.host_copy import HostCopies, HostCopy
from seedsweep_trainer.checkpoints.pace import Spent, is_due
from seedsweep_trainer.checkpoints.report_files import ReportFiles
from seedsweep_trainer.checkpoints.training_file import TrainingFile
from seedsweep_trainer.data.tasks import Part, TaskData
from seedsweep_trainer.determinism.fingerprint import precision_name
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter

log = logging.getLogger(__name__)


class Clock(NamedTuple):
    """Readings in seconds."""

    now: Callable[[], float] = time.monotonic
    processor: Callable[[], float] = time.process_time
    """Of the processor's time that this process has used."""
    writer: Callable[[], float] = time.thread_time
    """And of it the calling thread."""

    def spent(self) -> Spent:
        """Since some moment in the past."""
        return Spent(self.now(), self.processor())


CLOCK = Clock()


@dataclass(frozen=True, slots=True)
class _Best:
    progress: Progress
    weights: HostCopy
    outputs: np.ndarray
    """The model's, for the validation examples."""


@dataclass(frozen=True, slots=True)
class _State:
    progress: Progress
    weights: HostCopy
    rest: HostCopy
    precision: str


class Saver:
    """Keeps checkpoints and best weights in the episode's folder; without one, nothing.

    Copies are taken at once and written by a thread of its own, one after the other. A write that fails raises its
    error after one of the next steps. As a context manager, it returns once everything is on disk.
    """

    def __init__(
        self, attempt: Attempt, data: TaskData, folder: AttemptFolder | None, reporter: Reporter, clock: Clock
    ) -> None:
        self._attempt = attempt
        self._data = data
        self._folder = folder
        self._reporter = reporter
        self._clock = clock
        files = ReportFiles(attempt, reporter)
        self._answers = AnswerFiles(files, data, attempt.rungs)
        self._training = TrainingFile(files)
        self._executor = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[None] | None = None
        self._copies: HostCopies | None = None
        self._best: _Best | None = None
        """Not given to the writer yet."""
        self._saved = Progress()
        self._saved_at = clock.spent()
        self._cost = Spent()
        """Of the last checkpoint."""

    def stepped(self, learner: Learner, progress: Progress) -> None:
        """Keep a checkpoint after a step that no evaluation follows, if one is due."""
        if self._folder is not None and self._is_due():
            self._save(self._folder, learner, progress)

    def scored(self, progress: Progress, outputs: np.ndarray, interval: Interval) -> None:
        """Keep what has to be on disk before this evaluation's score is told."""
        self._training.add(interval)
        self._answers.scored(progress, outputs)
        if progress.evaluation in self._attempt.rungs:
            self._training.write()

    def evaluated(self, learner: Learner, progress: Progress, outputs: np.ndarray) -> None:
        """Keep what this evaluation makes worth keeping; `outputs` are the model's for the validation examples."""
        if self._folder is None:
            return
        evaluation, asked = progress.evaluation, self._attempt
        if best_evaluation(progress.scores, self._data.metric.goal) == evaluation:
            self._hold(_Best(progress, self._copy(learner, weights_of(learner.model)), outputs))
        rung = evaluation if evaluation in asked.rungs else None
        if evaluation == asked.config.evaluations:
            # Nobody trains on from here.
            self._wait()
            self._write(self._folder, None, rung)
        elif rung is not None or evaluation == asked.stop_after or self._is_due():
            self._save(self._folder, learner, progress, rung)

    def interrupted(self, learner: Learner, progress: Progress) -> None:
        """Keep a checkpoint of this moment."""
        if self._folder is not None and progress != self._saved:
            self._save(self._folder, learner, progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # An error under way is not to be hidden by another.
        settle = self._wait if kind is None else self._log_failure
        try:
            settle()
            if self._folder is not None and self._best is not None:
                self._write(self._folder, None, None)
        finally:
            self._executor.shutdown()
            self._training.write()
        settle()

    def _is_due(self) -> bool:
        if self._pending is not None:
            if not self._pending.done():
                return False
            self._wait()
        now, then = self._clock.spent(), self._saved_at
        return is_due(Spent(now.time - then.time, now.processor - then.processor), self._cost)

    def _save(self, folder: AttemptFolder, learner: Learner, progress: Progress, rung: int | None = None) -> None:
        began = self._clock.now()
        # At most one checkpoint waits to be written.
        self._wait()
        if self._best is not None and self._best.progress == progress:
            weights = self._best.weights
        else:
            weights = self._copy(learner, weights_of(learner.model))
        rest = self._copy(learner, state_of(learner))
        state = _State(progress, weights, rest, precision_name(learner.autocast))
        self._saved, self._saved_at = progress, self._clock.spent()
        self._cost = Spent(self._saved_at.time - began)
        self._write(folder, state, rung)

    def _hold(self, best: _Best) -> None:
        if self._best is not None and self._copies is not None:
            self._copies.give_back(self._best.weights)
        self._best = best

    def _copy(self, learner: Learner, tensors: Mapping[str, torch.Tensor]) -> HostCopy:
        if self._copies is None:
            self._copies = HostCopies(learner.model.device)
        copy = self._copies.take(tensors)
        learner.change_nothing_before(copy.ready)
        return copy

    def _write(self, folder: AttemptFolder, state: _State | None, rung: int | None) -> None:
        best, self._best = self._best, None

        def write() -> None:
            began = self._clock.writer()
            self._training.write()
            if best is not None:
                folder.write_best(self._described(best))
                self._answers.write_best(best.progress.evaluation, best.outputs)
            if rung is not None:
                folder.pass_rung(rung)
            if state is not None:
                weights, rest = state.weights.wait(), state.rest.wait()
                folder.write_checkpoint(Checkpoint(state.progress, weights, rest, state.precision))
                self._reporter.checkpointed(state.progress.evaluation)
                self._cost = self._cost._replace(processor=self._taken_from_training(began))
            self._give_back(best, state)

        self._pending = self._executor.submit(write)

    def _described(self, best: _Best) -> Best:
        progress, weights = best.progress, best.weights.wait()
        table = predictions(self._data.validation, best.outputs, self._data.id2label)
        return Best(progress.evaluation, progress.step, progress.scores[-1], weights, table)

    def _taken_from_training(self, began: float) -> float:
        """Seconds of the processor: where a GPU trains, they are no loss."""
        trains_on_cpu = self._copies is None or not self._copies.of_a_gpu
        return self._clock.writer() - began if trains_on_cpu else 0.0

    def _give_back(self, best: _Best | None, state: _State | None) -> None:
        used = {*([best.weights] if best is not None else []), *([state.weights, state.rest] if state else [])}
        for copy in used:
            if self._copies is not None:
                self._copies.give_back(copy)

    def _log_failure(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None and (error := pending.exception()) is not None:
            log.warning("the last checkpoint or best weights could not be written: %s", error)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()


def predictions(part: Part, outputs: np.ndarray, id2label: dict[int, str]) -> str:
    """CSV with a line per example: its row in the source, its label, and the model's outputs by label.

    A label is the class's name, as those of the outputs are: ids would be taken for classes that are called 0, 1, ...
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["row", "label", *id2label.values()])
    for row, label, values in zip(part.rows.tolist(), part.labels.tolist(), outputs.tolist(), strict=True):
        writer.writerow([row, id2label[label] if isinstance(label, int) else label, *values])
    return table.getvalue()
