"""Data, tokenizer and model that do not fit together are refused before any step, once, with what to change."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BartConfig,
    BertConfig,
    DebertaV2Config,
    FNetConfig,
    GPT2Config,
    ModernBertConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen3_5Config,
    RobertaConfig,
)

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep_trainer.__main__ import main
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.inputs import load_data
from seedsweep_trainer.jobs.warm_up import warm_up
from seedsweep_trainer.model.fit import check_fit
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.training import trial
from seedsweep_trainer.training.step import Learner
from seedsweep_trainer.training.trial import try_step
from trainer.conftest import ARCHITECTURES, VOCABULARY, save_checkpoint
from trainer.observed import Observed, different

Make = Callable[..., FineTuning]
TINY: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "pad_token_id": 0,
}
GPT2: dict[str, Any] = {"vocab_size": len(VOCABULARY), "n_embd": 16, "n_layer": 1, "n_head": 2, "eos_token_id": 3}

BART = BartConfig(
    vocab_size=len(VOCABULARY),
    d_model=16,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=32,
    decoder_ffn_dim=32,
    max_position_embeddings=40,
    pad_token_id=0,
    eos_token_id=3,
)


def judged(config: FineTuning) -> PreTrainedModel:
    """The model, as `check` judges it."""
    tokenizer, data = load_data(config)
    model, _ = load_model(config, data, tokenizer, 0)
    check_fit(config, model, data)
    try_step(config, model, tokenizer, data)
    return model


def edited(folder: Path, file: str, **values: Any) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def longer_test(sentences: dict[str, str], folder: Path, line: str) -> dict[str, str]:
    """The data set, with one more row in its test part."""
    path = folder / "more.csv"
    path.write_text(Path(sentences["test"]).read_text() + line + "\n")
    return {**sentences, "test": str(path)}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_fits_is_not_refused(architecture: str, fine_tuning: Make) -> None:
    judged(fine_tuning(architecture))


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        (BertConfig(**TINY, max_position_embeddings=14), 14),
        (RobertaConfig(**TINY, type_vocab_size=1, max_position_embeddings=16), 15),
        (OPTConfig(**TINY, ffn_dim=32, word_embed_proj_dim=16, eos_token_id=3, max_position_embeddings=14), 14),
        (GPT2Config(**GPT2, n_positions=13), 13),
        (ModernBertConfig(**TINY, cls_token_id=2, sep_token_id=3, max_position_embeddings=12, local_attention=8), 12),
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)
def test_more_tokens_than_the_model_has_positions_are_refused_though_its_tokenizer_sets_no_limit(
    config: PreTrainedConfig, limit: int, tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]
) -> None:
    save_checkpoint(tmp_path / "model", config, model_max_length=int(1e30))
    model = str(tmp_path / "model")
    says = rf"dataset.maxLength {limit + 1} is more than the model takes: at most {limit}, the positions"
    with pytest.raises(ConfigurationError, match=says):
        judged(fine_tuning(model=model, dataset={**sentences, "maxLength": limit + 1}))
    judged(fine_tuning(model=model, dataset={**sentences, "maxLength": limit}))


def test_segments_that_the_model_does_not_have_are_refused(
    tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]
) -> None:
    save_checkpoint(tmp_path / "model", BertConfig(**TINY, type_vocab_size=2, max_position_embeddings=64))
    edited_pairs = json.loads((tmp_path / "model" / "tokenizer.json").read_text())
    for piece in edited_pairs["post_processor"]["pair"]:
        next(iter(piece.values()))["type_id"] *= 2
    (tmp_path / "model" / "tokenizer.json").write_text(json.dumps(edited_pairs))
    pairs = {**sentences, "maxLength": 16, "columns": {"textPair": "value"}}
    with pytest.raises(
        ConfigurationError,
        match=r"gives segment 2 in row 2 of dataset.train .* \(row 1 is the header\), .* type_vocab_size of 2",
    ):
        judged(fine_tuning(model=str(tmp_path / "model"), dataset=pairs))


@pytest.mark.parametrize(
    "config",
    [
        RobertaConfig(**TINY, type_vocab_size=1, max_position_embeddings=64),
        DebertaV2Config(**TINY, type_vocab_size=0, max_position_embeddings=64),
    ],
    ids=lambda config: str(config.model_type),
)
def test_segments_of_a_pair_are_left_out_where_the_model_has_none(
    config: PreTrainedConfig, tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]
) -> None:
    save_checkpoint(tmp_path / "model", config, segments=True)
    judged(
        fine_tuning(
            model=str(tmp_path / "model"), dataset={**sentences, "maxLength": 16, "columns": {"textPair": "value"}}
        )
    )


def test_a_token_that_the_model_does_not_have_is_refused_with_its_row_though_only_the_test_set_has_it(
    tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]
) -> None:
    save_checkpoint(tmp_path / "model", ARCHITECTURES["bert"])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    tokenizer.add_tokens(["newword"])
    tokenizer.save_pretrained(tmp_path / "model")
    config = fine_tuning(model=str(tmp_path / "model"))
    judged(config)
    dataset = {**longer_test(sentences, tmp_path, "fine newword,good,1.0"), "maxLength": 16}
    says = rf"gives token {len(VOCABULARY)} in row 32 of dataset.test .*, and its .* vocab_size of {len(VOCABULARY)}"
    with pytest.raises(ConfigurationError, match=says):
        judged(fine_tuning(model=str(tmp_path / "model"), dataset=dataset))


@pytest.mark.parametrize("architecture", ["gpt2", "bert"])
def test_a_padding_token_that_the_model_does_not_have_is_refused(
    architecture: str, tmp_path: Path, fine_tuning: Make
) -> None:
    save_checkpoint(tmp_path / "model", ARCHITECTURES[architecture])
    edited(tmp_path / "model", "tokenizer_config.json", pad_token="[NEW]")
    says = rf"pads with token {len(VOCABULARY)}, .* vocab_size of {len(VOCABULARY)}: set pad_token .* end of sequence"
    with pytest.raises(ConfigurationError, match=says):
        judged(fine_tuning(model=str(tmp_path / "model")))


def test_a_tokenizer_without_padding_pads_with_its_end_of_sequence(fine_tuning: Make) -> None:
    tokenizer, _ = load_data(fine_tuning("gpt2"))
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (3, 3)


def with_pictures(folder: Path, **text: Any) -> None:
    """A checkpoint of a decoder of texts and pictures, whose configuration has one of its own for texts."""
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
    sizes = {**TINY, "num_key_value_heads": 2, "head_dim": 8, "layer_types": ["full_attention"]}
    pictures = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    config = Qwen3_5Config(text_config={**sizes, "rope_parameters": rope, **text}, vision_config=pictures)
    save_checkpoint(folder, config)


@pytest.mark.parametrize("theirs", [None, 4])
def test_a_model_of_texts_and_pictures_pads_as_its_tokenizer_does(
    theirs: int | None, tmp_path: Path, fine_tuning: Make
) -> None:
    with_pictures(tmp_path / "model", pad_token_id=theirs)
    config = fine_tuning(model=str(tmp_path / "model"))
    # Their own tokenizer is of a kind that splits otherwise.
    tokenizer, data = load_data(fine_tuning())
    model, _ = load_model(config, data, tokenizer, 0)
    try_step(config, model, tokenizer, data)
    model.save_pretrained(tmp_path / "saved")
    saved = AutoConfig.from_pretrained(tmp_path / "saved")
    assert saved.pad_token_id == saved.text_config.pad_token_id == 0


def test_a_token_that_a_model_of_texts_and_pictures_does_not_have_is_refused(tmp_path: Path, fine_tuning: Make) -> None:
    with_pictures(tmp_path / "model", vocab_size=30)
    config = fine_tuning(model=str(tmp_path / "model"))
    tokenizer, data = load_data(fine_tuning())
    model, _ = load_model(config, data, tokenizer, 0)
    with pytest.raises(ConfigurationError, match="a vocab_size of 30: use the tokenizer"):
        check_fit(config, model, data)


def test_a_tokenizer_with_neither_padding_nor_end_of_sequence_is_refused(tmp_path: Path, fine_tuning: Make) -> None:
    save_checkpoint(tmp_path / "model", ARCHITECTURES["gpt2"], eos_token=None)
    with pytest.raises(ConfigurationError, match="has neither a padding token nor an end of sequence: set pad_token"):
        judged(fine_tuning(model=str(tmp_path / "model")))


@pytest.mark.parametrize("architecture", ["bert", "roberta", "albert", "distilbert", "xlnet", "gpt2"])
def test_a_model_without_the_files_of_its_tokenizer_is_refused(
    architecture: str, tmp_path: Path, fine_tuning: Make
) -> None:
    save_checkpoint(tmp_path / "model", ARCHITECTURES[architecture])
    for file in (tmp_path / "model").glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ConfigurationError, match="has no tokenizer: put the files of its tokenizer beside its weights"):
        judged(fine_tuning(model=str(tmp_path / "model")))


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_texts_of_which_the_tokenizer_knows_next_to_nothing_are_refused(
    part: str, tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]
) -> None:
    path = tmp_path / "foreign.csv"
    path.write_text("text,label\n" + "".join(f"un mot dull {i},{('bad', 'good')[i % 2]}\n" for i in range(40)))
    dataset = {**sentences, part: str(path), "maxLength": 16}
    says = (
        rf"its tokenizer does not know most words of 40 of 40 examples of {part}, the first in row 2 of dataset.{part} "
    )
    with pytest.raises(ConfigurationError, match=says):
        judged(fine_tuning(dataset=dataset))


@pytest.mark.parametrize(
    ("config", "side", "remedy"),
    [
        # It has no attention mask.
        (
            FNetConfig(**{**TINY, "max_position_embeddings": 40}),
            "right",
            "use a model that masks padding, such as BERT",
        ),
        (ARCHITECTURES["bert"], "left", "set padding_side to right in its tokenizer_config.json"),
        (ARCHITECTURES["gpt2"], "left", "set padding_side to right in its tokenizer_config.json"),
    ],
    ids=["fnet", "bert", "gpt2"],
)
def test_a_model_whose_answers_depend_on_padding_is_refused(
    config: PreTrainedConfig, side: str, remedy: str, tmp_path: Path, fine_tuning: Make
) -> None:
    save_checkpoint(tmp_path / "model", config, padding_side=side)
    with pytest.raises(ConfigurationError, match=rf"padding changes what .* answers, .*: {remedy}"):
        judged(fine_tuning(model=str(tmp_path / "model")))


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_an_end_of_sequence_in_a_text_is_refused_with_its_row_where_the_head_counts_them(
    part: str, tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]
) -> None:
    save_checkpoint(tmp_path / "model", BART)
    judged(fine_tuning(model=str(tmp_path / "model")))
    path = tmp_path / "more.csv"
    path.write_text(Path(sentences[part]).read_text() + "[SEP] fine,good,1.0\n")
    row = len(path.read_text().splitlines())
    with pytest.raises(ConfigurationError, match=rf"row {row} of dataset.{part} .* holds the end of sequence"):
        judged(fine_tuning(model=str(tmp_path / "model"), dataset={**sentences, part: str(path), "maxLength": 16}))


def test_a_tokenizer_that_ends_no_sequence_is_refused_where_the_head_reads_the_end(
    tmp_path: Path, fine_tuning: Make
) -> None:
    save_checkpoint(tmp_path / "model", BART)
    edited(tmp_path / "model", "config.json", eos_token_id=1)
    with pytest.raises(ConfigurationError, match=r"ends no example with token 1, the eos_token_id of its config.json"):
        judged(fine_tuning(model=str(tmp_path / "model")))


def test_a_few_unknown_words_are_not_refused(tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]) -> None:
    dataset = {**longer_test(sentences, tmp_path, "un mot inconnu,good,1.0"), "maxLength": 16}
    judged(fine_tuning(dataset=dataset))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, fine_tuning: Make) -> None:
    save_checkpoint(tmp_path / "model", ARCHITECTURES["bert"])
    file = tmp_path / "model" / "model.safetensors"
    weights = load_file(file)
    weights["encoder.layer.1.output.dense.bias"][0] = torch.nan
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(ConfigurationError, match="gives a loss that is not finite before it has been trained"):
        judged(fine_tuning(model=str(tmp_path / "model")))


def test_a_model_that_fails_at_its_hardest_examples_is_refused_in_our_own_words(
    fine_tuning: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise NotImplementedError("of nobody's words")

    monkeypatch.setattr(Learner, "update", fail)
    with pytest.raises(
        ConfigurationError, match=r"a step of BertFor.* failed on the longest examples \(\d+ tokens\)"
    ) as e:
        judged(fine_tuning())
    assert "nobody" not in str(e.value)


def test_a_failure_before_the_model_is_asked_is_not_told_as_the_models(
    fine_tuning: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AttributeError

    monkeypatch.setattr(Learner, "__init__", fail)
    with pytest.raises(AttributeError):
        judged(fine_tuning())


def test_memory_that_runs_out_in_the_trial_is_told_as_that(fine_tuning: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Learner, "update", fail)
    with pytest.raises(MemoryError):
        judged(fine_tuning())


def test_the_trial_takes_the_hardest_examples_of_all_parts_and_something_to_pad(
    tmp_path: Path, fine_tuning: Make, sentences: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    monkeypatch.setattr(Learner, "update", lambda _self, _step, batches: seen.extend(batches))
    dataset = {**longer_test(sentences, tmp_path, f"{'word39 ' * 13}dull,bad,-1.0"), "maxLength": 16}
    judged(fine_tuning(dataset=dataset))
    assert max(batch["input_ids"].shape[1] for batch in seen) == 16
    assert max(int(batch["input_ids"].max()) for batch in seen) == VOCABULARY["word39"]
    assert any((batch["attention_mask"] == 0).any() for batch in seen)
    assert sum(len(batch["labels"]) for batch in seen) <= 6


def test_a_model_too_large_to_be_trained_for_a_trial_answers_the_examples_only(
    fine_tuning: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "MOST_TO_UPDATE", 10)
    before = judged(fine_tuning())
    fresh, _ = load_model(fine_tuning(), load_data(fine_tuning())[1], load_data(fine_tuning())[0], 0)
    assert not different(before.state_dict(), fresh.state_dict())


def test_the_trial_draws_no_random_numbers_that_anyone_misses(fine_tuning: Make) -> None:
    config = fine_tuning()
    tokenizer, data = load_data(config)
    model, _ = load_model(config, data, tokenizer, 0)
    before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].tolist(), random.getstate()
    try_step(config, model, tokenizer, data)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state(legacy=False)["state"]["key"].tolist(), random.getstate()) == before[1:]


# --- in both worlds


@pytest.fixture
def too_long(tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]) -> FineTuning:
    """A model with 13 positions for 16 tokens, whose tokenizer sets no limit."""
    save_checkpoint(tmp_path / "model", BertConfig(**TINY, max_position_embeddings=13), model_max_length=int(1e30))
    return fine_tuning(model=str(tmp_path / "model"))


def test_check_ends_with_the_code_of_a_bad_configuration(
    too_long: FineTuning, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(Env.CONFIG, too_long.model_dump_json(by_alias=True))
    assert main(["check"]) == ExitCode.BAD_CONFIGURATION
    assert "Traceback" not in capsys.readouterr().err


def test_the_warm_up_refuses_it(too_long: FineTuning, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="maxLength 16 is more than the model takes: at most 13"):
            warm_up(too_long, str(tmp_path / "sweep"))


def test_an_attempt_refuses_it(too_long: FineTuning, observe: Callable[..., Observed]) -> None:
    with pytest.raises(ConfigurationError, match="maxLength 16 is more than the model takes: at most 13"):
        observe(too_long)


def test_an_attempt_that_fails_where_the_trial_fails_too_is_a_bad_configuration(
    fine_tuning: Make, observe: Callable[..., Observed], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise IndexError("index out of range in self")

    monkeypatch.setattr(Learner, "update", fail)

    def spoil(step: int, _learner: Learner) -> None:
        if step == 2:
            raise IndexError("index out of range in self")

    with pytest.raises(ConfigurationError, match="cannot be trained on this data"):
        observe(fine_tuning(), before_step=spoil)


def test_an_attempt_that_fails_where_the_trial_does_not_is_tried_again(
    fine_tuning: Make, observe: Callable[..., Observed]
) -> None:
    def spoil(step: int, _learner: Learner) -> None:
        if step == 2:
            raise RuntimeError("a GPU has hiccups")

    with pytest.raises(RuntimeError, match="hiccups"):
        observe(fine_tuning(), before_step=spoil)
