"""Random models of published shapes and made-up sentences, so that speed can be measured where no model is at hand."""

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from seedsweep.api.finetuning import FineTuning

# Layers, hidden size, heads.
SHAPES = {"tiny": (1, 64, 2), "minilm": (6, 384, 12), "base": (12, 768, 12), "large": (24, 1024, 16)}
VOCABULARY = 30522
LONGEST = 128


def make(folder: Path, shape: str, train: int, validation: int, median: int = 20) -> FineTuning:
    """Write a model of this shape and so many sentences; a configuration of 3 epochs with 10 evaluations each.

    `median` words: 20 are film reviews' sentences, with one in a hundred of above 60 tokens.
    """
    layers, hidden, heads = SHAPES[shape]
    config = BertConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder / "model")
    _tokenizer().save_pretrained(folder / "model")
    source = np.random.default_rng(0)
    for name, count in (("train", train), ("validation", validation)):
        (folder / f"{name}.csv").write_text(
            "text,label\n" + "".join(_sentence(source, i, median) for i in range(count))
        )
    return FineTuning.model_validate(
        {
            "model": str(folder / "model"),
            "dataset": {
                "train": str(folder / "train.csv"),
                "validation": str(folder / "validation.csv"),
                "maxLength": LONGEST,
            },
            "metric": {"name": "accuracy", "goal": "maximize"},
            "epochs": 3,
            "evaluationsPerEpoch": 10,
        }
    )


def _sentence(source: np.random.Generator, i: int, median: int) -> str:
    length = min(LONGEST - 2, max(2, round(source.lognormal(np.log(median), 0.5))))
    words = source.integers(len(_SPECIAL), VOCABULARY, length)
    return f"{' '.join(f'w{word}' for word in words)},{'yes' if i % 2 else 'no'}\n"


_SPECIAL = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}


def _tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel(_SPECIAL | {f"w{i}": i for i in range(4, VOCABULARY)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=512,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
