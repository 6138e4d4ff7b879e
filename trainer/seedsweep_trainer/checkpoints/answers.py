"""What the model answered to each validation example, for reports that compare episodes example by example.

The files outlive the weights, which go with whoever loses: those of the best evaluation up to each rung and at each
rung, and those of the best of all. They are few and small, about 9 bytes an example.
"""

import math
from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Literal

import numpy as np

from seedsweep.api.episode import BestEvaluation
from seedsweep.contract.predictions import Predictions, predictions_path
from seedsweep_trainer.checkpoints.checkpoint import Progress
from seedsweep_trainer.checkpoints.report_files import ReportFiles
from seedsweep_trainer.data.tasks import TaskData

LATEST = 3
"""Best evaluations beside those of rungs whose answers stay. The best of a failed episode is that of its last
checkpoint: at most two were written since, one with a checkpoint that failed and one at the end."""


class AnswerFiles:
    """Writes them among what an attempt leaves to reports."""

    def __init__(self, files: ReportFiles, data: TaskData, rungs: Sequence[int]) -> None:
        """`rungs`: the evaluations at which a cut is made."""
        self._files = files
        self._data = data
        self._rungs = rungs
        self._best: tuple[int, np.ndarray] | None = None
        """The best evaluation of this attempt so far, and the model's outputs there."""
        self._of_rungs: set[int] = set()
        """Evaluations whose answers are to stay."""
        self._written: set[int] = set()
        self._latest: deque[int] = deque()
        """Best evaluations that were written, the latest last."""
        self._writing = Lock()

    def scored(self, progress: Progress, outputs: np.ndarray) -> None:
        """Take in an evaluation before its score is told: whoever loses by a score at a rung is ended at once."""
        evaluation = progress.evaluation
        if best_evaluation(progress.scores, self._data.metric.goal) == evaluation:
            self._best = evaluation, outputs
        if evaluation not in self._rungs:
            return
        with self._writing:
            if self._best is not None:
                self._write_of_rung(*self._best)
            if not math.isnan(progress.scores[-1]):
                self._write_of_rung(evaluation, outputs)

    def write_best(self, evaluation: int, outputs: np.ndarray) -> None:
        """Write those of the best evaluation so far, in place of those of one long before; from any thread."""
        with self._writing:
            if not self._write(evaluation, outputs):
                return
            self._latest.append(evaluation)
            if len(self._latest) > LATEST and (former := self._latest.popleft()) not in self._of_rungs:
                self._files.remove(predictions_path(former))
                self._written.discard(former)

    def _write_of_rung(self, evaluation: int, outputs: np.ndarray) -> None:
        self._of_rungs.add(evaluation)
        self._write(evaluation, outputs)

    def _write(self, evaluation: int, outputs: np.ndarray) -> bool:
        """Whether they are there: what a storage refused a moment ago it may take now."""
        if evaluation not in self._written:
            found = answers(self._data, evaluation, outputs)
            if not self._files.write(found.path, found.to_bytes()):
                return False
            self._written.add(evaluation)
        return True


def best_evaluation(scores: Sequence[float], goal: Literal["maximize", "minimize"]) -> int | None:
    """The evaluation (from 1) that the sweep, too, takes for the best; None where all are undefined (NaN)."""
    known = [None if math.isnan(score) else score for score in scores]
    best = BestEvaluation.of(known, (), len(known), maximize=goal == "maximize")
    return best.evaluation if best is not None else None


def answers(data: TaskData, evaluation: int, outputs: np.ndarray) -> Predictions:
    """What the model says of each validation example: the class with the largest logit, or the value."""
    part = data.validation
    said = outputs[:, 0] if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    columns = (part.rows.tolist(), part.labels.tolist(), said.tolist())
    return Predictions(evaluation, data.metric.name, data.positive, *columns)
