"""The average of LoRA adapters: its product is the mean of the products, and a reason where there is none."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seedsweep_trainer.model.adapters import average_adapters
from seedsweep_trainer.model.averaging import NotAveragedError

CONFIG: dict[str, Any] = {
    "peft_type": "LORA",
    "r": 2,
    "lora_alpha": 16,
    "use_rslora": False,
    "rank_pattern": {},
    "alpha_pattern": {},
    "init_lora_weights": True,
    "target_modules": ["query"],
}
QUERY, VALUE, WORDS = "bert.0.query", "bert.0.value", "bert.words"
Weights = dict[str, torch.Tensor]


@contextmanager
def opened(weights: Mapping[str, torch.Tensor]) -> Iterator[Mapping[str, torch.Tensor]]:
    yield weights


def average(
    members: Mapping[str, Mapping[str, torch.Tensor]], *configs: Mapping[str, Any]
) -> tuple[Weights, dict[str, Any]]:
    """One configuration for all members, or one for each in the order of their names."""
    each = configs if len(configs) > 1 else (configs or (CONFIG,)) * len(members)
    files = {name: json.dumps(config).encode() for name, config in zip(sorted(members), each, strict=True)}
    return average_adapters({name: partial(opened, weights) for name, weights in members.items()}, files)


def query(a: list[list[float]], b: list[list[float]], dtype: torch.dtype = torch.float32) -> Weights:
    return {
        f"{QUERY}.lora_A.weight": torch.tensor(a, dtype=dtype),
        f"{QUERY}.lora_B.weight": torch.tensor(b, dtype=dtype),
    }


PLAIN = query([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]])


def delta(weights: Mapping[str, torch.Tensor], config: Mapping[str, Any], layer: str) -> torch.Tensor:
    """What an adapter adds to a layer's weights, shape (outputs, inputs), as PEFT computes it."""
    a, b = (
        next(tensor for name, tensor in weights.items() if re.fullmatch(rf"{layer}\.lora_(embedding_)?{f}.*", name))
        for f in "AB"
    )

    def of(pattern: str, default: str) -> float:
        found: Iterator[float] = (
            value for name, value in config[pattern].items() if re.match(rf"(.*\.)?({name})$", layer)
        )
        return next(found, config[default])

    rank, alpha = of("rank_pattern", "r"), of("alpha_pattern", "lora_alpha")
    assert a.shape[0] == b.shape[1] == rank
    return b.double() @ a.double() * (alpha / (math.sqrt(rank) if config["use_rslora"] else rank))


@st.composite
def adapters(draw: st.DrawFn) -> tuple[dict[str, Weights], dict[str, Any]]:
    """Members that adapt two linear layers and an embedding, with a rank and an alpha for each."""
    sizes = st.integers(1, 4)
    alphas = st.one_of(st.integers(1, 64), st.floats(0.01, 64))
    ranks = {layer: draw(sizes) for layer in (QUERY, VALUE, WORDS)}
    config = CONFIG | {
        "r": ranks[WORDS],
        "lora_alpha": draw(alphas),
        "use_rslora": draw(st.booleans()),
        "rank_pattern": {"query": ranks[QUERY], r"bert\.\d+\.value": ranks[VALUE]},
        "alpha_pattern": draw(st.dictionaries(st.sampled_from(["value", "words"]), alphas)),
    }
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    shapes: dict[str, tuple[int, int]] = {}
    for layer, rank in ranks.items():
        a, b = ("lora_embedding_A", "lora_embedding_B") if layer == WORDS else ("lora_A.weight", "lora_B.weight")
        shapes |= {f"{layer}.{a}": (rank, draw(sizes)), f"{layer}.{b}": (draw(sizes), rank)}
    members = {
        f"wi0-do{i}": {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        for i in range(draw(st.integers(1, 6)))
    }
    return members, config


@given(adapters())
def test_the_product_of_the_average_is_the_mean_of_the_members_products(drawn):
    members, config = drawn
    weights, merged = average(members, config)
    for layer in (QUERY, VALUE, WORDS):
        mean = sum(delta(own, config, layer) for own in members.values()) / len(members)
        torch.testing.assert_close(delta(weights, merged, layer), mean, rtol=1e-12, atol=1e-12)


@given(adapters(), st.randoms(use_true_random=False))
def test_the_order_in_which_members_come_changes_no_bit(drawn, random):
    members, config = drawn
    one, other = average(members, config), average(dict(random.sample(list(members.items()), len(members))), config)
    assert one[1] == other[1]
    assert list(one[0]) == list(other[0])
    assert all(tensor.numpy().tobytes() == other[0][name].numpy().tobytes() for name, tensor in one[0].items())


def test_the_mean_of_the_factors_would_be_another_adapter():
    # Both add 1 to the layer's only weight.
    members = {"a": query([[1.0]], [[1.0]]), "b": query([[-1.0]], [[-1.0]])}
    config = CONFIG | {"r": 1, "lora_alpha": 1}
    mean_factors = {name: (tensor + members["b"][name]) / 2 for name, tensor in members["a"].items()}
    assert delta(mean_factors, config, QUERY) == 0
    assert delta(*average(members, config), QUERY) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_no_factor_is_rounded_by_an_average_of_three(dtype):
    tiny = torch.finfo(dtype).smallest_normal
    members = {f"wi0-do{i}": query([[1.0, i / 3]], [[tiny], [i / 7]], dtype) for i in range(3)}
    weights, config = average(members, CONFIG | {"r": 1})
    assert {tensor.dtype for tensor in weights.values()} == {dtype}
    for i, own in enumerate(members.values()):
        assert torch.equal(weights[f"{QUERY}.lora_A.weight"][i : i + 1], own[f"{QUERY}.lora_A.weight"])
        assert torch.equal(weights[f"{QUERY}.lora_B.weight"][:, i : i + 1], own[f"{QUERY}.lora_B.weight"])
    assert (config["r"], config["lora_alpha"]) == (3, 16)


def test_tensors_that_are_no_factors_are_averaged():
    members = {
        name: PLAIN | {"classifier.weight": torch.tensor([value]), "table": torch.tensor([1, 2])}
        for name, value in (("a", 1.0), ("b", 2.0))
    }
    weights, _ = average(members)
    assert weights["classifier.weight"].tolist() == [1.5]
    assert weights["table"].tolist() == [1, 2]


def test_the_scale_of_an_average_times_its_bias_is_the_mean_of_theirs():
    name = f"{QUERY}.lora_B.bias"
    weights, config = average({x: PLAIN | {name: torch.tensor([v, 0.0])} for x, v in (("a", 1.0), ("b", 2.0))})
    assert weights[name].tolist() == [3.0, 0.0]
    assert config["lora_alpha"] / config["r"] == CONFIG["lora_alpha"] / CONFIG["r"] / 2


def test_a_sum_of_biases_that_its_dtype_cannot_hold_is_refused():
    name = f"{QUERY}.lora_B.bias"
    members = {x: PLAIN | {name: torch.tensor([40000.0, 0.0], dtype=torch.float16)} for x in "ab"}
    with pytest.raises(NotAveragedError) as refused:
        average(members)
    assert str(refused.value) == f"the sum of {name} over the members is too large for torch.float16"


def test_each_member_is_opened_once_and_closed_before_the_next():
    seen: list[str] = []

    @contextmanager
    def watched(name: str) -> Iterator[Mapping[str, torch.Tensor]]:
        seen.append(f"open {name}")
        own = {key: tensor.clone() for key, tensor in PLAIN.items()}
        yield own
        # What is left of it is overwritten: nothing of a closed member may still be used.
        for tensor in own.values():
            tensor.fill_(torch.nan)
        seen.append(f"close {name}")

    files = {name: json.dumps(CONFIG).encode() for name in "bca"}
    weights, _ = average_adapters({name: partial(watched, name) for name in "bca"}, files)
    assert seen == ["open a", "close a", "open b", "close b", "open c", "close c"]
    torch.testing.assert_close(weights[f"{QUERY}.lora_A.weight"], PLAIN[f"{QUERY}.lora_A.weight"].repeat(3, 1))


def test_other_fields_stay_as_the_first_member_has_them_and_lists_of_names_are_sets():
    # PEFT writes sets: their order differs from process to process, and some repeat names.
    first = CONFIG | {"target_modules": ["value", "query"], "lora_dropout": 0.1, "peft_version": "0.21.2", "bias": None}
    other = first | {"target_modules": ["query", "value", "query"]}
    _, merged = average({"b": PLAIN, "a": PLAIN}, first, other)
    assert merged == first | {"r": 4}


def test_with_rslora_alpha_makes_the_scale_a_pth_of_what_it_was():
    config = CONFIG | {"use_rslora": True, "alpha_pattern": {"query": 8}, "rank_pattern": {"value": 3}}
    _, merged = average(dict.fromkeys("abcd", PLAIN), config)
    assert merged == config | {
        "r": 8,
        "lora_alpha": 8.0,
        "alpha_pattern": {"query": 4.0},
        "rank_pattern": {"value": 12},
    }


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("peft_type", "IA3", 'peft_type in adapter_config.json of b is "IA3"; an average needs "LORA"'),
        ("r", 0, "r in adapter_config.json of b is 0; an average needs a whole number of at least 1"),
        ("r", "8", 'r in adapter_config.json of b is "8"; an average needs a whole number of at least 1'),
        ("lora_alpha", math.nan, "lora_alpha in adapter_config.json of b is NaN; an average needs a number"),
        ("lora_alpha", 10**400, f"lora_alpha in adapter_config.json of b is {10**400}; an average needs a number"),
        ("rank_pattern", {"query": 0}, 'rank_pattern in adapter_config.json of b is {"query": 0}; an average needs'),
        ("alpha_pattern", [], "alpha_pattern in adapter_config.json of b is []; an average needs names with numbers"),
        ("init_lora_weights", "pissa_niter_4", "an average needs one that leaves the base weights alone"),
        ("use_dora", True, "use_dora is set in adapter_config.json of b; an average needs plain LoRA"),
        ("layer_replication", [[0, 2], [1, 3]], "layer_replication is set in adapter_config.json of b"),
        ("megatron_config", {"size": 1}, "megatron_config is set in adapter_config.json of b"),
        ("target_parameters", ["experts.down"], "target_parameters is set in adapter_config.json of b"),
        ("target_modules", ["key"], 'target_modules in adapter_config.json is ["query"] in a and ["key"] in b'),
        ("r", 4, "r in adapter_config.json is 2 in a and 4 in b"),
        ("lora_alpha", 8, "lora_alpha in adapter_config.json is 16 in a and 8 in b"),
        ("use_rslora", True, "use_rslora in adapter_config.json is false in a and true in b"),
        ("fan_in_fan_out", True, "fan_in_fan_out in adapter_config.json is null in a and true in b"),
    ],
)
def test_configurations_that_have_no_average_are_refused(field, value, reason):
    with pytest.raises(NotAveragedError) as refused:
        average({"a": PLAIN, "b": PLAIN}, CONFIG, CONFIG | {field: value})
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "b has no adapter_config.json"),
        ({"b": b"{"}, "adapter_config.json of b is not JSON"),
        ({"b": b"\xff\xfe\xfd"}, "adapter_config.json of b is not JSON"),
        ({"b": b"[" * 100_000}, "adapter_config.json of b is not JSON"),
        (
            {"b": b'{"peft_type": "\\ud800"}'},
            'peft_type in adapter_config.json of b is "\\ud800"; an average needs "LORA"',
        ),
        ({"b": b"[]"}, "adapter_config.json of b is not an object"),
        ({"b": b"{}"}, 'peft_type in adapter_config.json of b is missing; an average needs "LORA"'),
    ],
)
def test_a_file_that_is_missing_or_malformed_is_refused(files, reason):
    members = {name: partial(opened, PLAIN) for name in "ab"}
    with pytest.raises(NotAveragedError) as refused:
        average_adapters(members, {"a": json.dumps(CONFIG).encode()} | files)
    assert str(refused.value) == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([*CONFIG, "use_dora", "other"]), JSON))
def test_any_configuration_gives_an_average_or_a_reason(fields):
    config = CONFIG | fields
    merged = None
    with suppress(NotAveragedError):
        _, merged = average({"a": PLAIN, "b": PLAIN}, config)
    assert merged is None or merged["r"] == 2 * config["r"]


A, B = f"{QUERY}.lora_A.weight", f"{QUERY}.lora_B.weight"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({A: torch.zeros(3, 2)}, f"{A} has the shape [2, 2] in a and [3, 2] in b"),
        ({A: torch.zeros(2, 2, dtype=torch.float16)}, f"{A} is torch.float32 in a and torch.float16 in b"),
        ({B: torch.full((2, 2), torch.inf)}, f"{B} of b is not finite"),
        ({"classifier.bias": torch.zeros(1)}, "classifier.bias is among the weights of only one of a and b"),
    ],
)
def test_members_whose_weights_differ_in_more_than_their_values_are_refused(changed, reason):
    with pytest.raises(NotAveragedError) as refused:
        average({"a": PLAIN, "b": PLAIN | changed})
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (
            PLAIN | {f"{QUERY}.lora_magnitude_vector": torch.ones(2)},
            f"{QUERY}.lora_magnitude_vector of a is not a tensor of plain LoRA",
        ),
        ({A: torch.zeros(2, 2, dtype=torch.int8), B: PLAIN[B]}, f"{A} of a is not a tensor of plain LoRA"),
        ({A: PLAIN[A]}, f"{A} of a has no {B}"),
        ({B: PLAIN[B]}, f"{B} of a has no {A}"),
        # A convolution with two groups.
        (
            {A: torch.zeros(4, 2, 3, 3), B: torch.zeros(2, 2, 1, 1)},
            f"{A} and {B} of a have no rank in common: [4, 2, 3, 3] and [2, 2, 1, 1]",
        ),
        ({A: torch.zeros(0), B: torch.zeros(0)}, f"{A} and {B} of a have no rank in common: [0] and [0]"),
    ],
)
def test_weights_that_are_not_plain_lora_are_refused(weights, reason):
    with pytest.raises(NotAveragedError) as refused:
        average({"a": weights, "b": weights})
    assert str(refused.value) == reason
