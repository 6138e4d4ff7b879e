"""The average of LoRA adapters, against PEFT itself: it loads the model with the mean of the members' changes."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
)

from seedsweep_trainer.model.adapters import average_adapters
from seedsweep_trainer.model.averaging import NotAveragedError
from trainer.conftest import ARCHITECTURES, VOCABULARY

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
MEMBERS = ("wi0-do0", "wi0-do1", "wi1-do0")

pytestmark = [
    # PEFT 0.21.2 asks transformers for an attribute that it renames.
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*save_embedding_layers.*:UserWarning"),
    # Its test for shards takes a bias for half a matrix.
    pytest.mark.filterwarnings("ignore:.*have invalid shape. .*lora_B.bias:UserWarning"),
]


class Convolutions(torch.nn.Module):
    """What a BERT has none of."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.images = torch.nn.Conv2d(3, 4, kernel_size=3)
            self.head = torch.nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.images(images).relu().mean(dim=(2, 3)))
        return found


def tiny_bert(folder: Path) -> Any:
    if not folder.exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            AutoModelForSequenceClassification.from_config(ARCHITECTURES["bert"]).save_pretrained(folder)
    return AutoModelForSequenceClassification.from_pretrained(folder).eval()


def train(base: torch.nn.Module, config: Mapping[str, Any], seed: int, folder: Path) -> Any:
    """Save an adapter of random weights, and return the model with it."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model: Any = get_peft_model(base, LoraConfig(**config))
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn(weight.shape) / 4)
    model.save_pretrained(folder)
    return model


@contextmanager
def opened(folder: Path) -> Iterator[Mapping[str, torch.Tensor]]:
    yield load_file(folder / WEIGHTS)


def average(members: Mapping[str, Path], to: Path) -> Path:
    configs = {name: (folder / CONFIG).read_bytes() for name, folder in members.items()}
    weights, config = average_adapters({name: partial(opened, folder) for name, folder in members.items()}, configs)
    to.mkdir()
    save_file(weights, to / WEIGHTS)
    (to / CONFIG).write_text(json.dumps(config))
    return to


def outputs_of(make: Callable[[], Any], config: Mapping[str, Any], inputs: torch.Tensor, root: Path) -> tuple[Any, Any]:
    """Of the average as PEFT loads it, and of the model with the members' changes on average."""
    trained = [train(make(), config, seed, root / name) for seed, name in enumerate(MEMBERS)]
    wholes = [model.merge_and_unload().state_dict() for model in trained]
    model: Any = PeftModel.from_pretrained(
        make(),
        average({name: root / name for name in MEMBERS}, root / "average"),
    )
    expected = make()
    expected.load_state_dict({name: sum(one[name].double() for one in wholes) / len(wholes) for name in wholes[0]})
    with torch.inference_mode():
        return model.eval()(inputs), expected.eval()(inputs)


BERT: dict[str, Any] = {
    "task_type": "SEQ_CLS",
    "r": 2,
    "lora_alpha": 6,
    "lora_dropout": 0.1,
    "target_modules": ["query", "value", "dense", "word_embeddings"],
    "modules_to_save": ["classifier"],
}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"use_rslora": True},
        {"rank_pattern": {"query": 3, r"encoder\.layer\.1\..*\.dense": 1}, "alpha_pattern": {"value": 2, "query": 5}},
        {"use_rslora": True, "rank_pattern": {"query": 3}, "alpha_pattern": {"value": 2}},
        {"lora_bias": True, "target_modules": ["query", "value"]},
        {"bias": "all"},
    ],
    ids=["plain", "rslora", "patterns", "rslora-patterns", "lora-bias", "bias"],
)
def test_peft_loads_the_model_with_the_mean_of_the_members_changes(tmp_path, fields):
    tokens = torch.tensor([list(VOCABULARY.values())[5:17], list(VOCABULARY.values())[20:32]])
    found, expected = outputs_of(lambda: tiny_bert(tmp_path / "base"), BERT | fields, tokens, tmp_path)
    with torch.inference_mode():
        base = tiny_bert(tmp_path / "base")(tokens).logits
    assert (expected.logits - base).abs().max() > 0.1
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("init", [True, False, "gaussian", "orthogonal"])
def test_peft_loads_an_average_for_convolutions_and_whatever_the_factors_started_from(tmp_path, init):
    config = {"r": 2, "target_modules": ["images", "head"], "init_lora_weights": init}
    if init == "orthogonal":
        config |= {"target_modules": ["head"], "modules_to_save": ["images"]}
    images = torch.randn((2, 3, 5, 5), generator=torch.Generator().manual_seed(0))
    found, expected = outputs_of(Convolutions, config, images, tmp_path)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_embeddings_and_a_head_that_share_their_factors_both_change_by_the_mean(tmp_path):
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }

    def make() -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return LlamaForCausalLM(LlamaConfig(vocab_size=len(VOCABULARY), tie_word_embeddings=True, **sizes)).eval()

    tied = ["embed_tokens", "lm_head"]
    config = {"task_type": "CAUSAL_LM", "r": 2, "target_modules": tied, "ensure_weight_tying": True}
    members = {name: tmp_path / name for name in MEMBERS}
    for seed, folder in enumerate(members.values()):
        train(make(), config, seed, folder)
    found = PeftModel.from_pretrained(make(), average(members, tmp_path / "average")).eval()

    expected = make()
    with torch.no_grad():
        for folder in members.values():
            embedding = {name.rpartition(".")[2]: tensor for name, tensor in load_file(folder / WEIGHTS).items()}
            product = embedding["lora_embedding_B"] @ embedding["lora_embedding_A"]
            # PEFT's alpha is 8. These are the head's weights too.
            expected.model.embed_tokens.weight += product.T * (8 / 2) / len(members)
        tokens = torch.tensor([list(VOCABULARY.values())[5:17]])
        torch.testing.assert_close(found(tokens).logits, expected(tokens).logits, rtol=1e-4, atol=1e-5)


def test_no_variant_of_lora_that_peft_knows_is_taken_for_plain_lora(tmp_path):
    plain = LoraConfig(r=2).to_dict() | {"peft_type": "LORA", "target_modules": ["query"]}
    variants = [field.name for field in dataclasses.fields(LoraConfig) if field.metadata.get("is_lora_variant")]
    assert "use_dora" in variants
    for variant in variants:
        config = json.dumps(plain | {variant: {"any": 1}}).encode()
        with pytest.raises(NotAveragedError, match=f"{variant} is set in adapter_config.json of a"):
            average_adapters({"a": partial(opened, tmp_path)}, {"a": config})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"use_dora": True}, "use_dora is set"),
        ({"init_lora_weights": "pissa"}, 'init_lora_weights in adapter_config.json of wi0-do0 is "pissa"'),
        ({"layer_replication": [(0, 2), (1, 2)]}, "layer_replication is set"),
    ],
)
def test_what_peft_saves_of_another_kind_of_adapter_is_refused(tmp_path, fields, reason):
    for seed, name in enumerate(MEMBERS):
        train(tiny_bert(tmp_path / "base"), BERT | fields, seed, tmp_path / name)
    with pytest.raises(NotAveragedError, match=reason):
        average({name: tmp_path / name for name in MEMBERS}, tmp_path / "average")
