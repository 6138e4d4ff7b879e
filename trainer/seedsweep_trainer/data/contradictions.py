"""What in a recipe contradicts itself, whatever its data holds. Reads no data, and imports nothing that is slow."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from seedsweep.api.finetuning import Columns, Dataset, FineTuning, Metric
from seedsweep_trainer.data.references import source_files

Kind = Literal["classification", "regression"]

_KINDS: dict[Kind, tuple[str, ...]] = {
    "classification": ("accuracy", "f1", "accuracyAndF1", "mcc", "loss"),
    "regression": ("pearson", "spearman", "pearsonAndSpearman", "mse", "loss"),
}
LOWER_IS_BETTER = ("mse", "loss")
_FROM_MINUS_ONE = ("mcc", "pearson", "spearman", "pearsonAndSpearman")


def contradictions(config: FineTuning) -> Iterator[str]:
    """Each with field, value and remedy."""
    yield from _of_dataset(config.dataset)
    if config.metric is not None:
        yield from _of_metric(config.metric, config.dataset.kind)


def _of_dataset(dataset: Dataset) -> Iterator[str]:
    columns = dataset.columns
    if dataset.task is not None:
        theirs = {
            "columns": columns != Columns(),
            "labels": dataset.labels is not None,
            "kind": dataset.kind == "regression",
        }
        for name, is_set in theirs.items():
            if is_set:
                yield (
                    f"dataset.{name} follows from dataset.task {dataset.task!r}: remove it, "
                    "or name the files in dataset.train and dataset.validation instead of a task"
                )
    elif columns.label in (columns.text, columns.text_pair):
        yield f"dataset.columns.label {columns.label!r} is the column of the texts too: name the column with the labels"
    elif columns.text == columns.text_pair:
        yield f"dataset.columns.textPair {columns.text!r} is dataset.columns.text too: name the column with the second"
    given, prefix = (dataset.hub, "dataset.hub") if dataset.hub else (dataset, "dataset")
    for part in ("validation", "test"):
        named, drawn = getattr(given, part), getattr(dataset.split, part)
        if named and drawn:
            yield f"dataset.split.{part} {drawn}: {prefix}.{part} {named!r} is given too; keep one of them"
    yield from _of_one_file(dataset)


def _of_one_file(dataset: Dataset) -> Iterator[str]:
    """Of a validation or test set that is no other data: its scores would say nothing of what a model does on such."""
    if dataset.hub is not None:
        files, prefix = dataset.hub.model_dump(include={"train", "validation", "test"}), "dataset.hub"
    else:
        files, prefix = {part: file for part, (file, _) in source_files(dataset).items()}, "dataset"
    for part, other, purpose in (
        ("validation", "train", "trained on"),
        ("test", "train", "trained on"),
        ("test", "validation", "selected by"),
    ):
        if (file := files.get(part)) is not None and files.get(other) == file:
            yield (
                f"{prefix}.{part} {file!r} is what episodes are {purpose}, too: name other data, or set some of train "
                f"aside with dataset.split.{part}"
            )


def _of_metric(metric: Metric, kind: Kind) -> Iterator[str]:
    if metric.name not in _KINDS[kind]:
        yield f"metric.name {metric.name!r} does not fit dataset.kind {kind!r}: use one of {', '.join(_KINDS[kind])}"
        return
    right = "minimize" if metric.name in LOWER_IS_BETTER else "maximize"
    if metric.goal != right:
        yield f"metric.goal {metric.goal!r} would keep the worst by {metric.name}: say {right!r}"
    yield from _of_range(metric)


def _of_range(metric: Metric) -> Iterator[str]:
    """Of limits that the metric has not: a score outside would be refused, and error reductions would be wrong."""
    least = "-1" if metric.name in _FROM_MINUS_ONE else "0"
    limits = {"min": least, "max": None if metric.name in LOWER_IS_BETTER else "1"}
    for name, right in limits.items():
        given = getattr(metric.range, name, None)
        if given is None or (right is not None and Decimal(given) == Decimal(right)):
            continue
        if right is None:
            yield f"metric.range.{name} {given!r}: {metric.name} has no highest value: remove it"
        else:
            which = "lowest" if name == "min" else "highest"
            yield f"metric.range.{name} {given!r} is not the {which} value of {metric.name}: say {right!r}"
