"""The hand-over of the result: a folder that from_pretrained loads, and its score on the test set, taken once."""

import json
import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from seedsweep.api.card import completed
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.status import Average, TestScore
from seedsweep_trainer.checkpoints.attempt_folder import WEIGHTS
from seedsweep_trainer.checkpoints.saving import predictions
from seedsweep_trainer.data import metrics
from seedsweep_trainer.data.tasks import Part, TaskData
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, config_digest, prepare_torch
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.inputs import prepare_inputs
from seedsweep_trainer.jobs.average import Survivors, average_of, judge, not_made
from seedsweep_trainer.jobs.export import check_replaceable
from seedsweep_trainer.model.averaging import NotAveragedError
from seedsweep_trainer.model.loading import load_model_config
from seedsweep_trainer.model.pretrained import load_tokenizer
from seedsweep_trainer.storage.durable import broken, whole_folder
from seedsweep_trainer.storage.folders import AVERAGE, BEST_FACTS, MODEL_CARD, TEST_SCORE
from seedsweep_trainer.training.evaluation import Evaluation

TEST_PREDICTIONS = "test-predictions.csv"
_CONFIDENCE = 0.95

log = logging.getLogger(__name__)


def hand_over(
    config: FineTuning,
    best: Path,
    to: Path,
    card: str | None = None,
    storage: str | None = None,
    survivors: Survivors | None = None,
) -> None:
    """Make the folder `to` from the winner's best weights, whole or not at all; one that exists is replaced.

    With `survivors` it is made from the average of their best weights, where that can be made and its validation score
    bears it out; average.json says what became of it. With a test set it holds test.json (metric, score, n, interval,
    confidence, baseline; null where undefined) and test-predictions.csv; with a model card, README.md is that card and
    sections on the average and the test set. What the sweep's cache in `storage` holds is not asked of a hub again.
    Raises ConfigurationError where `best` is no such folder or of other configuration or data, or where `to` holds
    something that was not made here.
    """
    check_replaceable(to, f"--to {to}")
    device = prepare_torch(config)
    with prepare_inputs(config, storage) as inputs:
        data = inputs.data
        tokenizer = load_tokenizer(config, inputs.folder)
        architecture = load_model_config(config, data, inputs.padding, inputs.folder)
    # As far as whoever asks the winner should cut longer texts, to get what was trained.
    tokenizer.model_max_length = config.dataset.max_length
    _check_same(config, data, best)
    model = AutoModelForSequenceClassification.from_config(  # type: ignore[no-untyped-call]
        architecture, dtype=torch.float32
    )
    answers = partial(_outputs, config, model.to(device), tokenizer)
    average = _load_average(model, survivors, best, data, answers) if survivors is not None else None
    if average is None or not average.handed_over:
        model.load_state_dict(load_file(best / WEIGHTS))
    log.info("exporting %s to %s", "the average" if average is not None and average.handed_over else best, to)
    with whole_folder(to) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        test = None
        if data.test is None:
            log.info("not scored: there is no test set (dataset.test, dataset.split.test)")
        else:
            log.info("scoring %d test examples", len(data.test))
            outputs = answers(data.test)
            test = test_score(data, data.test, outputs)
            (folder / TEST_SCORE).write_text(json.dumps(test, indent=1) + "\n")
            table = predictions(data.test, outputs, data.id2label)
            (folder / TEST_PREDICTIONS).write_text(table, encoding="utf-8")
        if average is not None:
            (folder / AVERAGE).write_text(average.model_dump_json(by_alias=True) + "\n")
        if card is not None:
            text = completed(card, TestScore.model_validate(test) if test is not None else None, average)
            (folder / MODEL_CARD).write_text(text, encoding="utf-8")


def test_score(data: TaskData, test: Part, outputs: np.ndarray) -> dict[str, object]:
    """The metric over the test set, with a confidence interval over its n examples and the constant answer's score."""
    name, positive = data.metric.name, data.positive
    bounds = metrics.interval(name, outputs, test.labels, positive, _CONFIDENCE)
    return {
        "metric": name,
        "score": _nullable(metrics.score(name, outputs, test.labels, positive)),
        "n": len(test),
        "interval": None if any(map(math.isnan, bounds)) else list(bounds),
        "confidence": _CONFIDENCE,
        "baseline": _nullable(metrics.baseline(name, data.train.labels, test.labels, data.num_labels, positive)),
    }


def _load_average(
    model: PreTrainedModel, survivors: Survivors, best: Path, data: TaskData, answers: Callable[[Part], np.ndarray]
) -> Average:
    """Load the average into the model, where it can be made, and say whether it is to be handed over."""
    try:
        model.load_state_dict(average_of(survivors, best))
    except NotAveragedError as error:
        return not_made(survivors.members, error)
    log.info("scoring the average of %d survivors on validation", len(survivors.members))
    labels, metric = data.validation.labels, data.metric
    score = metrics.score(metric.name, answers(data.validation), labels, data.positive)
    return judge(survivors, score, data.baseline, maximize=metric.goal == "maximize")


def _check_same(config: FineTuning, data: TaskData, best: Path) -> None:
    if (reason := broken(best)) is not None:
        raise ConfigurationError(f"--best {best}: {reason}; give best/ or best-to-<rung>/ of an episode's folder")
    facts = json.loads((best / BEST_FACTS).read_text())
    if facts["config"] != config_digest(config):
        raise ConfigurationError(f"--best {best} is of another configuration: give the one it was trained with")
    if facts["data"] != data.digest:
        raise ConfigurationError(f"dataset: its examples are not those that --best {best} was trained on; restore them")


def _outputs(config: FineTuning, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, part: Part) -> np.ndarray:
    evaluation = Evaluation(part, tokenizer, config.evaluation_batch_size)
    return evaluation.outputs(model, autocast_dtype(config, model.device))


def _nullable(value: float) -> float | None:
    return None if math.isnan(value) else value
