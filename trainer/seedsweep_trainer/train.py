"""The fine-tuning loop: one attempt of one episode, from its seeds or a checkpoint to its end. Reads top to bottom."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Event

import numpy as np
from transformers import PreTrainedTokenizerBase

from seedsweep.api.finetuning import FineTuning
from seedsweep.api.provenance import Provenance
from seedsweep.contract.protocol import Outcome
from seedsweep_trainer import metrics
from seedsweep_trainer.attempt import Attempt, parse_config
from seedsweep_trainer.batches import Batches
from seedsweep_trainer.cache import Cache
from seedsweep_trainer.checkpoint import Progress, restore
from seedsweep_trainer.endings import is_out_of_resources
from seedsweep_trainer.evaluation import Evaluation
from seedsweep_trainer.fingerprint import (
    attention_of,
    config_digest,
    digest,
    fingerprint,
    passes_in_halves,
    prepare_torch,
    settled,
)
from seedsweep_trainer.fit import check_fit, load_data, try_step
from seedsweep_trainer.generators import seed_all
from seedsweep_trainer.keeper import CLOCK, Clock, Keeper
from seedsweep_trainer.learner import Learner
from seedsweep_trainer.model import load_model
from seedsweep_trainer.origin import provenance
from seedsweep_trainer.reporter import Reporter
from seedsweep_trainer.seeds import stream
from seedsweep_trainer.storage import open_folders
from seedsweep_trainer.store import Identity, Store
from seedsweep_trainer.tasks import Padding, TaskData
from seedsweep_trainer.timetable import Timetable

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def prepare(config_json: str) -> tuple[PreTrainedTokenizerBase, TaskData]:
    """What all attempts with this configuration share: the tokenizer and the tokenised data.

    Kept, because a warm server loads it once and its forks find it in memory.
    """
    config = parse_config(config_json)
    tokenizer, data = load_data(config)
    if data.kind == "regression":
        # Its first correlation would, in each fork of its own.
        import scipy.stats  # noqa: F401
    return tokenizer, data


@contextmanager
def opened_sources(
    config: FineTuning, storage: str | None, work: Path | None = None
) -> Iterator[tuple[Path | None, Padding, TaskData]]:
    """What an attempt starts from, out of the cache in the sweep's storage where that fits, else from where the
    configuration says.

    The folder to load the model from (None: as the configuration says), open meanwhile; padding; the data.
    """
    if storage is None:
        yield None, *prepare(config.model_dump_json(by_alias=True))
        return
    cache = Cache(storage, work)
    with cache.model(config) as folder:
        cached = cache.data(config, folder) if folder is not None else None
        yield folder, *(cached or load_data(config, folder))


def train(attempt: Attempt, reporter: Reporter, terminated: Event, clock: Clock = CLOCK) -> Outcome:
    """Train until the episode is done, diverged, asked to stop, or `terminated` is set.

    Raises ConfigurationError for what a person has to change, and whatever else goes wrong.
    """
    try:
        return _train(attempt, reporter, terminated, clock)
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
        if not is_out_of_resources(error):
            _blame_configuration(attempt)
        raise


def _blame_configuration(attempt: Attempt) -> None:
    """Raise ConfigurationError if a fresh model fails on the data too, so that trying again would change nothing.

    Only a trial before the first episode has tried that, and where there is no storage on a cluster there is none. On
    the CPU: a GPU that has failed once fails at everything.
    """
    config = attempt.config
    with opened_sources(config, attempt.storage, attempt.work) as (folder, padding, data):
        model, _ = load_model(config, data, padding, attempt.weight_init, folder)
        try_step(config, model, padding, data)


def _train(attempt: Attempt, reporter: Reporter, terminated: Event, clock: Clock) -> Outcome:
    config = attempt.config
    device = prepare_torch(config)

    with opened_sources(config, attempt.storage, attempt.work) as (folder, padding, data):
        timetable = Timetable.of(config, len(data.train))
        model, initialization = load_model(config, data, padding, attempt.weight_init, folder)
        origin = provenance(config, data, folder)
    check_fit(config, model, padding, data)
    store = checkpoint = None
    if attempt.checkpoints is not None:
        store = Store(open_folders(attempt.checkpoints, attempt.work), attempt.uid, identity(attempt, data, origin))
        checkpoint = store.resume()

    config = settled(config, device, checkpoint.precision if checkpoint is not None else None)
    conditions = fingerprint(config, device) | attention_of(model)
    log.info("fingerprint: %s", json.dumps(conditions))
    learner = Learner(model.to(device), config, timetable)  # type: ignore[arg-type]  # of transformers' wrapper
    reporter.described(
        fingerprint=digest(conditions), data=data.digest, initialization=initialization, provenance=origin.to_text()
    )
    reporter.planned(evaluations=timetable.evaluations, steps=timetable.steps, baseline=data.baseline)

    seed_all(stream("dropout", attempt.data_order if config.dropout_seed is None else config.dropout_seed))
    progress = Progress()
    if checkpoint is not None:
        restore(checkpoint, learner)
        progress = checkpoint.progress
        reporter.resumed(step=progress.step, scores=progress.scores, losses=progress.losses)

    batches = Batches(data.train, padding, config, attempt.data_order, halves=passes_in_halves(device))
    validation = Evaluation(data.validation, padding, config.evaluation_batch_size)
    with Keeper(attempt, data, store, reporter, clock) as keeper:
        while progress.step < timetable.steps and not reporter.should_stop:
            if terminated.is_set():
                keeper.interrupted(learner, progress)
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
                keeper.evaluated(learner, progress, outputs)
            else:
                keeper.stepped(learner, progress)
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
