"""A sweep's warm-up: whatever a hub has to be asked for, and the tokenising, done once before any episode starts."""

import logging
import shutil
from pathlib import Path

import torch
from huggingface_hub import snapshot_download

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.hub import hub_failure
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, prepare_torch
from seedsweep_trainer.model.origin import COMMIT
from seedsweep_trainer.storage.cache import TOKENIZER_FILES, Cache
from seedsweep_trainer.training.fit import load_data, try_out
from seedsweep_trainer.training.timetable import Timetable

_WANTED = [*(f"*{ending}" for ending in TOKENIZER_FILES), "model.safetensors", "model-*-of-*.safetensors"]

log = logging.getLogger(__name__)


def warm_up(config: FineTuning, storage: str) -> int:
    """Put the model, where it is on a hub, and the tokenised data into the sweep's cache; counts its parameters.

    What is there already stays, so that a branch of the hub that moves does not change a sweep. Raises
    ConfigurationError as an attempt would.
    """
    device = prepare_torch(config)
    autocast_dtype(config, device)
    cache = Cache(storage)
    with cache.model(config) as folder:
        if folder is not None:
            return _prepare(config, cache, folder, device)
    with cache.new_model(config) as folder:
        _download(config, folder)
    with cache.model(config) as folder:
        if folder is None:
            raise OSError(f"the model that was just written to {storage} cannot be read")
        return _prepare(config, cache, folder, device)


def _prepare(config: FineTuning, cache: Cache, folder: Path, device: torch.device) -> int:
    """Keep the tokenised data, unless it is there; try a step of the model, and count its parameters."""
    cached = cache.data(config, folder)
    if cached is None:
        cached = load_data(config, folder)
        cache.write_data(config, folder, *cached)
    padding, data = cached
    Timetable.of(config, len(data.train))
    parameters = try_out(config, padding, data, device, folder)
    log.info("warm: %d training examples", len(data.train))
    return parameters


def _download(config: FineTuning, folder: Path) -> None:
    """Copy the files of a hub's model that an attempt reads."""
    try:
        # Other folders hold the model in other forms.
        snapshot = Path(
            snapshot_download(
                config.model, revision=config.model_revision, allow_patterns=_WANTED, ignore_patterns=["*/*"]
            )
        )
    except Exception as error:
        failure = hub_failure(f"model {config.model!r}", error, "give a folder that holds the model")
        if failure is None:
            raise
        raise failure from error
    log.info("model %s at commit %s", config.model, snapshot.name)
    for file in snapshot.iterdir():
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
    (folder / COMMIT).write_text(snapshot.name)
