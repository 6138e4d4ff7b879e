"""Where a sweep's model and data came from, for its record and for the identity of its checkpoints."""

import hashlib
from pathlib import Path

from huggingface_hub import snapshot_download

from seedsweep.api.finetuning import FineTuning
from seedsweep.api.provenance import PartCounts, Provenance
from seedsweep_trainer.data.references import resolve
from seedsweep_trainer.data.tasks import TaskData

COMMIT = "commit"
"""The file in a copy of a hub's model that says which one it is."""
_WITH_F1 = ("f1", "accuracyAndF1")


def provenance(config: FineTuning, data: TaskData, folder: Path | None = None) -> Provenance:
    """Of a model that was just loaded, from a copy in `folder` if given, and of the data beside it."""
    found, commit = _files(config, folder)
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    counted = {name: part for name, part in parts.items() if part is not None}
    return Provenance(
        base_weights=_digest(found),
        model_commit=commit,
        dataset_commit=data.revision,
        examples=PartCounts(**{name: len(part) for name, part in counted.items()}),
        truncated=PartCounts(**{name: part.truncated for name, part in counted.items()}),
        positive_label=data.id2label[data.positive]
        if data.metric.name in _WITH_F1 and data.positive is not None
        else None,
    )


def _files(config: FineTuning, folder: Path | None) -> tuple[Path, str | None]:
    """The folder with the model's files, and the hub's commit that it holds."""
    found = folder or Path(resolve(config.model))
    if found.is_dir():
        commit = found / COMMIT
        return found, commit.read_text().strip() if commit.is_file() else None
    # The hub's client has just put it there.
    snapshot = Path(snapshot_download(config.model, revision=config.model_revision, local_files_only=True))
    return snapshot, snapshot.name


def _digest(folder: Path) -> str:
    """16 hex digits over the weights' files."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as weights:
            digest.update(hashlib.file_digest(weights, "sha256").digest())
    return digest.hexdigest()[:16]
