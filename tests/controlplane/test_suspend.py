"""What people may change under way: suspend a sweep, move it, give it fewer or more places, deadlines and budgets."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cluster.controlplane import ControlPlane
from cluster.polling import eventually
from cluster.rights import USER
from cluster.simulator.faults import Fault, crash, stall
from cluster.simulator.script import Script
from cluster.trial import Trial, on_trial, sweep_of

SCRIPT = Script(seconds=0.5)
STORED = {"storage": {"uri": "s3://bucket"}}
LEFT = 600
"""Seconds to the deadline that a sweep has when it goes on, and is suspended for before."""
moment = datetime.fromisoformat
QUEUE = "kueue.x-k8s.io/queue-name"

Object = dict[str, Any]


def until_suspended(after: int) -> Script:
    """Everybody comes to this evaluation and no further, but for who starts again."""
    return replace(SCRIPT, faults=(Fault(stall(after), attempt=0),))


def created(control_plane: ControlPlane, namespace: str, since: int) -> list[Object]:
    """Pods that the operator has created after a position in the audit log."""
    pods = (USER, "create", "pods", "", namespace, 201)
    return [
        dict(event.answer or {})
        for event in control_plane.audit(since)
        if (event.user, event.verb, event.resource, event.subresource, event.namespace, event.code) == pods
    ]


async def alive(trial: Trial, at_most: int) -> list[Object]:
    """Wait until no more pods live; those that do."""

    async def look() -> list[Object] | None:
        pods = [pod for pod in await trial.items("pods") if pod["status"]["phase"] not in ("Succeeded", "Failed")]
        return pods if len(pods) <= at_most else None

    return await eventually(look)


async def test_a_suspended_sweep_frees_all_gpus_and_goes_on_from_checkpoints_elsewhere(control_plane, namespace: str):
    script = until_suspended(after=2)
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(sweep := sweep_of(**STORED))
        await trial.running(8)
        await trial.edit(suspend=True)
        await trial.condition("Suspended")
        await alive(trial, at_most=0)
        pool = {"kubernetes.io/hostname": "node-003"}
        moved = {"metadata": {"labels": {QUEUE: "other"}}, "spec": {"nodeSelector": pool}}
        await trial.edit(podTemplate=moved)
        since = control_plane.audit_position()
        await trial.edit(suspend=False)
        await trial.completed(sweep, script)
        assert {pod["metadata"]["labels"][QUEUE] for pod in created(control_plane, namespace, since)} == {"other"}
        status = await trial.status()
        assert status["suspendedSeconds"] > 0
        # At most the interval under way is lost, of each of the eight.
        assert status["cost"]["wastedSteps"] <= 8 * script.steps_per_evaluation
        episodes = await trial.items("episodes")
        last = [item["status"]["attempts"][-1] for item in episodes if len(item["status"]["attempts"]) > 1]
        assert {attempt["node"] for attempt in last} == {"node-003"}


async def test_places_may_become_fewer_and_more_while_it_runs(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.apply(sweep := sweep_of(gpusPerEpisode="0.25", **STORED))
        await trial.running(8)
        await trial.edit(parallelism=2)
        await alive(trial, at_most=2)
        await trial.edit(parallelism=8)
        await trial.completed(sweep, SCRIPT)
        assert (await trial.status())["cost"]["wastedSteps"] <= 8 * SCRIPT.steps_per_evaluation
        attempts = [attempt for item in await trial.items("episodes") for attempt in item["status"]["attempts"]]
        held = {
            a["uid"]: datetime.fromisoformat(a["completionTime"]) - datetime.fromisoformat(a["startTime"])
            for a in attempts
        }
        for attempt in attempts:
            assert attempt["gpuSeconds"] == pytest.approx(held[attempt["uid"]].total_seconds() / 4, abs=0.01)


async def date_back(trial: Trial, seconds: float) -> None:
    """Have the record say that a suspended sweep began and was suspended so much earlier."""

    def earlier(told: str) -> str:
        return (moment(told) - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    status = await trial.status()
    for condition in status["conditions"]:
        if condition["type"] == "Suspended":
            condition["lastTransitionTime"] = earlier(condition["lastTransitionTime"])
    dated = {"startTime": earlier(status["startTime"]), "conditions": status["conditions"]}
    code, answer = await trial.request("PATCH", trial.path("seedsweeps", "demo/status"), {"status": dated})
    assert code == 200, answer


async def test_suspended_time_does_not_count_towards_the_deadline(control_plane, namespace: str):
    # There is little left to train for when it goes on.
    script = until_suspended(after=9)
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(sweep := sweep_of(**STORED))
        await trial.running(8)
        await trial.cut()
        await trial.edit(suspend=True)
        suspended = await trial.condition("Suspended")
        await alive(trial, at_most=0)
        active = moment(suspended["lastTransitionTime"]) - moment((await trial.status())["startTime"])
        await trial.operator.kill()
        await date_back(trial, seconds=LEFT)
        await trial.operator.start()
        await trial.edit(activeDeadlineSeconds=int(active.total_seconds()) + LEFT, suspend=False)
        await trial.completed(sweep, script)
        assert (await trial.status())["suspendedSeconds"] >= LEFT


async def test_more_failed_episodes_than_allowed_end_the_sweep_and_free_its_gpus(control_plane, namespace: str):
    script = Script(seconds=0.5, faults=tuple(Fault(crash(1), f"wi0-do{i}") for i in range(2)))
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(sweep_of(backoffLimitPerEpisode=0, maxFailedEpisodes=1))
        failed = await trial.condition("Failed")
        assert failed["reason"] == "MaxFailedEpisodesExceeded"
        await alive(trial, at_most=0)
        assert await trial.settled_wrong() == []
