"""Which rows become training, validation and test examples: where, split, subset and classes of a data set."""

import hashlib
from dataclasses import dataclass

import numpy as np

from seedsweep.api.finetuning import Dataset
from seedsweep_trainer.data.glue import GLUE, GlueTask
from seedsweep_trainer.data.hub_data import read_hub
from seedsweep_trainer.data.labels import Classes, class_values, encode
from seedsweep_trainer.data.references import source_files
from seedsweep_trainer.data.rows import too_few
from seedsweep_trainer.data.sources import Table, read_file
from seedsweep_trainer.data.suspicions import hold_texts
from seedsweep_trainer.errors import ConfigurationError, noted, start_of, unknown_name

_SHOWN_CLASSES = 3


@dataclass(frozen=True, slots=True)
class Examples:
    """The examples of one part, n of them."""

    text: list[str]
    pair: list[str] | None
    labels: np.ndarray
    """int64 class ids, or float32 values for regression; shape (n,)."""
    rows: np.ndarray
    """int64 row numbers in the source, from 0; shape (n,)."""

    def take(self, positions: np.ndarray) -> "Examples":
        """The examples at these positions, in this order."""
        return Examples(
            text=[self.text[i] for i in positions],
            pair=None if self.pair is None else [self.pair[i] for i in positions],
            labels=self.labels[positions],
            rows=self.rows[positions],
        )


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A whole data set before tokenising."""

    parts: dict[str, Examples]
    """train, validation and, where there is one, test."""
    classes: Classes | None
    """None for regression."""
    commit: str | None
    """The hub commit the data set came from."""


def load_examples(dataset: Dataset) -> LabelledText:
    """Read, filter, label, split and cut down a data set: always the same examples in the same order.

    Raises ConfigurationError for everything in the configuration that the data does not bear out.
    """
    glue = GLUE[dataset.task] if dataset.task is not None else None
    columns = glue.columns if glue else dataset.columns
    tables, commit = _tables(dataset, glue)
    rows = {part: _matching(table, dataset.where) for part, table in tables.items()}
    labels = {part: table.strings(columns.label, "dataset.columns.label", rows[part]) for part, table in tables.items()}
    problems: list[str] = []
    classes = None
    with noted(problems):
        if dataset.kind == "classification":
            classes = _classes(dataset, glue, tables["train"], labels["train"], rows["train"])
    ids_are_known = not problems
    parts = {}
    for part, table in tables.items():
        with noted(problems):
            texts = _texts(table, columns.text, "dataset.columns.text", rows[part])
        with noted(problems):
            pair = columns.text_pair
            pairs = _texts(table, pair, "dataset.columns.textPair", rows[part]) if pair else None
        with noted(problems):
            encoded = encode(labels[part], rows[part], classes, table) if ids_are_known else None
        if not problems:
            assert encoded is not None
            parts[part] = Examples(texts, pairs, encoded, rows[part])
    if problems:
        raise ConfigurationError(*dict.fromkeys(problems))
    are_declared = dataset.labels is not None or tables["train"].class_names(dataset.columns.label) is not None
    if dataset.split.validation and classes is not None and not are_declared:
        _refuse_texts(classes, parts["train"], dataset)
    return LabelledText(_cut_down(_set_aside(parts, dataset, tables["train"]), dataset), classes, commit)


def _tables(dataset: Dataset, glue: GlueTask | None) -> tuple[dict[str, Table], str | None]:
    """What was read, by part, and the hub commit."""
    if dataset.hub:
        return read_hub(dataset.hub)
    header = glue.header if glue else None
    return {part: read_file(file, field, header) for part, (file, field) in source_files(dataset).items()}, None


def _matching(table: Table, where: dict[str, str]) -> np.ndarray:
    """Numbers of the rows that hold the wanted values."""
    keep = np.ones(len(table.data), dtype=bool)
    for column, wanted in where.items():
        keep &= np.array([value == wanted for value in table.strings(column, f"dataset.where.{column}")], dtype=bool)
    if not keep.any():
        found = f"no row matches dataset.where {where}" if where else "it holds no examples"
        raise ConfigurationError(f"{table.field} {table.origin!r}: {found}; correct the one or the other")
    return np.flatnonzero(keep)


def _texts(table: Table, column: str, field: str, rows: np.ndarray) -> list[str]:
    texts = table.strings(column, field, rows)
    if empty := [int(row) for text, row in zip(texts, rows, strict=True) if not (text and text.strip())]:
        raise ConfigurationError(f"{field} {column!r}: " + table.rows.lacking(empty, "text"))
    return [text for text in texts if text]


def _classes(
    dataset: Dataset, glue: GlueTask | None, table: Table, labels: list[str | None], rows: np.ndarray
) -> Classes:
    """The classes of a data set, of whose train `table` holds the `labels` in these `rows`."""
    declared = None if glue else table.class_names(dataset.columns.label)
    if glue:
        values, names = list(glue.classes), list(glue.classes.values())
    else:
        values = names = dataset.labels or declared or class_values(labels, rows, table)
    if len(values) < 2:
        raise ConfigurationError(
            f"dataset.labels: classification needs at least two classes, found {values}; "
            "check dataset.columns.label and dataset.where, or set dataset.kind to regression"
        )
    wanted = dataset.positive_label or (glue.positive if glue else None)
    if wanted is not None and wanted not in names:
        raise unknown_name("dataset.positiveLabel", wanted, names, "a label")
    positive = names.index(wanted) if wanted else 1 if len(names) == 2 else None
    return Classes(tuple(values), tuple(names), positive)


def _refuse_texts(classes: Classes, train: Examples, dataset: Dataset) -> None:
    """Raise ConfigurationError where the labels of train, before anything is set aside, are probably texts.

    Only where validation is set aside from train: a file of its own has to have the classes of train, and then these
    are known to be meant, however few examples each has.
    """
    if hold_texts(len(classes.values), len(train.labels)):
        few = ", ".join(repr(start_of(name)) for name in classes.names[:_SHOWN_CLASSES])
        raise ConfigurationError(
            f"dataset.columns.label {dataset.columns.label!r} has {len(classes.values):,} classes for "
            f"{len(train.labels):,} examples, such as {few}: is this the column of texts? Name that of the "
            "labels, or list them in dataset.labels if they are classes"
        )


def _drawn(examples: Examples, purpose: str, seed: int) -> np.ndarray:
    """Positions in a random order that depends on purpose, seed and row numbers alone, on any machine for ever."""
    keys = [hashlib.sha256(f"{purpose} {seed} {row}".encode()).digest() for row in examples.rows]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def _set_aside(parts: dict[str, Examples], dataset: Dataset, table: Table) -> dict[str, Examples]:
    """Take the split's test, then validation examples out of train, which `table` holds; all stay in its order."""
    split, train = dataset.split, parts["train"]
    if not split.test and not split.validation:
        return parts
    if problem := too_few(dataset, len(train.rows), f"{table.field} {table.origin!r}"):
        raise ConfigurationError(f"dataset.split {problem}")
    # Test first: the reported set stays the same when the size of the validation set changes.
    test, validation, rest = np.split(_drawn(train, "split", split.seed), [split.test, split.test + split.validation])
    taken = {"train": rest, "validation": validation, "test": test}
    return parts | {part: train.take(np.sort(drawn)) for part, drawn in taken.items() if len(drawn)}


def _cut_down(parts: dict[str, Examples], dataset: Dataset) -> dict[str, Examples]:
    """At most so many examples of each part as `subset` says, in the order of the source."""
    sizes = dataset.subset.model_dump(exclude={"seed"}, exclude_none=True)
    chosen = {}
    for part, examples in parts.items():
        drawn = _drawn(examples, f"subset {part}", dataset.subset.seed)[: sizes[part]] if part in sizes else None
        chosen[part] = examples if drawn is None else examples.take(np.sort(drawn))
    return chosen
