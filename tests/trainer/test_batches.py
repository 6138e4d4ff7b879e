"""How the examples of an optimizer step pass through the model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedsweep_trainer.training.batches import halved


def padded(passes: list[np.ndarray], lengths: np.ndarray) -> int:
    return sum(len(indices) * int(lengths[indices].max()) for indices in passes)


@given(st.lists(st.integers(1, 128), min_size=1, max_size=33))
def test_halves_hold_every_example_once_and_save_a_tenth_or_the_batch_stays_whole(lengths: list[int]) -> None:
    batch, sizes = np.arange(len(lengths))[::-1], np.array(lengths)
    passes = halved(batch, sizes)
    assert sorted(np.concatenate(passes).tolist()) == sorted(batch.tolist())
    if len(passes) == 1:
        assert passes[0].tolist() == batch.tolist()
    else:
        assert padded(passes, sizes) <= 0.9 * padded([batch], sizes)
        assert len(passes[0]) - len(passes[1]) in (0, 1)
        assert sizes[passes[0]].min() >= sizes[passes[1]].max()


@pytest.mark.parametrize(
    ("lengths", "passes"),
    [([5, 5, 5, 5], [[0, 1, 2, 3]]), ([9, 2, 8, 3], [[0, 2], [3, 1]]), ([7], [[0]]), ([4, 4, 2, 4], [[0, 1, 2, 3]])],
)
def test_long_and_short_examples_are_not_padded_to_each_other(lengths: list[int], passes: list[list[int]]) -> None:
    assert [half.tolist() for half in halved(np.arange(len(lengths)), np.array(lengths))] == passes


def test_equal_batches_pass_in_equal_halves() -> None:
    lengths = np.array([3, 9, 9, 3, 4, 3])
    first, second = (halved(np.arange(6), lengths) for _ in range(2))
    assert [half.tolist() for half in first] == [half.tolist() for half in second] == [[1, 2, 4], [0, 3, 5]]
