"""The mean of weights: equal bits in every order, and a reason where there is none."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seedsweep_trainer.model.averaging import NotAveragedError, average

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)
STACKS = arrays.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3)), elements=FLOATS)


@contextmanager
def opened(weights: Mapping[str, torch.Tensor]) -> Iterator[Mapping[str, torch.Tensor]]:
    yield weights


def mean_of(members: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return average({name: partial(opened, weights) for name, weights in members.items()})


def episodes(stack: np.ndarray) -> dict[str, dict[str, torch.Tensor]]:
    return {f"wi0-do{i}": {"w": torch.from_numpy(one.copy())} for i, one in enumerate(stack)}


@given(STACKS, st.randoms(use_true_random=False))
def test_the_order_in_which_members_come_changes_no_bit(stack, random):
    members = episodes(stack)
    shuffled = random.sample(sorted(members), len(members))
    one, other = mean_of(members), mean_of({name: members[name] for name in shuffled})
    assert one["w"].numpy().tobytes() == other["w"].numpy().tobytes()


@given(STACKS)
def test_it_is_the_mean_as_float64_has_it(stack):
    found = mean_of(episodes(stack))["w"]
    assert found.dtype == torch.float32
    exact = sum((one.astype(np.float64) for one in stack[1:]), start=stack[0].astype(np.float64)) / len(stack)
    np.testing.assert_array_equal(found.numpy(), exact.astype(np.float32))


@given(STACKS)
def test_equal_members_average_to_themselves_and_stay_as_they_were(stack):
    weights = {"w": torch.from_numpy(stack[0].copy())}
    before = weights["w"].clone()
    assert torch.equal(mean_of({"a": weights, "b": weights})["w"], before)
    assert torch.equal(weights["w"], before)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float16, torch.bfloat16, torch.float64])
def test_every_kind_of_fraction_keeps_its_dtype_and_the_members_are_not_changed(dtype):
    one, other = torch.ones(2).to(dtype), torch.full((2,), 2.0).to(dtype)
    found = mean_of({"a": {"w": one}, "b": {"w": other}})["w"]
    assert (found.dtype, found.to(torch.float32).tolist()) == (dtype, [1.5, 1.5])
    assert one.to(torch.float32).tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_what_has_no_fractions_is_taken_as_it_is(dtype):
    table = torch.tensor([0, 1, 1]).to(dtype)
    found = mean_of({"a": {"ids": table}, "b": {"ids": table.clone()}})["ids"]
    assert torch.equal(found, table)
    assert found.dtype == dtype


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"w": torch.zeros(3)}, "w has the shape [2] in a and [3] in b"),
        ({"w": torch.zeros(2, dtype=torch.float16)}, "w is torch.float32 in a and torch.float16 in b"),
        ({"v": torch.zeros(2)}, "v is among the weights of only one of a and b"),
        ({}, "w is among the weights of only one of a and b"),
        ({"w": torch.tensor([0.0, torch.nan])}, "w of b is not finite"),
        ({"w": torch.tensor([0.0, -torch.inf])}, "w of b is not finite"),
    ],
)
def test_weights_that_do_not_fit_together_have_no_mean(other, reason):
    with pytest.raises(NotAveragedError) as refused:
        mean_of({"a": {"w": torch.zeros(2)}, "b": other})
    assert str(refused.value) == reason


def test_the_first_member_has_to_be_finite_too():
    with pytest.raises(NotAveragedError, match="w of a is not finite"):
        mean_of({"b": {"w": torch.zeros(1)}, "a": {"w": torch.tensor([torch.nan])}})


def test_counters_that_differ_have_no_mean():
    with pytest.raises(NotAveragedError, match="steps has no fractions and is another in b than in a"):
        mean_of({"a": {"steps": torch.tensor(3)}, "b": {"steps": torch.tensor(4)}})
