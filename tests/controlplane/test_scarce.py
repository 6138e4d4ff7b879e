"""A hundred episodes where GPUs are fewer and pods are killed at random end as they would with a GPU for each."""

import pytest

from cluster.scarce import (
    KEEP,
    NODES,
    SCRIPT,
    STORAGE,
    assert_goes_on_where_it_was,
    assert_one_at_a_time,
    past_the_rung,
    play,
)


@pytest.mark.parametrize("gpus", NODES)
async def test_episodes_take_turns_on_few_gpus_and_none_is_trained_twice(control_plane, namespace: str, gpus: int):
    _, record, misfortune = await play(control_plane, namespace, gpus, every=1.0, parallelism=gpus, storage=STORAGE)
    assert misfortune.victims.total() > 0
    assert_one_at_a_time(record)
    assert_goes_on_where_it_was(record, SCRIPT)
    # Beside those that were kept: leaders that were trained on while places idled, and were overtaken; and the first
    # to start, which were told of no rung, for how many evaluations there are was not known yet. On most of the GPUs
    # that there could be, that is nearly all: nothing is claimed.
    if gpus < max(NODES):
        assert len(past_the_rung(record, SCRIPT)) <= 2 * KEEP + gpus
