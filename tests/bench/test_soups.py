"""Averages of weights: what is averaged, who is taken, and where a barrier is."""

import numpy as np
import pytest
import torch

from soups import Member, average, averaged_answers, barriers, greedy


def weights(*values):
    return {"layer.weight": torch.tensor(values, dtype=torch.float32), "positions": torch.arange(3)}


def test_an_average_is_the_mean_of_each_tensor_whatever_the_order():
    members = [weights(1.0, 2.0), weights(3.0, 6.0), weights(5.0, 1.0)]
    found = average(members)
    assert found["layer.weight"].tolist() == [3.0, 3.0]
    assert found["positions"].tolist() == [0, 1, 2]
    assert torch.equal(average(members[::-1])["layer.weight"], found["layer.weight"])


def test_greedy_takes_whoever_does_not_lower_the_score():
    members = [weights(1.0), weights(2.0), weights(-9.0), weights(3.0)]
    # The best weight is 2: the second brings the mean to 1.5, the third far away, the fourth to 2.
    assert greedy(members, lambda own: -abs(float(own["layer.weight"][0]) - 2)) == [0, 1, 3]
    assert greedy(members, lambda own: -abs(float(own["layer.weight"][0]) - 1)) == [0]


def test_a_barrier_is_what_the_midpoint_scores_less_than_its_ends():
    members = [Member((0, 0), 0.9, weights(-1.0)), Member((0, 1), 0.8, weights(1.0)), Member((1, 0), 0.6, weights(3.0))]
    found = barriers(members, lambda own: 0.5 if float(own["layer.weight"][0]) == 0 else 0.8)
    assert [pair.seeds for pair in found] == [((0, 0), (0, 1)), ((0, 0), (1, 0)), ((0, 1), (1, 0))]
    assert [pair.depth for pair in found] == pytest.approx([0.35, -0.05, -0.1])


def test_averaged_answers_are_mean_probabilities():
    one, other = np.log([[0.9, 0.1]]), np.log([[0.2, 0.8]])
    assert np.exp(averaged_answers([one, other + 5])) == pytest.approx(np.array([[0.55, 0.45]]))
