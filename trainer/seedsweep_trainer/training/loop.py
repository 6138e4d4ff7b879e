"""The fine-tuning loop: one attempt of one episode, from its seeds or a checkpoint to its end. Reads top to bottom.

`timetable` says when it steps and evaluates, `batches` which examples a step takes, `step` what a step does to the
weights, `evaluation` what the model answers, and `checkpoints/saving` what is saved when.
"""

import json
import logging
import math
from threading import Event

import numpy as np
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep.api.provenance import Provenance
from seedsweep.contract.conditions import FILE as CONDITIONS
from seedsweep.contract.conditions import conditions_bytes
from seedsweep.contract.message import Outcome
from seedsweep.contract.training import Interval
from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder, Identity
from seedsweep_trainer.checkpoints.checkpoint import Progress, restore
from seedsweep_trainer.checkpoints.report_files import ReportFiles
from seedsweep_trainer.checkpoints.saving import CLOCK, Clock, Saver
from seedsweep_trainer.data import metrics
from seedsweep_trainer.data.tasks import TaskData
from seedsweep_trainer.determinism.fingerprint import (
    attention_of,
    config_digest,
    digest,
    fingerprint,
    passes_in_halves,
    prepare_torch,
    settled,
)
from seedsweep_trainer.determinism.generators import seed_all
from seedsweep_trainer.determinism.seeds import stream
from seedsweep_trainer.inputs import prepare_inputs
from seedsweep_trainer.model.fit import check_fit
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.model.origin import provenance
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.storage.location import open_folders
from seedsweep_trainer.training.batches import Batches
from seedsweep_trainer.training.evaluation import Evaluation
from seedsweep_trainer.training.step import Learner
from seedsweep_trainer.training.timetable import Timetable

log = logging.getLogger(__name__)


def train(attempt: Attempt, reporter: Reporter, terminated: Event, clock: Clock = CLOCK) -> Outcome:
    """Train until the episode is done, diverged, asked to stop, or `terminated` is set.

    Raises ConfigurationError for what a person has to change, and whatever else goes wrong.
    """
    config = attempt.config
    device = prepare_torch(config)
    with prepare_inputs(config, attempt.storage, attempt.work) as inputs:
        padding, data = inputs.padding, inputs.data
        timetable = Timetable.of(config, len(data.train))
        model, initialization = load_model(config, data, padding, attempt.weight_init, inputs.folder)
        origin = provenance(config, data, inputs.folder)
    check_fit(config, model, data)
    folder = checkpoint = None
    if attempt.checkpoints is not None:
        folder = AttemptFolder(
            open_folders(attempt.checkpoints, attempt.work), attempt.uid, identity(attempt, data, origin)
        )
        checkpoint = folder.resume()

    config = settled(config, device, checkpoint.precision if checkpoint is not None else None)
    conditions = fingerprint(config, device) | attention_of(model)
    log.info("fingerprint: %s", json.dumps(conditions))
    ReportFiles(attempt, reporter).write(CONDITIONS, conditions_bytes(conditions))
    learner = Learner(model.to(device), config, timetable)  # type: ignore[arg-type]  # of transformers' wrapper
    reporter.described(
        fingerprint=digest(conditions), data=data.digest, initialization=initialization, provenance=origin.to_text()
    )
    reporter.planned(
        evaluations=timetable.evaluations,
        steps=timetable.steps,
        baseline=data.baseline,
        baseline_error=data.baseline_error,
    )

    seed_all(stream("dropout", attempt.data_order if config.dropout_seed is None else config.dropout_seed))
    progress = Progress()
    if checkpoint is not None:
        restore(checkpoint, learner)
        progress = checkpoint.progress
        reporter.resumed(step=progress.step, scores=progress.scores, losses=progress.losses)

    batches = Batches(data.train, padding, config, attempt.data_order, halves=passes_in_halves(device))
    tokens, began = 0, clock.now()
    validation = Evaluation(data.validation, padding, config.evaluation_batch_size)
    with Saver(attempt, data, folder, reporter, clock) as saver:
        while progress.step < timetable.steps and not reporter.should_stop:
            if terminated.is_set():
                saver.interrupted(learner, progress)
                return Outcome.INTERRUPTED
            epoch, position = divmod(progress.step, timetable.steps_per_epoch)
            if model.training != (drops_out := _drops_out(config, position)):
                model.train(drops_out)
            passes = batches.of(epoch, position)
            learner.update(progress.step, passes)
            tokens += sum(int(batch["attention_mask"].sum()) for batch in passes)
            reporter.measured(learning_rate=learner.learning_rate, tokens=tokens)
            progress = progress.stepped()
            reporter.stepped(progress.step)
            if progress.step == timetable.step_of(progress.evaluation + 1):
                if not learner.is_finite():
                    log.warning("diverged: loss or weights are not finite at evaluation %d", progress.evaluation + 1)
                    return Outcome.DIVERGED
                trained = clock.now()
                outputs = validation.outputs(model, learner.autocast)
                if device.type == "cuda":
                    reporter.measured(gpu_memory_bytes=torch.cuda.max_memory_allocated(device))
                score, loss = _scores(data, outputs)
                before, progress = progress, progress.evaluated(score, loss, float(learner.loss_sum))
                took = trained - began, clock.now() - trained
                _say(progress, timetable)
                saver.scored(progress, outputs, _interval(before, progress, timetable, took))
                reporter.evaluated(step=progress.step, score=score, loss=loss)
                saver.evaluated(learner, progress, outputs)
                began = clock.now()
            else:
                saver.stepped(learner, progress)
    return Outcome.DONE if progress.step == timetable.steps else Outcome.STOPPED


def _drops_out(config: FineTuning, position: int) -> bool:
    """Whether dropout acts in the step at this position (from 0) of an epoch.

    In recipe dodge2020 in the first one only: the authors' loop turned it on as an epoch began, evaluated after the
    epoch's first step, and did not turn it on again.
    """
    return config.recipe == "stable" or position == 0


def _scores(data: TaskData, outputs: np.ndarray) -> tuple[float, float]:
    """The metric and the loss of a model's outputs for the validation examples."""
    labels = data.validation.labels
    return (
        metrics.score(data.metric.name, outputs, labels, data.positive),
        metrics.score("loss", outputs, labels),
    )


def _interval(before: Progress, now: Progress, timetable: Timetable, took: tuple[float, float]) -> Interval:
    """The evaluation just made; `took`: seconds of the steps before it and of itself."""
    loss = (now.loss_sum - before.loss_sum) / (now.step - timetable.step_of(before.evaluation))
    return Interval(now.evaluation, now.step, loss if math.isfinite(loss) else None, *took)


def _say(progress: Progress, timetable: Timetable) -> None:
    score, loss = progress.scores[-1], progress.losses[-1]
    place = f"evaluation {progress.evaluation}/{timetable.evaluations}, step {progress.step}/{timetable.steps}"
    log.info("%s: score %.6g, loss %.6g", place, score, loss)


def identity(attempt: Attempt, data: TaskData, origin: Provenance) -> Identity:
    """What a checkpoint must agree in, to be continued by this attempt: all that the arithmetic follows from."""
    return {
        "weightInit": attempt.weight_init,
        "dataOrder": attempt.data_order,
        "config": config_digest(attempt.config),
        "data": data.digest,
        "baseWeights": origin.base_weights or "",
    }
