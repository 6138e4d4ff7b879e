"""What of an episode is written down after which evaluation, while training goes on."""

import csv
import io
import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Self

import numpy as np

from seedsweep.api.episode import BestEvaluation
from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder, Best
from seedsweep_trainer.checkpoints.checkpoint import Checkpoint, Learner, Progress, copy_weights, take
from seedsweep_trainer.data.tasks import Part, TaskData
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter


class Saver:
    """Keeps checkpoints and best weights in the episode's folder; without one, nothing.

    Copies are taken at once and written by a thread of its own, one after the other. A write that fails raises its
    error at the next one. As a context manager, it returns once everything is on disk.
    """

    def __init__(self, attempt: Attempt, data: TaskData, folder: AttemptFolder | None, reporter: Reporter) -> None:
        self._attempt = attempt
        self._data = data
        self._folder = folder
        self._reporter = reporter
        self._executor = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[None] | None = None
        self._saved = Progress()

    def evaluated(self, learner: Learner, progress: Progress, outputs: np.ndarray) -> None:
        """Keep what this evaluation makes worth keeping; `outputs` are the model's for the validation examples."""
        if self._folder is None:
            return
        evaluation = progress.evaluation
        improved = best_evaluation(progress.scores, self._data.metric.goal) == evaluation
        checkpoint = take(learner, progress) if self._is_due(evaluation) else None
        best = None
        if improved:
            weights = checkpoint.weights if checkpoint is not None else copy_weights(learner.model)
            table = predictions(self._data.validation, outputs, self._data.id2label)
            best = Best(evaluation, progress.step, progress.scores[-1], weights, table)
        self._write(self._folder, best, checkpoint, evaluation)

    def interrupted(self, learner: Learner, progress: Progress) -> None:
        """Keep a checkpoint of this moment."""
        if self._folder is not None and progress != self._saved:
            self._write(self._folder, None, take(learner, progress), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._executor.shutdown()
        if kind is None:
            self._wait()

    def _is_due(self, evaluation: int) -> bool:
        every = self._attempt.config.checkpoint_every_evaluations
        return evaluation % every == 0 or evaluation in (*self._attempt.rungs, self._attempt.stop_after)

    def _write(
        self, folder: AttemptFolder, best: Best | None, checkpoint: Checkpoint | None, evaluation: int | None
    ) -> None:
        # At most one copy of the weights waits to be written.
        self._wait()

        def write() -> None:
            if best is not None:
                folder.write_best(best)
            if evaluation in self._attempt.rungs:
                folder.pass_rung(evaluation)
            if checkpoint is not None:
                folder.write_checkpoint(checkpoint)
                self._reporter.checkpointed(checkpoint.progress.evaluation)

        if checkpoint is not None:
            self._saved = checkpoint.progress
        self._pending = self._executor.submit(write)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()


def best_evaluation(scores: Sequence[float], goal: Literal["maximize", "minimize"]) -> int | None:
    """The evaluation (from 1) that the sweep, too, takes for the best; None where all are undefined (NaN)."""
    known = [None if math.isnan(score) else score for score in scores]
    best = BestEvaluation.of(known, (), len(known), maximize=goal == "maximize")
    return best.evaluation if best is not None else None


def predictions(part: Part, outputs: np.ndarray, id2label: dict[int, str]) -> str:
    """CSV with a line per example: its row in the source, its label, and the model's outputs by label."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["row", "label", *id2label.values()])
    for row, label, values in zip(part.rows.tolist(), part.labels.tolist(), outputs.tolist(), strict=True):
        writer.writerow([row, label, *values])
    return table.getvalue()
