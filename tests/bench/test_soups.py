"""Averages of weights: what is averaged, who is taken, and where a barrier is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from soups import (
    Member,
    Outcome,
    average,
    averaged_answers,
    barriers,
    greedy,
    measure_row,
    sets_of,
    signal_rows,
    survivors,
)


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
    members = [weights(-1.0), weights(1.0), weights(3.0)]
    found = barriers([0.9, 0.8, 0.6], members, lambda own: 0.5 if float(own["layer.weight"][0]) == 0 else 0.8)
    assert found == pytest.approx((0.35, -0.05, -0.1))


def member(weight_init, data_order, at_rung=0.5, validation=0.5):
    return Member((weight_init, data_order), at_rung, validation, validation, Path("nowhere"))


def test_a_grid_is_taken_apart_into_rows_columns_and_halves():
    grid = [member(w, d) for w in (7, 8, 9, 11) for d in (0, 1, 2)]
    seeds = {kind: [[own.seeds for own in each] for each in sets] for kind, sets in sets_of(grid).items()}
    assert seeds["one head"][1] == [(8, 0), (8, 1), (8, 2)]
    assert seeds["a head each"][2] == [(7, 2), (8, 2), (9, 2), (11, 2)]
    assert seeds["half of the grid"] == [[(w, d) for w in pair for d in (0, 1, 2)] for pair in ((7, 8), (9, 11))]


def test_the_better_half_at_the_rung_survives_and_the_best_of_them_at_the_end_wins():
    five = [member(0, 0, 0.6, 0.7), member(0, 1, 0.5, 0.9), member(0, 2, 0.6, 0.8), member(0, 3, 0.7, 0.7)]
    five.append(member(0, 4, 0.4, 1.0))
    assert [own.seeds[1] for own in survivors(five)] == [2, 0, 3]
    assert len(survivors(five[:2])) == 2


OUTCOME = Outcome((0.8, 0.7), 0.75, 0.01, -0.1, 2, 0.7, 0.72, 0.72, 0.71, (0.0,))


def test_an_average_with_a_barrier_gives_way_to_the_winner():
    outcome = OUTCOME
    assert outcome.handed_over_test(constant=0.5) == 0.72
    assert outcome.handed_over_test(constant=0.75) == 0.7
    assert replace(outcome, uniform=0.74).handed_over_test(constant=0.5) == 0.7


def test_signals_are_judged_by_the_averages_that_each_lets_pass_and_turns_down():
    outcomes = [OUTCOME, replace(OUTCOME, uniform=0.74), replace(OUTCOME, uniform_test=0.6, over_loss=0.2)]
    rows = [[cell.strip() for cell in row.split("|")[-3:-1]] for row in signal_rows("film", outcomes, 0.5)]
    assert rows == [["1 of 2", "1 of 1"], ["2 of 3", "0 of 0"], ["2 of 2", "0 of 1"]]


def test_measures_are_ranked_with_the_gain_on_test():
    gaining = [replace(OUTCOME, uniform_test=0.7 + i / 100, depths=(0.05 - i / 100, 0.01)) for i in range(4)]
    # The score and the members are those of OUTCOME throughout, so that nothing can be said of these.
    assert measure_row("made up", gaining) == "| made up | 4 | - | - | -1.00 |"


def test_averaged_answers_are_mean_probabilities():
    one, other = np.log([[0.9, 0.1]]), np.log([[0.2, 0.8]])
    assert np.exp(averaged_answers([one, other + 5])) == pytest.approx(np.array([[0.55, 0.45]]))
