"""Which tensors of a model are drawn from the weight-init seed, how, and which checkpoints are refused."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertModel,
    DistilBertConfig,
    GPT2Config,
    PreTrainedModel,
    RobertaConfig,
)

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import load_task
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.model.loading import initialise, load_model, tensors_digest
from seedsweep_trainer.model.pretrained import load_tokenizer
from trainer.conftest import ARCHITECTURES, INITIALIZER_RANGE, save_checkpoint
from trainer.observed import different

Make = Callable[..., FineTuning]
WEIGHTS = "model.safetensors"
NEW_TENSORS = {
    "bert": {"classifier.weight", "classifier.bias"},
    "roberta": {f"classifier.{part}.{kind}" for part in ("dense", "out_proj") for kind in ("weight", "bias")},
    "albert": {"classifier.weight", "classifier.bias"},
    "distilbert": {f"{part}.{kind}" for part in ("pre_classifier", "classifier") for kind in ("weight", "bias")},
    "modernbert": {"head.dense.weight", "head.norm.weight", "classifier.weight", "classifier.bias"},
    "gpt2": {"score.weight"},
    "xlnet": {f"{part}.{kind}" for part in ("sequence_summary.summary", "logits_proj") for kind in ("weight", "bias")},
}


def load(config: FineTuning, weight_init: int = 1) -> tuple[PreTrainedModel, str]:
    tokenizer = load_tokenizer(config)
    return load_model(config, load_task(config, tokenizer), tokenizer, weight_init)


def parameters(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def stored(folder: Path, without: tuple[str, ...] = (), **replaced: torch.Tensor) -> None:
    """Rewrite a checkpoint's weights."""
    tensors = load_file(folder / WEIGHTS) | replaced
    save_file({name: tensors[name] for name in tensors if name not in without}, folder / WEIGHTS, {"format": "pt"})


def with_head(folder: Path, checkpoint: Path, **config: Any) -> Path:
    """A checkpoint with a head, that comes with `config`."""
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, **config)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(folder)
    return folder


@pytest.fixture
def headless(tmp_path: Path) -> Path:
    """A copy of the tiny BERT to change."""
    save_checkpoint(tmp_path / "headless", ARCHITECTURES["bert"])
    return tmp_path / "headless"


@pytest.mark.parametrize("architecture", NEW_TENSORS)
def test_the_tensors_that_a_checkpoint_lacks_are_drawn_and_no_others(
    architecture: str, fine_tuning: Make, checkpoints: dict[str, Path]
) -> None:
    config = fine_tuning(architecture)
    one, other = (parameters(load(config, weight_init)[0]) for weight_init in (1, 2))
    drawn = {name for name in one if not torch.equal(one[name], other[name])}
    # Biases and normalisation are new too, but zero and one whatever the seed.
    assert drawn == {name for name in NEW_TENSORS[architecture] if name.endswith("weight") and "norm" not in name}
    theirs = load_file(checkpoints[architecture] / WEIGHTS)
    prefix = f"{load(config)[0].base_model_prefix}."
    for name in one.keys() - NEW_TENSORS[architecture]:
        assert torch.equal(one[name], theirs[name.removeprefix(prefix)])


def test_new_tensors_follow_the_scheme_of_the_model(headless: Path, fine_tuning: Make) -> None:
    stored(headless, without=("pooler.dense.weight", "pooler.dense.bias"))
    drawn = parameters(load(fine_tuning(model=str(headless)))[0])
    assert drawn["bert.pooler.dense.weight"].std().item() == pytest.approx(INITIALIZER_RANGE, rel=0.15)
    assert drawn["bert.pooler.dense.weight"].mean().item() == pytest.approx(0, abs=0.05)
    assert drawn["classifier.weight"].std().item() == pytest.approx(INITIALIZER_RANGE, rel=0.4)
    assert not drawn["bert.pooler.dense.bias"].any()
    assert not drawn["classifier.bias"].any()


def test_a_new_tensor_is_the_same_whichever_others_are_new(headless: Path, fine_tuning: Make) -> None:
    config = fine_tuning(model=str(headless))
    alone = parameters(load(config)[0])["classifier.weight"].clone()
    stored(headless, without=("pooler.dense.weight",))
    with_pooler = parameters(load(config)[0])
    stored(headless, without=("pooler.dense.weight", "pooler.dense.bias"))
    with_more = parameters(load(config)[0])
    assert torch.equal(alone, with_pooler["classifier.weight"])
    assert torch.equal(alone, with_more["classifier.weight"])
    assert torch.equal(with_pooler["bert.pooler.dense.weight"], with_more["bert.pooler.dense.weight"])


def test_drawing_one_tensor_leaves_those_drawn_before_alone(fine_tuning: Make) -> None:
    model, _ = load(fine_tuning())
    name = "bert.pooler.dense.weight"
    initialise(model, [name], weight_init=1)
    alone = model.get_parameter(name).detach().clone()
    initialise(model, [name, "bert.pooler.dense.bias", "classifier.weight"], weight_init=1)
    assert torch.equal(model.get_parameter(name), alone)


def test_new_tensors_of_equal_shape_are_not_equal(fine_tuning: Make) -> None:
    model, _ = load(fine_tuning())
    names = [f"bert.encoder.layer.{i}.output.dense.weight" for i in (0, 1)]
    initialise(model, names, weight_init=1)
    assert not torch.equal(*(model.get_parameter(name) for name in names))


def test_drawing_does_not_disturb_the_generator(fine_tuning: Make) -> None:
    model, _ = load(fine_tuning())
    before = torch.get_rng_state()
    initialise(model, ["classifier.weight"], weight_init=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_tensor_that_nothing_initialises_is_refused(fine_tuning: Make) -> None:
    model, _ = load(fine_tuning())
    model.strange = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(ConfigurationError, match="lacks strange, which BertForSequenceClassification does not say"):
        initialise(model, ["strange"], weight_init=1)


def test_the_digest_tells_initialisations_apart_and_nothing_else(fine_tuning: Make) -> None:
    config = fine_tuning()
    digests = [load(config, weight_init)[1] for weight_init in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 16
    model, digest = load(config)
    with torch.no_grad():
        model.get_parameter("bert.pooler.dense.weight").zero_()
    assert tensors_digest(model, ["classifier.bias", "classifier.weight"]) == digest


def test_a_head_that_the_checkpoint_brings_is_drawn_anew(
    tmp_path: Path, checkpoints: dict[str, Path], fine_tuning: Make
) -> None:
    trained = with_head(tmp_path / "trained", checkpoints["bert"], num_labels=2)
    renewed, headless = load(fine_tuning(model=str(trained))), load(fine_tuning())
    assert torch.equal(renewed[0].get_parameter("classifier.weight"), headless[0].get_parameter("classifier.weight"))
    assert renewed[1] == headless[1]


def test_what_the_checkpoint_has_of_the_head_below_the_output_layer_stays(tmp_path: Path, fine_tuning: Make) -> None:
    save_checkpoint(tmp_path / "masked", ARCHITECTURES["modernbert"])
    masked = AutoModelForMaskedLM.from_config(ARCHITECTURES["modernbert"])
    with torch.no_grad():
        masked.head.norm.weight.fill_(0.5)
    masked.save_pretrained(tmp_path / "masked")
    config = fine_tuning(model=str(tmp_path / "masked"))
    one, other = (parameters(load(config, weight_init)[0]) for weight_init in (1, 2))
    assert {name for name in one if not torch.equal(one[name], other[name])} == {"classifier.weight"}
    assert torch.equal(one["head.dense.weight"], masked.head.dense.weight)
    assert torch.equal(one["head.norm.weight"], masked.head.norm.weight)


def test_parts_that_are_named_are_drawn_too_and_no_others(fine_tuning: Make, checkpoints: dict[str, Path]) -> None:
    top = ["bert.pooler", "bert.encoder.layer.1", "bert.encoder.layer.0.output.dense.weight"]
    model, digest = load(fine_tuning(reinit=top))
    drawn, theirs = parameters(model), load_file(checkpoints["bert"] / WEIGHTS)
    changed = {
        name
        for name in drawn.keys() - {"classifier.weight", "classifier.bias"}
        if not torch.equal(drawn[name], theirs[name.removeprefix("bert.")])
    }
    matrices = {name for name in drawn if drawn[name].ndim == 2 and name.startswith(tuple(top))}
    assert changed == matrices
    assert not drawn["bert.pooler.dense.bias"].any()
    assert (drawn["bert.encoder.layer.1.output.LayerNorm.weight"] == 1).all()
    assert digest not in ("", load(fine_tuning())[1])


def test_a_kept_head_may_stand_on_parts_that_are_drawn(
    tmp_path: Path, checkpoints: dict[str, Path], fine_tuning: Make
) -> None:
    trained = with_head(tmp_path / "trained", checkpoints["bert"], id2label={0: "bad", 1: "good"})
    model, digest = load(fine_tuning(model=str(trained), head="keep", reinit=["bert.pooler"]))
    theirs = load_file(trained / WEIGHTS)
    assert torch.equal(model.get_parameter("classifier.weight"), theirs["classifier.weight"])
    assert not torch.equal(model.get_parameter("bert.pooler.dense.weight"), theirs["bert.pooler.dense.weight"])
    assert digest


def test_a_part_to_draw_that_the_model_does_not_have_is_refused(fine_tuning: Make) -> None:
    with pytest.raises(ConfigurationError, match=r"reinit 'bert.poler' is not a part.*did you mean 'bert.pooler'"):
        load(fine_tuning(reinit=["bert.poler"]))


def test_a_head_of_another_size_is_drawn_anew(tmp_path: Path, checkpoints: dict[str, Path], fine_tuning: Make) -> None:
    three = with_head(tmp_path / "three", checkpoints["bert"], num_labels=3)
    assert load(fine_tuning(model=str(three)))[0].get_parameter("classifier.weight").shape == (2, 16)


def test_a_kept_head_is_the_checkpoints_own(tmp_path: Path, checkpoints: dict[str, Path], fine_tuning: Make) -> None:
    trained = with_head(tmp_path / "trained", checkpoints["bert"], id2label={0: "bad", 1: "good"})
    model, digest = load(fine_tuning(model=str(trained), head="keep"))
    assert torch.equal(model.get_parameter("classifier.weight"), load_file(trained / WEIGHTS)["classifier.weight"])
    assert digest == ""


def test_a_kept_head_that_is_not_there_is_refused(fine_tuning: Make) -> None:
    with pytest.raises(ConfigurationError, match=r"head 'keep'.* has no classifier.bias, classifier.weight"):
        load(fine_tuning(head="keep"))


def test_a_kept_head_of_another_size_is_refused(
    tmp_path: Path, checkpoints: dict[str, Path], fine_tuning: Make
) -> None:
    three = with_head(tmp_path / "three", checkpoints["bert"], num_labels=3)
    with pytest.raises(ConfigurationError, match="of the right size for 2 labels; use head: reinit"):
        load(fine_tuning(model=str(three), head="keep"))


@pytest.mark.parametrize("names", [("good", "bad"), ("GOOD", "BAD")])
def test_a_kept_head_with_the_classes_in_another_order_is_refused(
    names: tuple[str, str], tmp_path: Path, checkpoints: dict[str, Path], fine_tuning: Make
) -> None:
    swapped = with_head(tmp_path / "swapped", checkpoints["bert"], id2label=dict(enumerate(names)))
    with pytest.raises(
        ConfigurationError, match=rf"\['{names[0]}', '{names[1]}'\], the data in the order \['bad', 'good'\]"
    ):
        load(fine_tuning(model=str(swapped), head="keep"))


def test_a_kept_head_with_other_names_needs_an_order_that_somebody_chose(
    tmp_path: Path, checkpoints: dict[str, Path], fine_tuning: Make, sentences: dict[str, str]
) -> None:
    unnamed = str(with_head(tmp_path / "unnamed", checkpoints["bert"], num_labels=2))
    with pytest.raises(
        ConfigurationError,
        match=r"head 'keep' has the classes \['LABEL_0', 'LABEL_1'\].* \['bad', 'good'\]: list these",
    ):
        load(fine_tuning(model=unnamed, head="keep"))
    for order in (["bad", "good"], ["good", "bad"]):
        model, digest = load(
            fine_tuning(model=unnamed, head="keep", dataset={**sentences, "maxLength": 16, "labels": order})
        )
        assert digest == ""
        assert model.config.id2label == dict(enumerate(order))


@pytest.mark.parametrize(
    ("theirs", "says"),
    [
        (
            {"id2label": {"0": "bad", "2": "good"}, "label2id": {"bad": 0, "good": 2}},
            r"id2label .* has the ids \[0, 2\], which leaves",
        ),
        ({"label2id": {"bad": 1, "good": 0}}, r"id2label .* and label2id .* contradict each other"),
    ],
)
def test_a_kept_head_whose_labels_have_no_clear_meaning_is_refused(
    theirs: dict[str, Any], says: str, tmp_path: Path, checkpoints: dict[str, Path], fine_tuning: Make
) -> None:
    folder = with_head(tmp_path / "kept", checkpoints["bert"], id2label={0: "bad", 1: "good"})
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | theirs))
    with pytest.raises(ConfigurationError, match=f"head 'keep': {says}.*: .*or use head: reinit"):
        load(fine_tuning(model=str(folder), head="keep"))


def test_the_model_says_what_its_outputs_mean(fine_tuning: Make, sentences: dict[str, str]) -> None:
    model, _ = load(fine_tuning())
    assert model.config.problem_type == "single_label_classification"
    values = {**sentences, "maxLength": 16, "kind": "regression", "columns": {"label": "value"}}
    model, _ = load(fine_tuning(dataset=values, metric={"name": "mse", "goal": "minimize"}))
    assert (model.config.problem_type, model.config.id2label) == ("regression", {0: "value"})


@pytest.mark.parametrize("theirs", [None, 1, 3])
def test_the_model_pads_as_its_tokenizer_does(tmp_path: Path, theirs: int | None, fine_tuning: Make) -> None:
    config = ARCHITECTURES["gpt2"].to_dict() | {"pad_token_id": theirs}
    save_checkpoint(tmp_path / "decoder", GPT2Config(**config))
    assert load(fine_tuning(model=str(tmp_path / "decoder")))[0].config.pad_token_id == 3


def test_a_model_that_counts_positions_from_another_padding_token_is_refused(tmp_path: Path, fine_tuning: Make) -> None:
    config = ARCHITECTURES["roberta"].to_dict() | {"pad_token_id": 1}
    save_checkpoint(tmp_path / "other", RobertaConfig(**config))
    with pytest.raises(ConfigurationError, match=r"pads with token 0, .* pad_token_id of 1, .* set pad_token in"):
        load(fine_tuning(model=str(tmp_path / "other")))


def test_the_model_says_the_names_of_the_classes(fine_tuning: Make) -> None:
    model, _ = load(fine_tuning())
    assert model.config.id2label == {0: "bad", 1: "good"}
    assert model.config.label2id == {"bad": 0, "good": 1}


def test_a_checkpoint_of_another_architecture_is_refused(headless: Path, fine_tuning: Make) -> None:
    config = DistilBertConfig(vocab_size=53, dim=16, hidden_dim=32, n_layers=2, n_heads=2, max_position_embeddings=40)
    config.save_pretrained(headless)
    with pytest.raises(ConfigurationError, match="lacks most weights of DistilBertForSequenceClassification"):
        load(fine_tuning(model=str(headless)))


def test_a_checkpoint_that_does_not_fit_its_config_is_refused(headless: Path, fine_tuning: Make) -> None:
    file = headless / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"vocab_size": 60}))
    with pytest.raises(ConfigurationError, match=r"other sizes .* for bert.embeddings.word_embeddings.weight"):
        load(fine_tuning(model=str(headless)))


@pytest.mark.parametrize("layers", [3, 40])
def test_more_layers_than_the_checkpoint_has_are_refused(layers: int, headless: Path, fine_tuning: Make) -> None:
    config = headless / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": layers}))
    with pytest.raises(ConfigurationError, match=r"lack bert.encoder.layer.2..* and 15 more, which|lacks most weights"):
        load(fine_tuning(model=str(headless)))


def test_a_layer_that_lacks_what_others_have_is_refused(headless: Path, fine_tuning: Make) -> None:
    stored(headless, without=("encoder.layer.1.output.dense.weight",))
    with pytest.raises(ConfigurationError, match=r"lack bert\.encoder\.layer\.1\.output\.dense\.weight, which"):
        load(fine_tuning(model=str(headless)))


def test_half_a_checkpoint_is_refused(headless: Path, fine_tuning: Make) -> None:
    whole = (headless / WEIGHTS).read_bytes()
    (headless / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigurationError, match=r"model.safetensors is not a whole safetensors file; copy it anew"):
        load(fine_tuning(model=str(headless)))


def test_a_disk_that_fails_is_not_blamed_on_the_model(fine_tuning: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    config = fine_tuning()
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", fail)
    with pytest.raises(OSError, match="Input/output error"):
        load(config)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("config.json", "{", "config.json is not whole JSON; copy it anew"),
        ("config.json", None, "has no config.json; give a folder that save_pretrained has written"),
        ("config.json", '{"model_type": "vit"}', "model_type 'vit', which transformers cannot classify sequences with"),
        ("config.json", '{"model_type": "mine", "auto_map": {}}', "asks for code of its own, which is not run"),
        ("config.json", '{"model_type": "mine"}', "model_type 'mine', which transformers does not know"),
        ("tokenizer.json", "[", "tokenizer.json is not whole JSON; copy it anew"),
        ("tokenizer.json", '{"version": "9.0"}', "its tokenizer is of another kind than its tokenizer_config.json"),
        (WEIGHTS, None, "has no model.safetensors; save the model with save_pretrained"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_in_our_own_words(
    file: str, content: str | None, says: str, headless: Path, fine_tuning: Make
) -> None:
    (headless / file).unlink()
    if content is not None:
        (headless / file).write_text(content)
    with pytest.raises(ConfigurationError, match=f"^model '{headless}' cannot be loaded: .*{says}"):
        load(fine_tuning(model=str(headless)))


def test_weights_in_several_files_are_read_whole_or_refused_with_what_is_missing(
    headless: Path, fine_tuning: Make
) -> None:
    whole = parameters(load(fine_tuning(model=str(headless)))[0])
    model = BertModel.from_pretrained(headless)
    (headless / WEIGHTS).unlink()
    model.save_pretrained(headless, max_shard_size="8KB")
    assert different(whole, parameters(load(fine_tuning(model=str(headless)))[0])) == set()
    shard = sorted(headless.glob("model-*.safetensors"))[1]
    content = shard.read_bytes()
    shard.unlink()
    with pytest.raises(ConfigurationError, match=f"{shard.name} is missing, and model.safetensors.index.json names it"):
        load(fine_tuning(model=str(headless)))
    shard.write_bytes(content)
    (headless / f"{WEIGHTS}.index.json").unlink()
    with pytest.raises(ConfigurationError, match=r"neither model.safetensors nor model.safetensors.index.json"):
        load(fine_tuning(model=str(headless)))


def test_an_adapter_alone_is_refused_with_what_to_do(headless: Path, fine_tuning: Make) -> None:
    (headless / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (headless / "config.json").unlink()
    (headless / WEIGHTS).rename(headless / "adapter_model.safetensors")
    with pytest.raises(ConfigurationError, match="it is an adapter alone; merge it into its model"):
        load(fine_tuning(model=str(headless)))


def test_quantized_weights_are_refused(headless: Path, fine_tuning: Make) -> None:
    config = json.loads((headless / "config.json").read_text())
    (headless / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(
        ConfigurationError, match=r"its weights are quantized .*'gptq'.*: use the model that it was made"
    ):
        load(fine_tuning(model=str(headless)))


def test_pickled_weights_are_refused(headless: Path, fine_tuning: Make) -> None:
    torch.save(BertModel.from_pretrained(headless).state_dict(), headless / "pytorch_model.bin")
    (headless / WEIGHTS).unlink()
    with pytest.raises(ConfigurationError, match=r"cannot be loaded.*model.safetensors"):
        load(fine_tuning(model=str(headless)))


def test_a_model_that_is_not_there_is_refused(tmp_path: Path, fine_tuning: Make) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere' is neither on this machine nor .*: correct the path"):
        load(fine_tuning(model=str(tmp_path / "nowhere")))
