"""Pods behind a queue: they wait at its gate, are admitted and taken back, and its finalizer holds them."""

import asyncio
from typing import Any

from cluster.queue import ENDED, FINALIZER, LABEL, POD_SPEC, Queue, queueing
from cluster.simulator.faults import Fault, stall
from cluster.simulator.script import Script
from cluster.trial import Trial, eventually, on_trial, sweep_of

SCRIPT = Script(seconds=0.2)
VICTIM = "wi0-do1"

Object = dict[str, Any]


def queued(**spec: Any) -> Object:
    """A sweep whose pods go through the queue."""
    return sweep_of(podTemplate={"metadata": {"labels": {LABEL: "team"}}, "spec": POD_SPEC}, **spec)


async def attempts_of(trial: Trial, episode: str = VICTIM) -> list[Object]:
    """Ended attempts on record."""
    code, found = await trial.request("GET", trial.path("episodes", f"demo-{episode}"))
    attempts = found.get("status", {}).get("attempts", ()) if code == 200 else ()
    return [attempt for attempt in attempts if attempt.get("reason") is not None]


async def test_a_sweep_that_a_queue_admits_bit_by_bit_waits_without_taking_it_for_scarcity(
    control_plane, namespace: str
):
    async with on_trial(control_plane, namespace, SCRIPT) as trial, queueing(Queue(trial, quota=0)) as queue:
        await trial.apply(sweep := queued(waitForCapacitySeconds=1))
        stalled = await trial.condition("Stalled")
        assert (stalled["reason"], "SchedulingGated" in stalled["message"]) == ("Queued", True)
        queue.quota = 3
        await trial.completed(sweep, SCRIPT)
        assert "observedPlaces" not in await trial.status()


async def test_a_pod_that_a_queue_takes_back_is_an_interruption_and_starts_again_once_it_is_gone(
    control_plane, namespace: str
):
    script = Script(seconds=0.2, faults=(Fault(stall(after=1), VICTIM, attempt=0),))
    async with on_trial(control_plane, namespace, script) as trial, queueing(Queue(trial, 8, {"Running"})) as queue:
        await trial.apply(sweep := queued(backoffLimitPerEpisode=0))
        await trial.running(8)
        uid = await queue.preempt(f"demo-{VICTIM}")
        # Long enough for a start that does not wait to be refused.
        await asyncio.sleep(2)
        queue.holds = ()
        await trial.completed(sweep, script)
        first, *_ = await attempts_of(trial)
        assert (first["uid"], first["reason"], first["interruption"]) == (uid, "Interrupted", "PreemptedByQueue")
        assert "Preempted to accommodate" in first["message"]


async def test_a_pod_that_has_ended_and_that_a_finalizer_holds_keeps_its_name_until_it_is_let_go(
    control_plane, namespace: str
):
    async with on_trial(control_plane, namespace, SCRIPT) as trial, queueing(Queue(trial, 4, ENDED)) as queue:
        # In fewer places than episodes survivors end at the rung, and start again under the same name.
        await trial.apply(sweep := queued(parallelism=4, storage={"uri": "s3://bucket"}))

        async def held() -> Object | None:
            conditions = (await trial.status()).get("conditions", ())
            return next((c for c in conditions if c["type"] == "Stalled" and c["reason"] == "PodHeld"), None)

        assert FINALIZER in (await eventually(held))["message"]
        queue.holds = ()
        await trial.completed(sweep, SCRIPT)
