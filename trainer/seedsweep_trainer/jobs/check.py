"""Whether a configuration can be trained at all, found out before anything starts."""

from typing import Any

import numpy as np

from seedsweep.api.finetuning import Dataset, FineTuning
from seedsweep_trainer.data.references import rows_of
from seedsweep_trainer.data.suspicions import missing_values, typing_errors
from seedsweep_trainer.data.tasks import Part, TaskData, parts_of
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, prepare_torch
from seedsweep_trainer.inputs import prepare_inputs
from seedsweep_trainer.model.origin import provenance
from seedsweep_trainer.training.speed import measure_speed
from seedsweep_trainer.training.timetable import Timetable
from seedsweep_trainer.training.trial import is_large, size_of, try_out


def check(config: FineTuning, *, timed: bool = False) -> dict[str, Any]:
    """Load everything that an attempt loads, try a step, and tell what it comes to, ready for JSON.

    `timed`: and how long a step and an evaluation take, which takes some seconds more. Raises ConfigurationError as the
    attempt would.
    """
    device = prepare_torch(config)
    autocast_dtype(config, device)
    with prepare_inputs(config, storage=None) as inputs:
        data = inputs.data
        timetable = Timetable.of(config, len(data.train))
        model = try_out(config, inputs, device)
        base_weights = provenance(config, data, inputs.folder).base_weights
        speed = measure_speed(config, model, inputs.padding, data) if timed and not is_large(model) else None
    return {
        "evaluations": timetable.evaluations,
        "steps": timetable.steps,
        "baseline": data.baseline,
        "data": data.digest,
        "baseWeights": base_weights,
        "revision": data.revision,
        "trainExamples": len(data.train),
        "validationExamples": len(data.validation),
        "testExamples": None if data.test is None else len(data.test),
        "classes": _classes(data),
        "absent": _absent(data),
        "repeated": _repeated(data),
        "mistyped": _mistyped(config.dataset, data),
        "parameters": size_of(model),
        "stepSeconds": None if speed is None else speed.step,
        "evaluationSeconds": None if speed is None else speed.evaluation,
    }


def _classes(data: TaskData) -> dict[str, int] | None:
    """By label, how many examples of train there are; None for regression."""
    if data.kind == "regression":
        return None
    sizes = np.bincount(data.train.labels, minlength=data.num_labels)
    return {data.id2label[i]: int(size) for i, size in enumerate(sizes)}


def _absent(data: TaskData) -> dict[str, list[str]]:
    """By part, the labels that no example of it has; none for regression."""
    if data.kind == "regression":
        return {}
    sizes = {name: np.bincount(part.labels, minlength=data.num_labels) for name, part in parts_of(data).items()}
    return {name: [data.id2label[int(i)] for i in np.flatnonzero(found == 0)] for name, found in sizes.items()}


def _repeated(data: TaskData) -> dict[str, int]:
    """How many validation examples the model sees in train as well, and how many test examples in either."""
    known: set[bytes] = set()
    repeated = {}
    for name, part in parts_of(data).items():
        inputs = _inputs(part)
        repeated[name] = sum(tokens in known for tokens in inputs)
        known.update(inputs)
    del repeated["train"]
    return repeated


def _inputs(part: Part) -> list[bytes]:
    """What the model sees of each example."""
    arrays = [part.input_ids, *([] if part.token_type_ids is None else [part.token_type_ids])]
    bounds = list(zip(part.offsets[:-1], part.offsets[1:], strict=True))
    return [b"".join(array[start:end].tobytes() for array in arrays) for start, end in bounds]


def _mistyped(dataset: Dataset, data: TaskData) -> list[dict[str, str | int | None]]:
    """Labels that are probably mistyped: each with its examples in the source of train, the row of the first, and the
    label that was meant, None for no label. None of them where the classes are listed, or for regression."""
    if data.kind == "regression" or dataset.labels is not None:
        return []
    split = {"validation": dataset.split.validation, "test": dataset.split.test}
    parts = [data.train, *(part for name, part in parts_of(data).items() if split.get(name))]
    labels, rows = (np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "rows"))
    sizes = np.bincount(labels, minlength=data.num_labels)
    named = {name: int(sizes[i]) for i, name in data.id2label.items()}
    found: dict[str, str | None] = {**typing_errors(named), **dict.fromkeys(missing_values(named))}
    ids = {name: i for i, name in data.id2label.items()}
    first = [int(rows[labels == ids[label]].min()) for label in found]
    numbers = rows_of(dataset, "train").numbers(first) if first else []
    return [
        {"label": label, "examples": int(sizes[ids[label]]), "row": row, "meant": meant}
        for (label, meant), row in zip(found.items(), numbers, strict=True)
    ]
