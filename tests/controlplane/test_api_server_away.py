"""The API server goes away and comes back: what hangs on it goes on.

On a control plane of its own: schedulers and controllers are slow to come back, and other tests would wait for them.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from kubernetes.aio.config import new_client_from_config

from cluster.controlplane import ControlPlane
from cluster.episode_pods import START, Pods, status_of, uid_of
from cluster.fleet import Fleet
from cluster.objects import install_kinds
from cluster.polling import eventually
from cluster.recorded import Cluster
from cluster.simulator.script import Script
from cluster.simulator.simulator import simulate
from cluster.trial import on_trial, sweep_of
from host.runners import read_until, runner
from inputs import records
from seedsweep.api.episode import EpisodeId

SLOW = Script(seconds=0.5)
"""Episodes of 5 s: an operator that is away for a while misses something."""


@pytest.fixture(scope="module")
def control_plane(programs: None) -> Iterator[ControlPlane]:
    with ControlPlane({"operator": []}) as running, Fleet(running):
        install_kinds(running)
        yield running


@pytest.mark.parametrize("seconds", [1.0, 30.0])
async def test_an_api_server_that_is_away_holds_a_sweep_up_and_no_more(control_plane, namespace: str, seconds: float):
    async with on_trial(control_plane, namespace, SLOW) as trial:
        await trial.apply(sweep := sweep_of())
        await trial.running(4)
        await asyncio.to_thread(control_plane.kill_api_server)
        await asyncio.sleep(seconds)
        assert await trial.operator.answers(), "the API server's absence is no reason to be restarted"
        await asyncio.to_thread(control_plane.start_api_server)
        await trial.completed(sweep, SLOW)


async def test_trainers_go_on_while_the_api_server_is_away(control_plane: ControlPlane, namespace: str) -> None:
    async with (
        await new_client_from_config(str(control_plane.kubeconfig("admin"))) as client,
        simulate(client, Script(seconds=0.1), namespace) as trainers,
    ):
        pods = Pods(client, namespace)
        name = await pods.create()
        pod = await pods.until(name, lambda pod: uid_of(pod) in trainers.record.attempts)

        async def over() -> float | None:
            return trainers.record.attempts[uid_of(pod)].ended

        await asyncio.to_thread(control_plane.kill_api_server)
        await eventually(over)
        await asyncio.to_thread(control_plane.start_api_server)
        again = await pods.create(start=replace(START, episode=EpisodeId(3, 4)))
        assert [status_of(await pods.ended(each)).phase for each in (name, again)] == ["Succeeded"] * 2


def test_the_view_goes_on_after_the_api_server_was_away(
    control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(control_plane, namespace, records.finished())
    cluster.write()
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig("admin", namespace)))
    with runner("watch", "rte") as process:
        assert read_until(process, "Running: ", 1)
        control_plane.kill_api_server()
        try:
            assert read_until(process, "the API server cannot be reached", 1)
        finally:
            control_plane.start_api_server()
        cluster.publish()
        rest, _ = process.communicate()
    assert process.returncode == 0
    assert "✓ rte is complete" in rest
