"""What an attempt starts from: its model's files, the tokenizer's padding and the tokenised data.

`prepare_inputs` gets them for everyone: check, warm-up, training and the hand-over.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from huggingface_hub import snapshot_download
from transformers import PreTrainedTokenizerBase

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.hub import hub_failure
from seedsweep_trainer.data.tasks import Padding, TaskData, load_task
from seedsweep_trainer.model.fit import check_words
from seedsweep_trainer.model.origin import COMMIT
from seedsweep_trainer.model.pretrained import OFFLINE, load_tokenizer
from seedsweep_trainer.reporting.attempt import parse_config
from seedsweep_trainer.storage.cache import TOKENIZER_FILES, Cache

_WANTED = [*(f"*{ending}" for ending in TOKENIZER_FILES), "model.safetensors", "model-*-of-*.safetensors"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that follows from the configuration alone, whatever the seeds."""

    folder: Path | None
    """A copy of the model's files, there while the inputs are open; None: load them as the configuration says."""
    padding: Padding
    data: TaskData


@contextmanager
def prepare_inputs(
    config: FineTuning, storage: str | None, work: Path | None = None, *, fill_cache: bool = False
) -> Iterator[Inputs]:
    """Read the inputs out of the cache in the sweep's storage where that fits, else from where the configuration says.

    What comes from a URI lies in `work` meanwhile. `fill_cache` puts into the cache what is missing there; what is
    there already stays, so that a branch of the hub that moves does not change a sweep. Raises ConfigurationError where
    configuration, data and tokenizer do not fit together.
    """
    if storage is None:
        yield Inputs(None, *_load_once(config.model_dump_json(by_alias=True)))
        return
    cache = Cache(storage, work)
    with ExitStack() as opened:
        folder = opened.enter_context(cache.model(config))
        if folder is None and fill_cache:
            with cache.new_model(config) as copy:
                _download(config, copy)
            folder = opened.enter_context(cache.model(config))
            if folder is None:
                raise OSError(f"the model that was just written to {storage} cannot be read")
        cached = cache.data(config, folder) if folder is not None else None
        if cached is None:
            cached = load_data(config, folder)
            if folder is not None and fill_cache:
                cache.write_data(config, folder, *cached)
        yield Inputs(folder, *cached)


def load_data(config: FineTuning, folder: Path | None = None) -> tuple[PreTrainedTokenizerBase, TaskData]:
    """The model's tokenizer, from a copy of the model in `folder` if given, and the data as it makes it.

    Raises ConfigurationError where configuration, data and tokenizer do not fit together.
    """
    tokenizer = load_tokenizer(config, folder)
    data = load_task(config, tokenizer)
    check_words(config, tokenizer, data)
    return tokenizer, data


@lru_cache(maxsize=1)
def _load_once(config_json: str) -> tuple[PreTrainedTokenizerBase, TaskData]:
    """Kept, because the fork server loads it once and its forks find it in memory."""
    tokenizer, data = load_data(parse_config(config_json))
    if data.kind == "regression":
        # Its first correlation would, in each fork of its own.
        import scipy.stats  # noqa: F401
    return tokenizer, data


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
        failure = hub_failure(f"model {config.model!r}", error, OFFLINE)
        if failure is None:
            raise
        raise failure from error
    log.info("model %s at commit %s", config.model, snapshot.name)
    for file in snapshot.iterdir():
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
    (folder / COMMIT).write_text(snapshot.name)
