"""What a sweep's attempts share in its storage, so that only its warm-up asks a hub and tokenises.

    STORAGE/cache/model/<key>/   config, tokenizer and weights of a model on the hub, byte for byte as they are there
    STORAGE/cache/data/<key>/    the tokenised data set: data.safetensors, facts.json

Both are folders that are there whole or not at all, every byte checked before it is used. A key is a digest of all
that decides the content, so that what was made from other files, or by other versions of the libraries, is not found.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from seedsweep.api.finetuning import FineTuning, Metric
from seedsweep_trainer.data.references import resolve, source_files
from seedsweep_trainer.data.tasks import Padding, Part, TaskData, parts_of
from seedsweep_trainer.determinism.fingerprint import digest
from seedsweep_trainer.storage.durable import MANIFEST, file_digest, whole_folder
from seedsweep_trainer.storage.folders import BrokenFolderError, FolderId, Folders
from seedsweep_trainer.storage.location import join, open_folders

TOKENIZER_FILES = (".json", ".txt", ".model", ".jinja")
"""How the names of the files end that a tokenizer and a model's config are made of."""
_MODEL_FORMAT = 1
_DATA_FORMAT = 2
_FOLDER = "cache"
_READERS = ("datasets", "pandas", "pyarrow", "scikit-learn", "sentencepiece", "tokenizers", "transformers")
"""Libraries that have a say in what a data set becomes, or in its baseline."""
_ARRAYS = "data.safetensors"
_FACTS = "facts.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedPadding:
    """Implements tasks.Padding."""

    padding_side: str
    pad_token_id: int
    pad_token_type_id: int


class _Facts(BaseModel):
    """What a data set has beside its arrays."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

    key: str
    truncated: dict[str, int]
    """Of each part."""
    names: list[str]
    kind: Literal["classification", "regression"]
    metric: Metric
    positive: int | None
    baseline: float
    baseline_error: float
    digest: str
    revision: str | None
    padding: CachedPadding


class Cache:
    """A sweep's cache."""

    def __init__(self, storage: str, work: Path | None = None) -> None:
        """`storage` is the sweep's folder; what comes from a URI lies in `work` while it is read."""
        self._folders: Folders = open_folders(join(storage, _FOLDER), work)

    @contextmanager
    def model(self, config: FineTuning) -> Iterator[Path | None]:
        """The model's folder, while it is open: one of this machine, or a copy of the hub's.

        None, with the reason logged, where there is no copy to use.
        """
        if (folder := _local_model(config)) is not None:
            yield folder
            return
        with self._opened(_model(config)) as copy:
            yield copy

    @contextmanager
    def new_model(self, config: FineTuning) -> Iterator[Path]:
        """An empty folder to fill with the files of a model on the hub."""
        with self._new(_model(config)) as folder:
            yield folder

    def data(self, config: FineTuning, model: Path) -> tuple[Padding, TaskData] | None:
        """The tokenised data, for the tokenizer in the folder `model`; None, with the reason logged, without it."""
        kept = _data(config, model)
        with self._opened(kept) as folder:
            if folder is None:
                return None
            try:
                return _read(folder, kept.name)
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                log.warning("cache: %s is not used: %s", kept, error)
                return None

    def write_data(self, config: FineTuning, model: Path, padding: Padding, data: TaskData) -> None:
        """Keep the data as this tokenizer has made it."""
        kept = _data(config, model)
        with self._new(kept) as folder:
            _write(folder, kept.name, padding, data)

    @contextmanager
    def _opened(self, kept: FolderId) -> Iterator[Path | None]:
        with ExitStack() as stack:
            folder = None
            try:
                folder = stack.enter_context(self._folders.opened(kept))
            except BrokenFolderError as error:
                log.warning("cache: %s is not used: %s", kept, error)
            yield folder

    @contextmanager
    def _new(self, kept: FolderId) -> Iterator[Path]:
        with whole_folder(self._folders.claim(kept.owner) / kept.name) as folder:
            yield folder
        self._folders.commit(kept)


def _local_model(config: FineTuning) -> Path | None:
    """The folder of a model that is on this machine; None for one on a hub. Raises ConfigurationError."""
    folder = Path(resolve(config.model))
    return folder if folder.is_dir() else None


def _model(config: FineTuning) -> FolderId:
    return FolderId(
        "model", digest({"format": _MODEL_FORMAT, "model": config.model, "revision": config.model_revision})
    )


def _data(config: FineTuning, model: Path) -> FolderId:
    named = [Path(resolve(*file)) for file in source_files(config.dataset).values()]
    made_of: dict[str, JsonValue] = {
        "format": _DATA_FORMAT,
        "dataset": config.dataset.model_dump(mode="json"),
        "metric": config.metric.model_dump(mode="json") if config.metric else None,
        "files": [file_digest(file) if file.is_file() else None for file in named],
        "tokenizer": {
            file.name: file_digest(file)
            for file in sorted(model.iterdir())
            if file.suffix in TOKENIZER_FILES and file.name != MANIFEST
        },
        "versions": {name: version(name) for name in _READERS},
    }
    return FolderId("data", digest(made_of))


def _write(folder: Path, key: str, padding: Padding, data: TaskData) -> None:
    arrays: dict[str, np.ndarray] = {}
    for name, part in parts_of(data).items():
        for field in fields(Part):
            if isinstance(value := getattr(part, field.name), np.ndarray):
                arrays[f"{name}.{field.name}"] = value
    save_file(arrays, folder / _ARRAYS)
    facts = _Facts(
        key=key,
        truncated={name: part.truncated for name, part in parts_of(data).items()},
        names=list(data.id2label.values()),
        kind=data.kind,
        metric=data.metric,
        positive=data.positive,
        baseline=data.baseline,
        baseline_error=data.baseline_error,
        digest=data.digest,
        revision=data.revision,
        padding=CachedPadding(padding.padding_side, padding.pad_token_id, padding.pad_token_type_id),
    )
    (folder / _FACTS).write_text(facts.model_dump_json(indent=1))


def _read(folder: Path, key: str) -> tuple[Padding, TaskData]:
    facts = _Facts.model_validate_json((folder / _FACTS).read_text())
    if facts.key != key:
        raise ValueError("it is of other data")
    arrays = load_file(folder / _ARRAYS)
    parts = {
        name: Part(
            input_ids=arrays[f"{name}.input_ids"],
            token_type_ids=arrays.get(f"{name}.token_type_ids"),
            offsets=arrays[f"{name}.offsets"],
            labels=arrays[f"{name}.labels"],
            truncated=truncated,
            rows=arrays[f"{name}.rows"],
        )
        for name, truncated in facts.truncated.items()
    }
    data = TaskData(
        train=parts["train"],
        validation=parts["validation"],
        test=parts.get("test"),
        num_labels=len(facts.names),
        id2label=dict(enumerate(facts.names)),
        kind=facts.kind,
        metric=facts.metric,
        positive=facts.positive,
        baseline=facts.baseline,
        baseline_error=facts.baseline_error,
        digest=facts.digest,
        revision=facts.revision,
    )
    return facts.padding, data
