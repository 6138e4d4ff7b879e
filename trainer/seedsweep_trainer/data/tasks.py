"""The data set as the training loop wants it: tokenised once, split, counted and identified by a digest."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from seedsweep.api.finetuning import FineTuning, Metric
from seedsweep_trainer.data.contradictions import contradictions
from seedsweep_trainer.data.metrics import TASK_METRICS, baseline, baseline_error, check_labels, check_positive
from seedsweep_trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from seedsweep_trainer.data.examples import Examples


class Padding(Protocol):
    """How the model's tokenizer pads: all that batches need of it."""

    @property
    def padding_side(self) -> str:
        """`left` or `right`."""

    @property
    def pad_token_id(self) -> Any:
        """The token that padding is made of."""

    @property
    def pad_token_type_id(self) -> Any:
        """The segment of padding."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of train, validation and test, tokenised; n examples.

    Flat arrays, not lists of lists: forked episodes share their memory pages, and batches need no Python per token.
    """

    input_ids: np.ndarray
    """int32: the token ids of all examples, one after the other."""
    token_type_ids: np.ndarray | None
    """int8, beside `input_ids`; None for models without segments."""
    offsets: np.ndarray
    """int64, shape (n + 1,): example i is input_ids[offsets[i]:offsets[i + 1]]."""
    labels: np.ndarray
    """int64 class ids, or float32 values for regression; shape (n,)."""
    truncated: int
    """How many examples were cut to maxLength tokens."""
    rows: np.ndarray
    """int64, shape (n,): row numbers in the source, from 0, so that predictions can be joined back."""

    @property
    def lengths(self) -> np.ndarray:
        """int64, shape (n,): how many tokens each example has."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class TaskData:
    """Everything about the data that one sweep's episodes share."""

    train: Part
    validation: Part
    test: Part | None
    num_labels: int
    """Outputs of the model: the number of classes, 1 for regression."""
    id2label: dict[int, str]
    kind: Literal["classification", "regression"]
    metric: Metric
    positive: int | None
    """Id of the class that F1 is about."""
    baseline: float
    """Score on validation of the constant prediction that fits train best."""
    baseline_error: float
    """Its standard error."""
    digest: str
    """16 hex digits over the tokens and labels of train and validation: equal data, equal digest."""
    revision: str | None
    """Commit of the hub data set; None for files."""


def parts_of(data: TaskData) -> dict[str, Part]:
    """train, validation and, where there is one, test."""
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: part for name, part in parts.items() if part is not None}


def load_task(config: FineTuning, tokenizer: PreTrainedTokenizerBase) -> TaskData:
    """Read and tokenise what `config.dataset` describes.

    Raises ConfigurationError where configuration and data, metric or tokenizer do not fit together.
    """
    # What reads files takes seconds to import, and an attempt that finds its data in the cache needs none of it.
    from seedsweep_trainer.data.examples import load_examples

    if wrong := list(contradictions(config)):
        raise ConfigurationError(*wrong)
    _check_tokenizer(tokenizer, config.dataset.max_length)
    loaded = load_examples(config.dataset)
    kind = config.dataset.kind
    classes = loaded.classes
    positive = classes.positive if classes else None
    metric = config.metric or TASK_METRICS[config.dataset.task]  # type: ignore[index]  # one of the two is given
    check_positive(metric, positive)
    parts = {name: tokenise(examples, tokenizer, config.dataset.max_length) for name, examples in loaded.parts.items()}
    names = classes.names if classes else (config.dataset.columns.label,)
    train, validation = parts["train"], parts["validation"]
    check_labels(metric, validation.labels, positive)
    return TaskData(
        train=train,
        validation=validation,
        test=parts.get("test"),
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        kind=kind,
        metric=metric,
        positive=positive,
        baseline=baseline(metric.name, train.labels, validation.labels, len(names), positive),
        baseline_error=baseline_error(metric.name, train.labels, validation.labels, len(names), positive),
        digest=_digest(train, validation),
        revision=loaded.commit,
    )


def tokenise(examples: "Examples", tokenizer: PreTrainedTokenizerBase, max_length: int) -> Part:
    """Token ids with the model's special tokens, pairs cut at the longer sentence first."""
    wanted: dict[str, Any] = {"return_attention_mask": False, "verbose": False}
    encoded = tokenizer(examples.text, examples.pair, **wanted)
    too_long = [i for i, ids in enumerate(encoded["input_ids"]) if len(ids) > max_length]
    if too_long:
        long = examples.take(np.array(too_long))
        cut = tokenizer(long.text, long.pair, truncation=True, max_length=max_length, **wanted)
        for name, sequences in cut.items():
            for i, sequence in zip(too_long, sequences, strict=True):
                encoded[name][i] = sequence
    lengths = [len(ids) for ids in encoded["input_ids"]]
    segments = encoded.get("token_type_ids")
    return Part(
        input_ids=_flat(encoded["input_ids"], "int32"),
        token_type_ids=None if segments is None else _flat(segments, "int8"),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=examples.labels,
        truncated=len(too_long),
        rows=examples.rows,
    )


def collate(part: Part, indices: np.ndarray, padding: Padding) -> dict[str, torch.Tensor]:
    """A batch of b examples, padded to its longest on the model's padding side.

    input_ids, attention_mask and, where the model has segments, token_type_ids: int64, shape (b, longest).
    labels: int64 or float32, shape (b,).
    """
    starts, ends = part.offsets[indices], part.offsets[indices + 1]
    lengths = (ends - starts)[:, None]
    width = int(lengths.max())
    columns = np.arange(width)
    if padding.padding_side == "left":
        mask, source = columns >= width - lengths, ends[:, None] - width + columns
    else:
        mask, source = columns < lengths, starts[:, None] + columns
    # Places that are padding may point outside the array.
    source = source.clip(0, len(part.input_ids) - 1)
    batch = {
        "input_ids": np.where(mask, part.input_ids[source], padding.pad_token_id),
        "attention_mask": mask,
        "labels": part.labels[indices],
    }
    if part.token_type_ids is not None:
        batch["token_type_ids"] = np.where(mask, part.token_type_ids[source], padding.pad_token_type_id)
    floating = {"labels"} if part.labels.dtype == np.float32 else set()
    return {
        name: torch.from_numpy(array if name in floating else array.astype(np.int64)) for name, array in batch.items()
    }


def length_sorted_batches(part: Part, batch_size: int) -> list[np.ndarray]:
    """Every example once, as batches of positions, longest first: little padding, and out of memory shows at once."""
    order = np.argsort(-part.lengths, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _flat(sequences: Sequence[Sequence[int]], dtype: str) -> np.ndarray:
    return np.fromiter(itertools.chain.from_iterable(sequences), dtype=dtype)


def _check_tokenizer(tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
    limit = tokenizer.model_max_length
    if not isinstance(limit, int | float) or limit < 1:
        raise ConfigurationError(
            f"model: the model_max_length {limit!r} of its tokenizer_config.json is no number of tokens: correct or "
            "remove it"
        )
    if max_length > limit:
        raise ConfigurationError(
            f"dataset.maxLength {max_length} is more than the model takes: at most {limit}, the "
            "model_max_length of its tokenizer_config.json"
        )


def _digest(*parts: Part) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for array in (part.offsets, part.input_ids, part.token_type_ids, part.labels):
            if array is not None:
                digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()[:16]
