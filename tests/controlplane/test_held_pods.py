"""Pods that somebody's finalizer holds in the API once they were deleted: until then their names are taken."""

import asyncio
from typing import Any

from cluster.holding import ENDED, FINALIZER, Holder, holding
from cluster.polling import eventually
from cluster.simulator.faults import Fault, stall
from cluster.simulator.script import Script
from cluster.trial import Trial, on_trial, sweep_of

SCRIPT = Script(seconds=0.2)
VICTIM = "wi0-do1"

Object = dict[str, Any]


async def attempts_of(trial: Trial, episode: str = VICTIM) -> list[Object]:
    """Ended attempts on record."""
    code, found = await trial.request("GET", trial.path("episodes", f"demo-{episode}"))
    attempts = found.get("status", {}).get("attempts", ()) if code == 200 else ()
    return [attempt for attempt in attempts if attempt.get("reason") is not None]


async def held(trial: Trial, name: str) -> Object | None:
    """The pod, once it has the finalizer."""
    _, pod = await trial.request("GET", trial.path("pods", name))
    return pod if FINALIZER in pod["metadata"].get("finalizers", ()) else None


async def test_a_pod_that_was_deleted_and_is_held_starts_again_once_it_is_gone(control_plane, namespace: str):
    script = Script(seconds=0.2, faults=(Fault(stall(after=1), VICTIM, attempt=0),))
    async with on_trial(control_plane, namespace, script) as trial, holding(Holder(trial, {"Running"})) as holder:
        await trial.apply(sweep := sweep_of(backoffLimitPerEpisode=0))
        await trial.running(8)
        pod = await eventually(lambda: held(trial, f"demo-{VICTIM}"))
        await trial.delete("pods", f"demo-{VICTIM}")
        # Long enough for a start that does not wait to be refused.
        await asyncio.sleep(2)
        holder.holds = ()
        await trial.completed(sweep, script)
        first, *_ = await attempts_of(trial)
        uid = pod["metadata"]["uid"]
        assert (first["uid"], first["reason"], first["interruption"]) == (uid, "Interrupted", "Deleted")


async def test_a_pod_that_has_ended_and_that_a_finalizer_holds_keeps_its_name_until_it_is_let_go(
    control_plane, namespace: str
):
    async with on_trial(control_plane, namespace, SCRIPT) as trial, holding(Holder(trial, ENDED)) as holder:
        # In fewer places than episodes survivors end at the rung, and start again under the same name.
        await trial.apply(sweep := sweep_of(parallelism=4, storage={"uri": "s3://bucket"}))
        await trial.stalled("PodHeld", FINALIZER)
        holder.holds = ()
        await trial.completed(sweep, SCRIPT)
