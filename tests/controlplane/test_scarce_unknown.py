"""Fewer GPUs than a sweep asks for, and no storage: found out, made do with, and the end is the same."""

from cluster.scarce import (
    KEEP,
    SCRIPT,
    STORAGE,
    T,
    assert_goes_on_where_it_was,
    assert_one_at_a_time,
    attempts_of,
    began_before_room_was_made,
    past_the_rung,
    places_told,
    play,
    unwarned,
)
from cluster.simulator.faults import Fault, stall
from cluster.simulator.script import Script

HANGING = Script(seconds=0.2, spread=0.2, faults=(Fault(stall(after=4), attempt=0),))
"""Who trains past its rung at the first attempt holds its GPU until it is stopped, however late that is."""


async def test_where_nobody_said_that_gpus_are_few_episodes_past_their_rung_make_room(control_plane, namespace: str):
    options = {"parallelism": T, "storage": STORAGE, "waitForCapacitySeconds": 2}
    status, record, misfortune = await play(control_plane, namespace, 16, 1.0, HANGING, **options)
    assert min(places_told(misfortune.trial)) <= 16
    # At any place the next pod may be seen to be bound before the last one is seen to have ended.
    assert status["observedPlaces"] <= 2 * 16
    assert_one_at_a_time(record)
    assert_goes_on_where_it_was(record, HANGING)
    # One on each GPU, and one for each that was killed there.
    assert len(began_before_room_was_made(misfortune.trial)) <= 16 + misfortune.victims.total()
    # Of those that were created once it was known: who was kept, and leaders that were overtaken. Who was created
    # before was not told where to end, and begins where the scheduler is quicker than the operator.
    past = set(past_the_rung(record, HANGING))
    assert len(past - unwarned(misfortune.trial)) <= 2 * KEEP
    assert len(past) < T


async def test_without_storage_survivors_start_again_and_reach_the_same_scores(control_plane, namespace: str):
    status, record, misfortune = await play(control_plane, namespace, 16, every=1.0, parallelism=16)
    assert_one_at_a_time(record)
    assert all(a.steps_at_start == 0 for attempts in attempts_of(record).values() for a in attempts)
    killed, steps = sum(misfortune.victims.values()), SCRIPT.steps_per_evaluation
    # Each survivor trains its way to the rung twice, and whoever was killed anew.
    assert status["cost"]["wastedSteps"] <= KEEP * 3 * steps + killed * SCRIPT.evaluations * steps
