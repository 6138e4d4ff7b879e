"""What a seed decides, and what it leaves alone."""

import itertools
import random
from collections.abc import Callable

import numpy as np
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism.seeds import Purpose, order, stream
from trainer.observed import Observed, different, examples

Make = Callable[..., FineTuning]
Observe = Callable[..., Observed]
HEAD = {"classifier.weight"}
"""Of the new tensors the one that is drawn: the bias starts at zero."""
PURPOSES: tuple[Purpose, ...] = ("weight-init", "data-order", "dropout")


def test_equal_numbers_make_different_streams_for_different_purposes() -> None:
    streams = [
        stream(purpose, seed, *path) for purpose in PURPOSES for seed in range(20) for path in ((), (0,), ("0",))
    ]
    assert len(set(streams)) == len(streams)


def test_streams_and_orders_stay_what_they_are_in_every_version() -> None:
    assert stream("weight-init", 1, "classifier.weight") == 1796653850777280327
    assert order(1, 0, 8).tolist() == [1, 3, 0, 5, 6, 7, 2, 4]


def test_every_epoch_takes_every_example_once_in_an_order_of_its_own() -> None:
    orders = [order(seed, epoch, 50).tolist() for seed, epoch in itertools.product(range(3), range(3))]
    assert all(sorted(one) == list(range(50)) for one in orders)
    assert len({tuple(one) for one in orders}) == len(orders)


def test_another_weight_init_seed_changes_the_new_tensors_and_nothing_else(fine_tuning: Make, observe: Observe) -> None:
    one, other = (observe(fine_tuning(), seeds=(weight_init, 2)) for weight_init in (1, 3))
    assert different(one.initial, other.initial) == HEAD
    assert one.fed == other.fed
    assert one.generator == other.generator
    assert one.message.info.initialization != other.message.info.initialization


def test_another_data_order_seed_changes_the_order_and_the_dropout_but_no_tensor(
    fine_tuning: Make, observe: Observe
) -> None:
    one, other = (observe(fine_tuning(), seeds=(1, data_order)) for data_order in (2, 3))
    assert not different(one.initial, other.initial)
    assert one.message.info.initialization == other.message.info.initialization
    assert examples(one.fed) != examples(other.fed)
    assert sorted(examples(one.fed)) == sorted(examples(other.fed))
    assert one.generator[0] != other.generator[0]


def test_with_a_dropout_seed_dropout_does_not_follow_the_data_order(fine_tuning: Make, observe: Observe) -> None:
    one, other = (observe(fine_tuning(dropoutSeed=5), seeds=(1, data_order)) for data_order in (2, 3))
    assert examples(one.fed) != examples(other.fed)
    assert one.generator[0] == other.generator[0]


def test_another_dropout_seed_changes_dropout_alone(fine_tuning: Make, observe: Observe) -> None:
    one, other = (observe(fine_tuning(dropoutSeed=seed)) for seed in (5, 6))
    assert not different(one.initial, other.initial)
    assert one.fed == other.fed
    assert one.generator[0] != other.generator[0]
    assert different(one.final, other.final)


def test_a_dropout_seed_equal_to_the_data_order_seed_is_the_default(fine_tuning: Make, observe: Observe) -> None:
    implied, given = observe(fine_tuning(), seeds=(1, 2)), observe(fine_tuning(dropoutSeed=2), seeds=(1, 2))
    assert not different(implied.final, given.final)


def test_equal_seeds_end_in_equal_weights_whatever_the_process_drew_before(fine_tuning: Make, observe: Observe) -> None:
    finals = []
    for unrelated in (10, 20):
        torch.manual_seed(unrelated)
        np.random.seed(unrelated)
        random.seed(unrelated)
        finals.append(observe(fine_tuning()).final)
    assert not different(*finals)


def test_each_epoch_feeds_every_example_once_in_the_order_of_the_data_order_seed(
    fine_tuning: Make, observe: Observe
) -> None:
    seen = observe(fine_tuning(), seeds=(1, 2))
    first, second = examples(seen.fed[:8]), examples(seen.fed[8:])
    in_file = dict(zip(order(2, 0, 60).tolist(), first, strict=True))
    assert second == [in_file[position] for position in order(2, 1, 60).tolist()]
    assert first != second
