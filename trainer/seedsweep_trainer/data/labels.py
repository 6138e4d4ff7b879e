"""What a column of labels stands for: classes, or values to predict."""

import math
import unicodedata
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from seedsweep_trainer.data.sources import HIDDEN_LABEL, Table
from seedsweep_trainer.errors import ConfigurationError, unknown_name

LARGEST, SMALLEST = 1e18, 1e-18
"""Sizes of a value to be predicted: the squares of both fit into a float32."""

COARSEST = 0.01
"""How much of their standard deviation a float32 may round values by."""

NO_VALUES = {"na", "n/a", "<na>", "none", "null", "nil", "nat", "?", "-"}
"""In lower case, what stands for a missing value among numbers."""

_MINUS = "\N{MINUS SIGN}"
"""What typesetting makes of a hyphen before a number, beside dashes."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes in the order of their ids."""

    values: tuple[str, ...]
    """As the data writes them."""
    names: tuple[str, ...]
    positive: int | None
    """Id of the class that F1 is about; None where there are more than two and none is named."""


def class_values(labels: list[str | None], rows: np.ndarray, table: Table) -> list[str]:
    """The classes among the labels of train: by size where all are numbers (a rating of 10 comes after 9), else by
    letter. Raises ConfigurationError for two that look alike, and for numbers that are none."""
    first: dict[str, int] = {}
    for label, row in zip(labels, rows, strict=True):
        if label and label.strip():
            first.setdefault(label, int(row))
    numbers = {label: number for label in first if (number := _as_number(label)) is not None}
    missing = [label for label in first if _is_no_value(label, numbers.get(label))]
    if missing and numbers and first.keys() <= numbers.keys() | set(missing):
        raise ConfigurationError(
            f"dataset.columns.label: {table.rows.place(first[missing[0]])} has no label but {missing[0]!r}, which is "
            "not a finite number as the others are: correct or remove the row, or list it in dataset.labels"
        )
    alike: dict[str | float, str] = {}
    for label in first:
        looks = _looks(label)
        number = _as_number(looks)
        other = alike.setdefault(looks if number is None else number, label)
        if other != label:
            one, two = table.rows.numbers([first[other], first[label]])
            raise ConfigurationError(
                f"dataset.columns.label: {other!r} (row {one}) and {label!r} (row {two}) of {table.rows.source} "
                "look alike: write one class in one way, or list both in dataset.labels if they are two"
            )
    if first.keys() == numbers.keys():
        return sorted(first, key=lambda label: (numbers[label], label))
    return sorted(first)


def _as_number(text: str) -> float | None:
    """Exactly, where it is whole: long identifiers differ in digits that a float does not have."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return None


def _is_no_value(label: str, number: float | None) -> bool:
    return not _is_finite(number) if number is not None else label.strip().lower() in NO_VALUES


def _looks(label: str) -> str:
    """A label without what the eye passes over: blanks, case, characters of no width, and forms of one character."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", label) if unicodedata.category(c) != "Cf")
    plain = "".join("-" if c == _MINUS or unicodedata.category(c) == "Pd" else c for c in visible)
    return " ".join(plain.casefold().split())


def _is_finite(number: float) -> bool:
    # Whole numbers may be too large to become a float.
    return isinstance(number, int) or math.isfinite(number)


def encode(labels: list[str | None], rows: np.ndarray, classes: Classes | None, table: Table) -> np.ndarray:
    """Class ids (int64), or values (float32) for regression."""
    if HIDDEN_LABEL not in (classes.values if classes else ()) and set(labels) <= {None, "", HIDDEN_LABEL}:
        raise ConfigurationError(
            f"{table.field} {table.origin!r} has no labels, they are all missing or {HIDDEN_LABEL}: "
            "name labelled data, or set examples of train aside with dataset.split"
        )
    ids = {value: i for i, value in enumerate(classes.values)} if classes else None
    empty = [
        int(row)
        for label, row in zip(labels, rows, strict=True)
        if not label or (not label.strip() and (ids is None or label not in ids))
    ]
    if empty:
        raise ConfigurationError("dataset.columns.label: " + table.rows.lacking(empty, "label"))
    encoded: list[float] = []
    for label, row in zip(labels, rows, strict=True):
        assert label is not None
        if ids is None:
            encoded.append(_number(label, int(row), table))
        elif label in ids:
            encoded.append(ids[label])
        else:
            what = f"among the classes, in {table.rows.place(int(row))}"
            raise unknown_name("dataset.labels: the label", label, ids, what)
    if classes:
        return np.array(encoded, dtype=np.int64)
    exact = np.array(encoded)
    rounded = exact.astype(np.float32)
    if exact.min() < exact.max() and np.abs(rounded - exact).max() > COARSEST * exact.std():
        raise ConfigurationError(
            f"dataset.columns.label: the values of {table.field} {table.origin!r} differ by too little for their size "
            f"to be trained on in 32 bits ({exact.min():.17g} to {exact.max():.17g}): subtract their mean"
        )
    return rounded


def _number(label: str, row: int, table: Table) -> float:
    # Python would also take 1_0, and digits of other scripts.
    value = _as_number(label) if label.strip().isascii() and "_" not in label else None
    if value is None or not _is_finite(value):
        raise ConfigurationError(
            f"dataset.columns.label: {label!r}, in {table.rows.place(row)}, is not a finite number: "
            "correct it, or set dataset.kind to classification"
        )
    if not (value == 0 or SMALLEST <= abs(value) <= LARGEST):
        raise ConfigurationError(
            f"dataset.columns.label: {label!r}, in {table.rows.place(row)}, is not a finite number once it is trained "
            "on, in 32 bits: "
            f"values have to be 0, or from {SMALLEST:g} to {LARGEST:g} in size; correct it, or scale the column"
        )
    return float(value)
