"""The fine-tuning loop: one attempt of one episode, from its seeds or a checkpoint to its end. Reads top to bottom."""

import json
import logging
from threading import Event

import numpy as np

from seedsweep.api.finetuning import FineTuning
from seedsweep.api.provenance import Provenance
from seedsweep.contract.protocol import Outcome
from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder, Identity
from seedsweep_trainer.checkpoints.checkpoint import Progress, restore
from seedsweep_trainer.checkpoints.saving import Saver
from seedsweep_trainer.data import metrics
from seedsweep_trainer.data.tasks import TaskData
from seedsweep_trainer.determinism.fingerprint import config_digest, digest, fingerprint, prepare_torch
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
from seedsweep_trainer.training.learner import Learner
from seedsweep_trainer.training.timetable import Timetable

log = logging.getLogger(__name__)


def train(attempt: Attempt, reporter: Reporter, terminated: Event) -> Outcome:
    """Train until the episode is done, diverged, asked to stop, or `terminated` is set.

    Raises ConfigurationError for what a person has to change, and whatever else goes wrong.
    """
    config = attempt.config
    device = prepare_torch(config)
    conditions = fingerprint(config, device)
    log.info("fingerprint: %s", json.dumps(conditions))

    with prepare_inputs(config, attempt.storage, attempt.work) as inputs:
        padding, data = inputs.padding, inputs.data
        timetable = Timetable.of(config, len(data.train))
        model, initialization = load_model(config, data, padding, attempt.weight_init, inputs.folder)
        origin = provenance(config, data, inputs.folder)
    check_fit(config, model, padding, data)
    learner = Learner(model.to(device), config, timetable)  # type: ignore[arg-type]  # of transformers' wrapper
    reporter.described(
        fingerprint=digest(conditions), data=data.digest, initialization=initialization, provenance=origin.to_text()
    )
    reporter.planned(evaluations=timetable.evaluations, steps=timetable.steps, baseline=data.baseline)

    seed_all(stream("dropout", attempt.data_order if config.dropout_seed is None else config.dropout_seed))
    folder = None
    if attempt.checkpoints is not None:
        folder = AttemptFolder(
            open_folders(attempt.checkpoints, attempt.work), attempt.uid, identity(attempt, data, origin)
        )
    progress = Progress()
    if folder is not None and (checkpoint := folder.resume()) is not None:
        restore(checkpoint, learner)
        progress = checkpoint.progress
        reporter.resumed(step=progress.step, scores=progress.scores, losses=progress.losses)

    batches = Batches(data.train, padding, config, attempt.data_order)
    validation = Evaluation(data.validation, padding, config.evaluation_batch_size)
    with Saver(attempt, data, folder, reporter) as saver:
        while progress.step < timetable.steps and not reporter.should_stop:
            if terminated.is_set():
                saver.interrupted(learner, progress)
                return Outcome.INTERRUPTED
            epoch, position = divmod(progress.step, timetable.steps_per_epoch)
            if model.training != (drops_out := _drops_out(config, position)):
                model.train(drops_out)
            learner.update(progress.step, batches.of(epoch, position))
            progress = progress.stepped()
            reporter.stepped(progress.step)
            if progress.step == timetable.step_of(progress.evaluation + 1):
                if not learner.is_finite():
                    log.warning("diverged: loss or weights are not finite at evaluation %d", progress.evaluation + 1)
                    return Outcome.DIVERGED
                outputs = validation.outputs(model, learner.autocast)
                score, loss = _scores(data, outputs)
                progress = progress.evaluated(score, loss)
                _say(progress, timetable)
                reporter.evaluated(step=progress.step, score=score, loss=loss)
                saver.evaluated(learner, progress, outputs)
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
