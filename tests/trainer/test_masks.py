"""A mask that nobody has to look into on a GPU changes no bit of what a model answers."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import collate, load_task
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.model.masks import settled_mask
from seedsweep_trainer.model.pretrained import load_tokenizer


@pytest.mark.parametrize("architecture", ["bert", "roberta", "albert", "distilbert", "xlnet", "modernbert", "gpt2"])
@pytest.mark.parametrize("padded", [True, False])
def test_answers_are_the_same_in_every_bit(
    architecture: str, padded: bool, fine_tuning: Callable[..., FineTuning]
) -> None:
    config = fine_tuning(architecture)
    tokenizer = load_tokenizer(config)
    data = load_task(config, tokenizer)
    model = load_model(config, data, tokenizer, 1)[0].eval()
    lengths = np.diff(data.train.offsets)
    chosen = np.arange(8) if padded else np.flatnonzero(lengths == lengths[0])
    batch = collate(data.train, chosen, tokenizer)
    del batch["labels"]
    assert bool(batch["attention_mask"].all()) == (not padded)
    settled = settled_mask(model, batch)
    if architecture in ("bert", "roberta", "albert", "distilbert"):
        assert ("attention_mask" in settled) == padded
    else:
        assert settled is batch
    with torch.inference_mode():
        assert torch.equal(model(**settled).logits, model(**batch).logits)
