"""Whether data, tokenizer and model fit together: judged by their numbers, then by one step on the hardest examples.

Each may be whole and yet not fit the others: more positions than the model has, a token or a segment that it does not
know. Left to the episodes, each of them would fail at the first such example, again and again.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import Padding, Part, TaskData, collate, load_task, parts_of
from seedsweep_trainer.determinism.generators import undisturbed
from seedsweep_trainer.endings import is_out_of_resources
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.model.loading import load_model, position_tables
from seedsweep_trainer.model.pretrained import load_tokenizer
from seedsweep_trainer.training.learner import Learner
from seedsweep_trainer.training.timetable import Timetable

MOST_TO_UPDATE = 500_000_000
"""Parameters of a model up to which the step is a whole one, which takes four times the memory of the weights; a larger
model answers the examples only."""

MOST_UNREAD = 0.5
"""Share of examples that a tokenizer may know less than half of."""

log = logging.getLogger(__name__)


def load_data(config: FineTuning, folder: Path | None = None) -> tuple[PreTrainedTokenizerBase, TaskData]:
    """The model's tokenizer, from a copy of the model in `folder` if given, and the data as it makes it.

    Raises ConfigurationError where configuration, data and tokenizer do not fit together.
    """
    tokenizer = load_tokenizer(config, folder)
    data = load_task(config, tokenizer)
    for name, part in parts_of(data).items():
        _check_words(config, tokenizer, name, part)
    return tokenizer, data


def check_fit(config: FineTuning, model: PreTrainedModel, padding: Padding, data: TaskData) -> None:
    """Raise ConfigurationError where the numbers of the model, its tokenizer and the data contradict each other."""
    _check_positions(config, model)
    _check_padding(config, model, padding)
    _check_ids(config, model, data, "input_ids", "vocab_size")
    _check_ids(config, model, data, "token_type_ids", "type_vocab_size")


def try_step(config: FineTuning, model: PreTrainedModel, padding: Padding, data: TaskData) -> None:
    """Train `model`, which is of no use afterwards, for one step on the examples that ask most of it.

    They come from all parts, test included. Draws no random numbers that anyone would miss. Raises ConfigurationError
    where the step fails or comes to nothing finite.
    """
    batches = [collate(part, chosen, padding) for part, chosen in _hardest(data)]
    with undisturbed(model.device):
        try:
            is_finite = _step(config, model, data, batches)
        except Exception as error:
            if is_out_of_resources(error) or isinstance(error, ConfigurationError):
                raise
            log.warning("the trial step failed", exc_info=error)
            raise ConfigurationError(_failed(config, model, data)) from error
    if not is_finite:
        raise ConfigurationError(
            f"model {config.model!r} gives a loss that is not finite before it has been trained: "
            "check that its weights are whole and finite"
        )


def try_out(config: FineTuning, padding: Padding, data: TaskData, device: torch.device, folder: Path | None) -> int:
    """Load the model, from a copy in `folder` if given, judge it with its data, and try a step; counts its parameters.

    Raises ConfigurationError as an attempt would.
    """
    model, _ = load_model(config, data, padding, weight_init=0, folder=folder)
    check_fit(config, model, padding, data)
    try_step(config, model.to(device), padding, data)  # type: ignore[arg-type]  # of transformers' wrapper
    return sum(parameter.numel() for parameter in model.parameters())


def _step(config: FineTuning, model: PreTrainedModel, data: TaskData, batches: list[dict[str, torch.Tensor]]) -> bool:
    """Whether loss and weights are finite after it."""
    if sum(parameter.numel() for parameter in model.parameters()) > MOST_TO_UPDATE:
        model.eval()  # type: ignore[no-untyped-call]
        with torch.inference_mode():
            answers = [
                model(**{name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"}).logits
                for batch in batches
            ]
        return all(bool(answer.isfinite().all()) for answer in answers)
    model.train()
    learner = Learner(model, config.evolve(compile=False), Timetable.of(config, len(data.train)))
    learner.update(0, batches)
    return learner.is_finite()


def _hardest(data: TaskData) -> Iterator[tuple[Part, np.ndarray]]:
    """The longest example and those with the highest token and segment of all parts; with them the shortest one of
    train, so that there is something to pad."""
    parts = list(parts_of(data).values())
    chosen: list[set[int]] = [set() for _ in parts]
    for measure in (_lengths, _highest_tokens, _highest_segments):
        values = [measure(part) for part in parts]
        hardest = max(range(len(parts)), key=lambda i: values[i].max())
        chosen[hardest].add(int(values[hardest].argmax()))
    chosen[0] |= {int(_lengths(parts[0]).argmin()), int(_lengths(parts[0]).argmax())}
    for part, positions in zip(parts, chosen, strict=True):
        if positions:
            yield part, np.array(sorted(positions))


def _lengths(part: Part) -> np.ndarray:
    return np.diff(part.offsets)


def _highest_tokens(part: Part) -> np.ndarray:
    return np.maximum.reduceat(part.input_ids, part.offsets[:-1])


def _highest_segments(part: Part) -> np.ndarray:
    if part.token_type_ids is None:
        return np.zeros(len(part), dtype=np.int8)
    return np.maximum.reduceat(part.token_type_ids, part.offsets[:-1])


def _check_words(config: FineTuning, tokenizer: PreTrainedTokenizerBase, name: str, part: Part) -> None:
    if not (lengths := _lengths(part)).all():
        raise ConfigurationError(
            f"dataset.columns.text: the tokenizer of model {config.model!r} makes nothing of row "
            f"{part.rows[lengths.argmin()]} of {name} (from 0): fill it in or remove the row"
        )
    unknown = _counts(part, part.input_ids == tokenizer.unk_token_id)
    others = {tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id}
    if tokenizer.unk_token_id in {*others, tokenizer.sep_token_id}:
        unknown[:] = 0
    known = _counts(part, ~np.isin(part.input_ids, tokenizer.all_special_ids))
    unread = known <= unknown
    if unread.mean() > MOST_UNREAD:
        raise ConfigurationError(
            f"model {config.model!r}: its tokenizer does not know most words of {int(unread.sum())} of {len(part)} "
            f"examples of {name} (the first is row {part.rows[unread.argmax()]}, from 0): use the tokenizer that the "
            "model was trained with, or a model for this language"
        )


def _counts(part: Part, tokens: np.ndarray) -> np.ndarray:
    """How many of its tokens each example has of those that are chosen by a mask."""
    return np.add.reduceat(tokens.astype(np.int64), part.offsets[:-1])


def _check_positions(config: FineTuning, model: PreTrainedModel) -> None:
    """Of every input up to maxLength, not only of those that the data has today."""
    limits = [limit for limit in _position_limits(model) if limit > 0]
    if limits and config.dataset.max_length > min(limits):
        raise ConfigurationError(
            f"dataset.maxLength {config.dataset.max_length} is more than the model takes: at most {min(limits)}, the "
            f"positions that model {config.model!r} has"
        )


def _position_limits(model: PreTrainedModel) -> Iterator[int]:
    # In a table that has a padding token, as RoBERTa's, positions are counted from behind it.
    for table in position_tables(model):
        reserved = table.padding_idx + 1 if table.padding_idx is not None else int(getattr(table, "offset", 0))
        yield table.num_embeddings - reserved
    stated = getattr(model.config, "max_position_embeddings", None)
    if isinstance(stated, int):
        yield stated


def _check_padding(config: FineTuning, model: PreTrainedModel, padding: Padding) -> None:
    size, token = getattr(model.config, "vocab_size", None), int(padding.pad_token_id)
    if isinstance(size, int) and not 0 <= token < size:
        raise ConfigurationError(
            f"model {config.model!r}: its tokenizer pads with token {token}, and its config.json has a vocab_size of "
            f"{size}: set pad_token in tokenizer_config.json to a token that the model has, such as its end of sequence"
        )


def _check_ids(config: FineTuning, model: PreTrainedModel, data: TaskData, what: str, field: str) -> None:
    """`what`: an array of Part, of which `field` of the model's config.json is the count of different values."""
    size = getattr(model.config, field, None)
    # A model without segments ignores them.
    if not isinstance(size, int) or size == 0:
        return
    kind = "token" if what == "input_ids" else "segment"
    for name, part in parts_of(data).items():
        ids = getattr(part, what)
        if ids is None or not len(ids) or ids.max() < size:
            continue
        place = int(ids.argmax())
        row = part.rows[np.searchsorted(part.offsets, place, side="right") - 1]
        raise ConfigurationError(
            f"model {config.model!r}: its tokenizer gives {kind} {ids[place]} (row {row} of {name}, from 0), and its "
            f"config.json has a {field} of {size}: use the tokenizer and the config.json that it was trained with"
        )


def _failed(config: FineTuning, model: PreTrainedModel, data: TaskData) -> str:
    parts = parts_of(data).values()
    return (
        f"model {config.model!r} cannot be trained on this data: a step of {type(model).__name__} failed on the "
        f"longest examples ({max(int(_lengths(part).max()) for part in parts)} tokens) and the highest token "
        f"({max(int(part.input_ids.max()) for part in parts)}); use the tokenizer and the config.json that the model "
        "was trained with, or another model"
    )
