"""Whether data, tokenizer and model fit together, judged by their numbers.

Each may be whole and yet not fit the others: more positions than the model has, a token or a segment that it does not
know. Left to the episodes, each of them would fail at the first such example, again and again.
"""

import logging
from collections.abc import Iterator

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.references import rows_of
from seedsweep_trainer.data.tasks import Part, TaskData, parts_of
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.model.loading import position_tables

MOST_UNREAD = 0.5
"""Share of examples that a tokenizer may know less than half of."""

log = logging.getLogger(__name__)


def check_words(config: FineTuning, tokenizer: PreTrainedTokenizerBase, data: TaskData) -> None:
    """Raise ConfigurationError for examples of which the tokenizer makes nothing, or a part that it cannot read."""
    for name, part in parts_of(data).items():
        _check_words(config, tokenizer, name, part)


def check_fit(config: FineTuning, model: PreTrainedModel, data: TaskData) -> None:
    """Raise ConfigurationError where the numbers of the model and of its tokenised data contradict each other."""
    _check_positions(config, model)
    _check_ids(config, model, data, "input_ids", "vocab_size")
    _check_ids(config, model, data, "token_type_ids", "type_vocab_size")
    _check_ends(config, model, data)


def _check_words(config: FineTuning, tokenizer: PreTrainedTokenizerBase, name: str, part: Part) -> None:
    if not (lengths := part.lengths).all():
        raise ConfigurationError(
            f"dataset.columns.text: the tokenizer of model {config.model!r} makes nothing of "
            f"{_place(config, name, part, int(lengths.argmin()))}: fill it in or remove the row"
        )
    unknown = _counts(part, part.input_ids == tokenizer.unk_token_id)
    others = {tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id}
    if tokenizer.unk_token_id in {*others, tokenizer.sep_token_id}:
        unknown[:] = 0
    known = _counts(part, ~np.isin(part.input_ids, tokenizer.all_special_ids))
    unread = known <= unknown
    if unread.mean() > MOST_UNREAD:
        first = _place(config, name, part, int(unread.argmax()))
        raise ConfigurationError(
            f"model {config.model!r}: its tokenizer does not know most words of {int(unread.sum())} of {len(part)} "
            f"examples of {name}, the first in {first}: use the tokenizer that the "
            "model was trained with, or a model for this language"
        )


def _place(config: FineTuning, name: str, part: Part, example: int) -> str:
    """In which row of its source an example is."""
    return rows_of(config.dataset, name).place(int(part.rows[example]))


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
    stated = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if isinstance(stated, int):
        yield stated


def _check_ids(config: FineTuning, model: PreTrainedModel, data: TaskData, what: str, field: str) -> None:
    """`what`: an array of Part, of which `field` of the model's config.json is the count of different values."""
    size = getattr(model.config.get_text_config(), field, None)
    # A model without segments ignores them.
    if not isinstance(size, int) or size == 0:
        return
    kind = "token" if what == "input_ids" else "segment"
    for name, part in parts_of(data).items():
        ids = getattr(part, what)
        if ids is None or not len(ids) or ids.max() < size:
            continue
        place = int(ids.argmax())
        where = _place(config, name, part, int(np.searchsorted(part.offsets, place, side="right")) - 1)
        raise ConfigurationError(
            f"model {config.model!r}: its tokenizer gives {kind} {ids[place]} in {where}, and its "
            f"config.json has a {field} of {size}: use the tokenizer and the config.json that it was trained with"
        )


def _check_ends(config: FineTuning, model: PreTrainedModel, data: TaskData) -> None:
    """Heads of encoder-decoders read the last end of sequence, and take examples that have equally many."""
    end = model.config.eos_token_id
    if not model.config.is_encoder_decoder or not isinstance(end, int):
        return
    counts = {name: _counts(part, part.input_ids == end) for name, part in parts_of(data).items()}
    usual = int(np.bincount(counts["train"]).argmax())
    if not usual:
        raise ConfigurationError(
            f"model {config.model!r}: its tokenizer ends no example with token {end}, the eos_token_id of its "
            "config.json, which its head reads: use the tokenizer that the model was trained with"
        )
    for name, part in parts_of(data).items():
        if (other := counts[name] != usual).any():
            raise ConfigurationError(
                f"dataset.columns.text: {_place(config, name, part, int(other.argmax()))} holds the end of sequence of "
                f"model {config.model!r} (token {end}) as a text: remove it there, for {type(model).__name__} takes "
                "only examples that have equally many"
            )
