"""Tiny models, random but whole, and a small data set that they can learn."""

import csv
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLNetConfig,
)

from seedsweep.api.finetuning import FineTuning
from trainer.observed import Observed, observed

GOOD = ["fine", "great", "moving", "warm"]
BAD = ["awful", "cold", "dull", "flat"]
NEUTRAL = [f"word{i}" for i in range(40)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = {token: i for i, token in enumerate([*SPECIAL, *GOOD, *BAD, *NEUTRAL])}
LONGEST = 12
INITIALIZER_RANGE = 0.2

_SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    # Ten times the usual, or so small a model would learn nothing in a few steps.
    "initializer_range": INITIALIZER_RANGE,
}
ARCHITECTURES: dict[str, PreTrainedConfig] = {
    "bert": BertConfig(**_SIZES),
    "bert-without-dropout": BertConfig(**_SIZES, hidden_dropout_prob=0, attention_probs_dropout_prob=0),
    "roberta": RobertaConfig(**_SIZES, type_vocab_size=1, bos_token_id=2, eos_token_id=3),
    "albert": AlbertConfig(**_SIZES, embedding_size=16, bos_token_id=2, eos_token_id=3),
    "distilbert": DistilBertConfig(
        vocab_size=len(VOCABULARY),
        dim=16,
        hidden_dim=32,
        n_layers=2,
        n_heads=2,
        max_position_embeddings=40,
        initializer_range=INITIALIZER_RANGE,
    ),
    "xlnet": XLNetConfig(
        vocab_size=len(VOCABULARY),
        d_model=16,
        n_layer=2,
        n_head=2,
        d_inner=32,
        pad_token_id=0,
        initializer_range=INITIALIZER_RANGE,
    ),
    "modernbert": ModernBertConfig(
        **_SIZES, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3, local_attention=8
    ),
    # As published: without a padding token.
    "gpt2": GPT2Config(
        vocab_size=len(VOCABULARY),
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=40,
        bos_token_id=3,
        eos_token_id=3,
        initializer_range=INITIALIZER_RANGE,
    ),
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Nothing here gains from a second thread, and processes that share cores lose by it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each of ARCHITECTURES: random pre-trained weights without a head, and a tokenizer."""
    root = tmp_path_factory.mktemp("checkpoints")
    for name, config in ARCHITECTURES.items():
        save_checkpoint(root / name, config)
    return {name: root / name for name in ARCHITECTURES}


@pytest.fixture(scope="session")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """CSV files train (60 sentences), validation (30), test (30): text, label (bad or good) and value (-1.0 or 1.0)."""
    root = tmp_path_factory.mktemp("sentences")
    source = random.Random(1)
    return {
        part: str(save_sentences(root / f"{part}.csv", count, source))
        for part, count in (("train", 60), ("validation", 30), ("test", 30))
    }


@pytest.fixture
def fine_tuning(checkpoints: dict[str, Path], sentences: dict[str, str]) -> Callable[..., FineTuning]:
    """Makes a configuration for the tiny BERT and the sentences; fields, as in sweep.yaml, replace its own.

    S is 16 (2 epochs of 8 steps, the last of each epoch with 4 examples), E is 4.
    """

    def make(architecture: str = "bert", **fields: Any) -> FineTuning:
        config: dict[str, Any] = {
            "model": str(checkpoints[architecture]),
            "dataset": {**sentences, "maxLength": 16},
            "metric": {"name": "accuracy", "goal": "maximize"},
            "epochs": 2,
            "batchSize": 8,
            "learningRate": "1e-3",
            "evaluationsPerEpoch": 2,
            "precision": "fp32",
        }
        return FineTuning.model_validate(config | fields)

    return make


@pytest.fixture
def observe(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Observed]:
    """Trains an episode in this process, as `observed` does."""
    return partial(observed, monkeypatch)


def save_checkpoint(folder: Path, config: PreTrainedConfig, segments: bool | None = None, **tokenizer: Any) -> None:
    """Random weights, the same every time, with a tokenizer that splits at spaces.

    `segments`: whether the tokenizer tells them; None: as the published one does. `tokenizer`: more of its options.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModel.from_config(config).save_pretrained(folder)
    if segments is None:
        segments = config.model_type in ("bert", "albert", "xlnet")
    make_tokenizer(config.model_type, segments, **tokenizer).save_pretrained(folder)


def save_sentences(path: Path, count: int, source: random.Random) -> Path:
    """Sentences of 3 to LONGEST words, one of which says the label."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "value"])
        for i in range(count):
            words = source.choices(NEUTRAL, k=source.randrange(2, LONGEST))
            words.insert(source.randrange(len(words)), source.choice(GOOD if i % 2 else BAD))
            writer.writerow([" ".join(words), "good" if i % 2 else "bad", 1.0 if i % 2 else -1.0])
    return path


def make_tokenizer(model_type: str, segments: bool, **options: Any) -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", VOCABULARY["[CLS]"]), ("[SEP]", VOCABULARY["[SEP]"])],
    )
    # As published, one for decoders has an end of sequence and no padding.
    special = {"pad_token": "[PAD]", "sep_token": "[SEP]"} if model_type != "gpt2" else {"eos_token": "[SEP]"}
    settings = {
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        **special,
        # As the published XLNet does, whose summary is the last token.
        "padding_side": "left" if model_type == "xlnet" else "right",
        "model_input_names": ["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"],
        "model_max_length": 40,
        **options,
    }
    return PreTrainedTokenizerFast(tokenizer_object=words, **settings)
