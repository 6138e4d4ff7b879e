"""What a configuration's references to files mean. Reads none of them, and so imports none of what reads them."""

import importlib.resources
from pathlib import Path

from seedsweep.api.finetuning import Dataset
from seedsweep_trainer.data.glue import GLUE
from seedsweep_trainer.data.rows import Rows
from seedsweep_trainer.errors import ConfigurationError

_PACKAGE = "package:"


def resolve(reference: str, field: str = "model") -> str:
    """The path behind `package:NAME/FILE-OR-FOLDER` in an installed package; anything else unchanged.

    `field` is the configuration's field that holds the reference. Raises ConfigurationError where the package or
    the file is missing.
    """
    if not reference.startswith(_PACKAGE):
        return reference
    package, _, inner = reference.removeprefix(_PACKAGE).partition("/")
    try:
        folder = importlib.resources.files(package)
    except (ImportError, ValueError, TypeError):
        raise ConfigurationError(
            f"{field} {reference!r}: there is no Python package {package!r} here; install it or give a path"
        ) from None
    path = Path(str(folder.joinpath(inner)))
    if not path.exists():
        raise ConfigurationError(f"{field} {reference!r}: package {package!r} has no {inner!r} ({path} is missing)")
    return str(path)


def source_files(dataset: Dataset) -> dict[str, tuple[str, str]]:
    """The files that make up the data set, by part, each with the configuration's field; none for one on the hub."""
    named = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    files = {part: (file, f"dataset.{part}") for part, file in named.items() if file}
    if dataset.task is not None:
        files["train"] = (f"{dataset.path}/train.tsv", "dataset.path")
        if not dataset.validation and not dataset.split.validation:
            files["validation"] = (f"{dataset.path}/dev.tsv", "dataset.path")
    return files


def rows_of(dataset: Dataset, part: str) -> Rows:
    """What the rows of the source of a part are called: where there is none of its own, train's."""
    if dataset.hub is not None:
        named = part if getattr(dataset.hub, part) else "train"
        return Rows(f"dataset.hub.{named} {getattr(dataset.hub, named)!r}", None)
    files = source_files(dataset)
    file, field = files.get(part, files["train"])
    header = GLUE[dataset.task].header if dataset.task is not None else None
    return Rows(f"{field} {file!r}", Path(resolve(file, field)), header)
