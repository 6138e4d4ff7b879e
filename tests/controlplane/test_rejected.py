"""A sweep that the operator rejects, as kubectl sees it: it has failed, its time to live counts, an edit mends it."""

import asyncio

from cluster.objects import run_kubectl
from cluster.simulator.script import Script
from cluster.trial import NAME, Trial, on_trial, sweep_of

SCRIPT = Script(seconds=0.2)
HALF_A_GPU = {"limits": {"nvidia.com/gpu": "500m"}}


async def kubectl_wait(trial: Trial, condition: str) -> str:
    arguments = ("wait", f"--for=condition={condition}", f"ssw/{NAME}", "-n", trial.namespace, "--timeout=120s")
    return await asyncio.to_thread(run_kubectl, trial.control_plane, *arguments)


async def test_kubectl_waits_for_the_failure_of_a_rejected_sweep_and_for_its_end_once_it_is_mended(
    control_plane, namespace: str
):
    sweep = sweep_of()
    sweep["spec"]["trainer"]["resources"] = HALF_A_GPU
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.apply(sweep)
        assert "condition met" in await kubectl_wait(trial, "Failed")
        status = await trial.status()
        assert status["completionTime"]
        (why,) = {c["message"] for c in status["conditions"] if c["reason"] == "Invalid"}
        assert "must be a whole number of GPUs" in why
        await trial.edit(suspend=True)
        await trial.edit(trainer={"resources": {"limits": {"nvidia.com/gpu": 1}}})
        await trial.condition("Suspended")
        status = await trial.status()
        assert "completionTime" not in status
        assert {c["type"]: c["status"] for c in status["conditions"]}["Failed"] == "False"
        await trial.edit(suspend=False)
        assert "condition met" in await kubectl_wait(trial, "Complete")
        await trial.completed(sweep_of(), SCRIPT)


async def test_a_rejected_sweep_is_deleted_when_its_time_to_live_is_over(control_plane, namespace: str):
    sweep = sweep_of(ttlSecondsAfterFinished=0, podTemplate={"spec": {"serviceAccountName": "root"}})
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.apply(sweep)
        await trial.none_left("seedsweeps")
        assert await trial.settled_wrong() == []
