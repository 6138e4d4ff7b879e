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
from seedsweep.contract.protocol import Env


@pytest.mark.parametrize("gpus", NODES)
async def test_episodes_take_turns_on_few_gpus_and_none_is_trained_twice(control_plane, namespace: str, gpus: int):
    _, record, misfortune = await play(control_plane, namespace, gpus, every=1.0, parallelism=gpus, storage=STORAGE)
    assert misfortune.victims.total() > 0
    assert_one_at_a_time(record)
    assert_goes_on_where_it_was(record, SCRIPT)
    earliest = min(record.attempts.values(), key=lambda attempt: attempt.began)
    assert earliest.pod.env[Env.STOP_AFTER] == "3", "how long an episode is, is known before any trainer tells"
    # Beside those that were kept: leaders that were trained on while places idled, and were overtaken. Where GPUs are
    # many, also who started again when there was one for everybody left.
    if gpus < max(NODES):
        assert len(past_the_rung(record, SCRIPT)) <= 2 * KEEP
