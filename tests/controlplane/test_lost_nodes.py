"""Nodes that go away and may come back, under the real taint manager and collector of orphaned pods."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.misfortune import intruder, on_own_nodes, own_nodes, urgent
from cluster.polling import eventually
from cluster.reaper import UNATTENDED
from cluster.rights import USER
from cluster.simulator.faults import Fault, stall
from cluster.simulator.script import Script
from cluster.trial import Trial, on_trial, sweep_of

VICTIM = "wi0-do1"
HANGING = Script(seconds=0.2, faults=(Fault(stall(after=1), VICTIM, attempt=0),))
"""All wait for the victim, so that its node has the time to be lost."""
UNREACHABLE = "node.kubernetes.io/unreachable"
IMPATIENT = {
    "terminationGracePeriodSeconds": 1,
    "tolerations": [{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}],
}

Object = dict[str, Any]


async def pod_of(trial: Trial, episode: str = VICTIM) -> Object:
    pod: Object = (await trial.request("GET", trial.path("pods", f"demo-{episode}")))[1]
    return pod


async def first_attempt(trial: Trial, episode: str = VICTIM) -> Object:
    """As it is on record once it has ended: a pod whose node is gone is collected after 40 s."""

    async def look() -> Object | None:
        code, found = await trial.request("GET", trial.path("episodes", f"demo-{episode}"))
        # It is written when there is time.
        attempts = found.get("status", {}).get("attempts") if code == 200 else None
        attempts = attempts or [{}]
        return attempts[0] if attempts[0].get("reason") else None

    return await eventually(look)


async def attend(trial: Trial, *, attended: bool) -> None:
    """Whether a kubelet looks after the victim's pod."""
    annotations = {UNATTENDED: None if attended else "true"}
    await trial.request("PATCH", trial.path("pods", f"demo-{VICTIM}"), {"metadata": {"annotations": annotations}})


@asynccontextmanager
async def unreachable(trial: Trial, node: str) -> AsyncIterator[None]:
    """The node is taken for unreachable, as the node controller does after 40 s without a sign of life."""
    path = f"/api/v1/nodes/{node}"
    await trial.request("PATCH", path, {"spec": {"taints": [{"key": UNREACHABLE, "effect": "NoExecute"}]}})
    try:
        yield
    finally:
        await trial.request("PATCH", path, {"spec": {"taints": None}})


async def evicted(trial: Trial) -> None:
    """Wait until the taint manager has taken the victim."""

    async def look() -> bool | None:
        return "deletionTimestamp" in (await pod_of(trial))["metadata"] or None

    await eventually(look)


async def lose_its_node(trial: Trial, sweep: Object) -> str:
    """Start a sweep, and cut off the victim's node from it; its name."""
    await trial.apply(sweep)
    await trial.running(8)
    await attend(trial, attended=False)
    node: str = (await pod_of(trial))["spec"]["nodeName"]
    return node


@pytest.mark.parametrize("killed", [False, True], ids=["", "operator-killed"])
async def test_an_episode_whose_node_is_lost_goes_on_elsewhere(control_plane, namespace: str, killed: bool):
    since = control_plane.audit_position()
    async with on_trial(control_plane, namespace, HANGING) as trial:
        node = await lose_its_node(trial, sweep := sweep_of(podTemplate={"spec": IMPATIENT}))
        async with unreachable(trial, node):
            await evicted(trial)
            if killed:
                await trial.operator.kill()
                await trial.operator.start()
            lost = await first_attempt(trial)
            assert (lost["stop"], lost["reason"], lost["interruption"]) == ("NodeLost", "Interrupted", "NodeLost")
            assert node in lost["message"]
            await trial.completed(sweep, HANGING)
        forced = [
            event.body["preconditions"]["uid"]
            for event in control_plane.audit(since)
            if (event.user, event.verb, event.resource, event.namespace) == (USER, "delete", "pods", namespace)
            and event.body.get("gracePeriodSeconds") == 0
        ]
        assert set(forced) == {lost["uid"]}
        # Others may have been on that node, and gone from it while nobody looked.
        assert {"kind": "NodeLost", "attempts": 1} in (await trial.status())["interruptions"]


async def test_a_node_that_comes_back_in_time_ends_its_pod_itself(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, HANGING) as trial:
        node = await lose_its_node(trial, sweep := sweep_of(podTemplate={"spec": IMPATIENT}))
        async with unreachable(trial, node):
            await evicted(trial)
            await asyncio.sleep(3)
            assert (await pod_of(trial))["metadata"]["annotations"][UNATTENDED]
        await attend(trial, attended=True)
        taken = await first_attempt(trial)
        assert (taken.get("stop"), taken["interruption"]) == (None, "Tainted")
        await trial.completed(sweep, HANGING)


async def test_a_silent_node_is_told_while_kubernetes_leaves_its_pods_alone(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, HANGING) as trial:
        await lose_its_node(trial, sweep := sweep_of())
        # As the node controller marks pods of a node that it hears nothing of.
        conditions = [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-05-04T11:00:05Z"}]
        path = trial.path("pods", f"demo-{VICTIM}/status")
        code, answer = await trial.request(
            "PATCH", path, {"status": {"conditions": conditions}}, patch="strategic-merge-patch"
        )
        assert code == 200, answer
        await trial.stalled("NodeSilent", VICTIM)
        await attend(trial, attended=True)
        await trial.delete("pods", f"demo-{VICTIM}")
        await trial.completed(sweep, HANGING)


NOBODY_MAKES_ROOM = Script(seconds=0.2, faults=(Fault(stall(after=1), attempt=0),))
"""By an end of its own, at the first attempt."""


async def test_an_episode_that_the_scheduler_preempts_makes_room_and_goes_on_later(control_plane, namespace: str):
    sweep = sweep_of(backoffLimitPerEpisode=0, podTemplate=on_own_nodes(namespace))
    with own_nodes(control_plane, namespace, 1, 8), urgent(control_plane, namespace) as priority:
        async with on_trial(control_plane, namespace, NOBODY_MAKES_ROOM) as trial:
            await trial.apply(sweep)
            await trial.running(8)
            await trial.request("POST", trial.path("pods"), intruder(namespace, priority, 1))

            async def preempted() -> list[Object] | None:
                return (await trial.status()).get("interruptions") or None

            assert await eventually(preempted) == [{"kind": "Preempted", "attempts": 1}]
            line = f'seedsweep_interruptions_total{{kind="Preempted",namespace="{namespace}",sweep="demo"}} 1.0'

            async def counted() -> bool | None:
                return line in (await trial.operator.metrics()).splitlines() or None

            await eventually(counted)
            for pod in await trial.items("pods"):
                await trial.delete("pods", pod["metadata"]["name"])
            await trial.completed(sweep, NOBODY_MAKES_ROOM)


async def test_episodes_of_a_node_that_was_removed_go_on_elsewhere(control_plane, namespace: str):
    with own_nodes(control_plane, namespace, 1, 8) as [old]:
        async with on_trial(control_plane, namespace, NOBODY_MAKES_ROOM) as trial:
            await trial.apply(sweep := sweep_of(podTemplate=on_own_nodes(namespace)))
            await trial.running(8)
            await trial.request("DELETE", f"/api/v1/nodes/{old}")
            with own_nodes(control_plane, namespace, 1, 8, first=1):
                lost = await first_attempt(trial)
                assert (lost["node"], lost["interruption"]) == (old, "NodeLost")
                await trial.completed(sweep, NOBODY_MAKES_ROOM)
                assert {(await first_attempt(trial, f"wi1-do{i}"))["interruption"] for i in range(4)} == {"NodeLost"}
