"""Where examples come from: files, installed packages and the hub, read into tables held in memory.

Nothing is cached beside what the hub's own client caches, so a read-only home is enough for local files.
"""

import csv
import re
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import numpy as np
import pandas as pd
import pyarrow as pa
from datasets.exceptions import DatasetsError
from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

from seedsweep.api.finetuning import HubDataset
from seedsweep_trainer.errors import ConfigurationError, unknown_name
from seedsweep_trainer.references import resolve

HIDDEN_LABEL = "-1"
"""What hub data sets hold where a label is withheld, as in GLUE's test sets."""

_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
_PLAIN_TYPES = re.compile(r"(large_)?string|u?int\d+|float\d+|bool")


@dataclass(frozen=True, slots=True)
class Table:
    """Examples as they were read, with what to call them in an error."""

    field: str
    """The configuration's field that named them, like dataset.train."""
    origin: str
    """That field's value."""
    data: datasets.Dataset

    def strings(self, column: str, field: str, rows: np.ndarray | None = None) -> list[str | None]:
        """One column as text, whatever its type in the file; all rows, or those numbered in `rows`.

        `field` is the configuration's field that names the column. Class numbers of the hub become class names.
        Raises ConfigurationError for a column that is missing or holds neither text, numbers nor booleans.
        """
        if column not in self.data.column_names:
            raise unknown_name(field, column, self.data.column_names, f"a column of {self.field} {self.origin!r}")
        feature = self.data.features[column]
        values = self.data.data.column(column)
        if rows is not None:
            values = values.take(pa.array(rows))
        if isinstance(feature, datasets.ClassLabel):
            return [None if i is None else feature.names[i] if i >= 0 else HIDDEN_LABEL for i in values.to_pylist()]
        if not isinstance(feature, datasets.Value) or not _PLAIN_TYPES.fullmatch(feature.dtype):
            kind = getattr(feature, "dtype", type(feature).__name__)
            raise ConfigurationError(
                f"{field} {column!r} of {self.field} {self.origin!r} holds {kind}: "
                "name a column of plain text, numbers or booleans"
            )
        texts: list[str | None] = values.cast(pa.large_string()).to_pylist()
        return texts

    def class_names(self, column: str) -> list[str] | None:
        """The class names that the data set itself declares for `column`, in the order of their ids."""
        feature = self.data.features.get(column)
        return list(feature.names) if isinstance(feature, datasets.ClassLabel) else None


def read_file(reference: str, field: str, header: Sequence[str] | None = None) -> Table:
    """All rows of a CSV, TSV, JSON, JSON lines or Parquet file, in its order.

    `header` names the columns of a file that has no header line. Values of CSV and TSV files stay text: `NA` is a
    word and `007` is not 7. Quotes quote in CSV (RFC 4180); in TSV they are plain characters, as IANA's
    text/tab-separated-values has it and as GLUE is written. Raises ConfigurationError where the file is missing,
    empty or malformed.
    """
    path = Path(resolve(reference, field))
    if not path.is_file():
        raise ConfigurationError(f"{field} {reference!r}: there is no such file; give the path of an existing one")
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigurationError(f"{field} {reference!r}: the name must end in one of {', '.join(_SUFFIXES)}")
    try:
        data = _read(path, header)
    except (DatasetsError, ValueError, csv.Error) as error:
        cause = " ".join(str(error.__cause__ or error).split())
        raise ConfigurationError(f"{field} {reference!r} cannot be read, correct the file: {cause}") from error
    return Table(field, reference, data)


def read_hub(hub: HubDataset) -> tuple[dict[str, Table], str]:
    """The named splits of a data set on the hub, by part, and the commit they came from.

    Raises ConfigurationError where the data set, its revision, its configuration or a split does not exist.
    """
    commit = _commit(hub)
    datasets.disable_progress_bars()
    try:
        splits = datasets.load_dataset(hub.name, hub.config, revision=commit)
    except (DatasetsError, ValueError) as error:
        cause = " ".join(str(error).split())
        raise ConfigurationError(f"dataset.hub.name {hub.name!r}, config {hub.config!r}: {cause}") from error
    tables = {}
    for part, split in (("train", hub.train), ("validation", hub.validation), ("test", hub.test)):
        if split is None:
            continue
        if split not in splits:
            raise unknown_name(f"dataset.hub.{part}", split, splits, f"a split of {hub.name!r}")
        tables[part] = Table(f"dataset.hub.{part}", split, splits[split])
    return tables, commit


def _read(path: Path, header: Sequence[str] | None) -> datasets.Dataset:
    datasets.disable_progress_bars()
    suffix = path.suffix.lower()
    with tempfile.TemporaryDirectory(prefix="seedsweep-") as cache:
        where: dict[str, Any] = {"cache_dir": cache, "keep_in_memory": True}
        if suffix == ".parquet":
            return datasets.Dataset.from_parquet(str(path), **where)
        if suffix in (".json", ".jsonl"):
            return datasets.Dataset.from_json(str(path), **where)
        layout: dict[str, Any] = {"sep": "\t", "quoting": csv.QUOTE_NONE} if suffix == ".tsv" else {}
        columns = list(header) if header else _header(path, layout)
        with warnings.catch_warnings():
            # pandas drops surplus fields with no more than this warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return datasets.Dataset.from_csv(
                str(path),
                features=datasets.Features({name: datasets.Value("large_string") for name in columns}),
                names=columns,
                header=None if header else 0,
                index_col=False,
                keep_default_na=False,
                **layout,
                **where,
            )


def _header(path: Path, layout: dict[str, Any]) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        names = next(csv.reader(lines, delimiter=layout.get("sep", ","), quoting=layout.get("quoting", 0)), [])
    if not names:
        raise ValueError("the file is empty")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"column {repeated[0]!r} appears more than once")
    return names


def _commit(hub: HubDataset) -> str:
    """The commit behind the revision, so that a branch that moves cannot mix two data sets in one sweep."""
    if hub.revision and re.fullmatch(r"[0-9a-f]{40}", hub.revision):
        return hub.revision
    try:
        return str(huggingface_hub.HfApi().dataset_info(hub.name, revision=hub.revision).sha)
    except RepositoryNotFoundError:
        raise ConfigurationError(
            f"dataset.hub.name {hub.name!r}: the hub has no such data set or does not show it: "
            "check the name, or set HF_TOKEN"
        ) from None
    except RevisionNotFoundError:
        raise ConfigurationError(
            f"dataset.hub.revision {hub.revision!r}: {hub.name!r} has no such branch, tag or commit"
        ) from None
    except OfflineModeIsEnabled:
        raise ConfigurationError(
            f"dataset.hub.revision {hub.revision!r} cannot be resolved offline: give the full commit hash"
        ) from None
