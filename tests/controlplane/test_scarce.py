"""A hundred episodes where GPUs are fewer and pods are killed at random end as they would with a GPU for each."""

import pytest

from cluster.scarce import NODES, SCRIPT, STORAGE, assert_goes_on_where_it_was, assert_one_at_a_time, ideal_steps, play


@pytest.mark.parametrize("gpus", NODES)
async def test_episodes_take_turns_on_few_gpus_and_none_is_trained_twice(control_plane, namespace: str, gpus: int):
    status, record, misfortune = await play(
        control_plane, namespace, gpus, every=1.0, parallelism=gpus, storage=STORAGE
    )
    assert_one_at_a_time(record)
    assert_goes_on_where_it_was(record, SCRIPT)
    killed = sum(misfortune.victims.values())
    assert killed > 0
    # What an interruption costs, and what the leaders trained that were not kept.
    bound = ideal_steps(SCRIPT) + SCRIPT.steps_per_evaluation * killed + status["cost"]["overshootSteps"]
    assert record.steps_trained <= bound
