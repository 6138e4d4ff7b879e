"""Kueue itself lets the pods of sweeps pass, takes them back for others, and gives them places again."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.controlplane import ControlPlane
from cluster.fleet import Fleet
from cluster.kueue import API, PRIORITY, QUEUE, Kueue, cluster_queue, flavor, local_queue, priority_class
from cluster.objects import run_kubectl
from cluster.polling import eventually
from cluster.rights import USER
from cluster.simulator.faults import Fault, stall
from cluster.simulator.script import Script
from cluster.trial import NAME, Trial, on_trial, sweep_of
from inputs.pod_sweeps import START
from seedsweep.api.reading.parse import load_sweep
from seedsweep.kube.pods.manifest import pod_manifest

EXAMPLES = Path(__file__).parents[2] / "examples"
URGENT = "urgent"
SCRIPT = Script(seconds=0.2)
STORED: dict[str, Any] = {"storage": {"uri": "s3://bucket"}}
TWO = ("wi0-do0", "wi0-do1")
"""The first two episodes: all that start where there are two places."""
TWO_STALLED = Script(seconds=0.2, faults=tuple(Fault(stall(after=1), episode, attempt=0) for episode in TWO))
"""They train on only once they have been taken back."""

Object = dict[str, Any]


@pytest.fixture(scope="module")
def kueue(programs: None, queue_programs: None) -> Iterator[Kueue]:
    """On a control plane of its own: it has its say about every pod."""
    with ControlPlane({USER: []}) as running, Fleet(running):
        queue = Kueue(running)
        running.create(f"{API}/resourceflavors", flavor())
        running.create(f"{API}/workloadpriorityclasses", priority_class(URGENT, 1000))
        yield queue


@pytest.fixture(scope="module")
def control_plane(kueue: Kueue) -> ControlPlane:
    """That one."""
    return kueue.control_plane


@dataclass(frozen=True, slots=True)
class Queues:
    """Queues of one namespace, each with a ClusterQueue of its own."""

    trial: Trial

    async def open(self, name: str, gpus: int, **spec: Any) -> None:
        """So many GPUs; `spec` of the ClusterQueue."""
        await self._create(f"{API}/clusterqueues", cluster_queue(self._whole(name), gpus, **spec))
        await self._create(self._local(), local_queue(name, of=self._whole(name)))

    async def resize(self, name: str, gpus: int) -> None:
        groups = cluster_queue(name, gpus)["spec"]["resourceGroups"]
        path = f"{API}/clusterqueues/{self._whole(name)}"
        code, answer = await self.trial.request("PATCH", path, {"spec": {"resourceGroups": groups}})
        assert code == 200, answer

    async def all_free(self, name: str) -> None:
        """Wait until nothing holds a part of its quota."""

        async def look() -> bool | None:
            _, queue = await self.trial.request("GET", f"{self._local()}/{name}")
            return queue["status"]["reservingWorkloads"] == 0 or None

        await eventually(look)

    async def workloads(self) -> list[Object]:
        """What stands in the namespace's queues, or has a place."""
        _, found = await self.trial.request("GET", f"{API}/namespaces/{self.trial.namespace}/workloads")
        items: list[Object] = found["items"]
        return items

    async def rival(self, name: str, queue: str, **labels: str) -> None:
        """A pod of somebody else that wants a GPU for as long as there is time."""
        container = {"name": "main", "image": "example/rival:1", "resources": {"limits": {"nvidia.com/gpu": 1}}}
        metadata = {"name": name, "labels": {QUEUE: queue, **labels}}
        await self._create(self.trial.path("pods"), {"metadata": metadata, "spec": {"containers": [container]}})

    async def rival_runs(self, name: str) -> None:
        """Wait until it has got its place."""

        async def look() -> bool | None:
            _, pod = await self.trial.request("GET", self.trial.path("pods", name))
            return pod["status"].get("phase") == "Running" or None

        await eventually(look)

    async def _create(self, path: str, body: Object) -> None:
        code, answer = await self.trial.request("POST", path, body)
        assert code == 201, answer

    def _whole(self, name: str) -> str:
        return f"{self.trial.namespace}-{name}"

    def _local(self) -> str:
        return f"{API}/namespaces/{self.trial.namespace}/localqueues"


def queued(queue: str = "team", **spec: Any) -> Object:
    """A sweep whose pods go through a queue."""
    return sweep_of(podTemplate={"metadata": {"labels": {QUEUE: queue}}}, **spec)


async def taken_back(trial: Trial) -> list[tuple[str, str]]:
    """Episode and words of every attempt that a queue took back."""
    return sorted(
        (item["metadata"]["name"].removeprefix(f"{NAME}-"), attempt["message"])
        for item in await trial.items("episodes")
        for attempt in item["status"]["attempts"]
        if attempt.get("interruption") == "PreemptedByQueue"
    )


async def test_pods_are_let_pass_one_by_one_and_a_sweep_that_waits_is_not_short_of_gpus(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        queues = Queues(trial)
        await queues.open("team", 0)
        await trial.apply(sweep := queued(waitForCapacitySeconds=1))
        await trial.stalled("Queued", "SchedulingGated")
        assert [w["spec"]["podSets"][0]["count"] for w in await queues.workloads()] == [1] * 8
        await queues.resize("team", 3)
        await trial.completed(sweep, SCRIPT)
        assert "observedPlaces" not in await trial.status()


async def two_rivals_come_and_go(queues: Queues, queue: str, **labels: str) -> None:
    """Each takes a place; both have theirs before the first goes."""
    for name in ("first", "second"):
        await queues.rival(name, queue, **labels)
        await queues.rival_runs(name)
    for name in ("first", "second"):
        await queues.trial.delete("pods", name)


async def test_two_preemptions_change_neither_the_cut_nor_the_winner(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, TWO_STALLED) as trial:
        queues = Queues(trial)
        await queues.open("team", 2, preemption={"withinClusterQueue": "LowerPriority"})
        # No failure is forgiven: whatever befalls it here, it must not count as one.
        await trial.apply(sweep := queued(parallelism=2, backoffLimitPerEpisode=0, **STORED))
        await trial.running(2)
        await two_rivals_come_and_go(queues, "team", **{PRIORITY: URGENT})
        await trial.completed(sweep, TWO_STALLED)
        taken = await taken_back(trial)
        assert [episode for episode, _ in taken] == [*TWO]
        assert all("due to prioritization in the ClusterQueue" in words for _, words in taken)
        assert (await trial.status())["interruptions"] == [{"kind": "PreemptedByQueue", "attempts": 2}]


async def test_a_suspended_sweep_moves_to_another_queue_and_leaves_nothing_in_its_own(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, TWO_STALLED) as trial:
        queues = Queues(trial)
        await queues.open("narrow", 2)
        await queues.open("wide", 8)
        await trial.apply(sweep := queued("narrow", parallelism=2, **STORED))
        await trial.running(2)
        await trial.edit(suspend=True)
        await trial.none_left("pods")
        await queues.all_free("narrow")
        await trial.edit(podTemplate={"metadata": {"labels": {QUEUE: "wide"}}}, parallelism=8)
        since = control_plane.audit_position()
        await trial.edit(suspend=False)
        await trial.completed(sweep, TWO_STALLED)
        created = [e for e in control_plane.audit(since) if (e.user, e.resource, e.verb) == (USER, "pods", "create")]
        assert {(event.answer or {})["metadata"]["labels"][QUEUE] for event in created} == {"wide"}


async def test_quota_that_was_lent_is_given_back_and_lent_again(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, TWO_STALLED) as trial:
        queues = Queues(trial)
        await queues.open("team", 0, cohortName=namespace)
        await queues.open("others", 2, cohortName=namespace, preemption={"reclaimWithinCohort": "Any"})
        await trial.apply(sweep := queued(parallelism=2, backoffLimitPerEpisode=0, **STORED))
        await trial.running(2)
        await two_rivals_come_and_go(queues, "others")
        await trial.completed(sweep, TWO_STALLED)
        taken = await taken_back(trial)
        assert [episode for episode, _ in taken] == [*TWO]
        assert all("due to reclamation within the cohort" in words for _, words in taken)


async def test_while_kueue_is_away_it_holds_what_has_ended_and_the_sweep_goes_on_with_it(
    kueue: Kueue, control_plane, namespace: str
):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await Queues(trial).open("team", 4)
        # In fewer places than episodes they end at the rung.
        await trial.apply(sweep := queued(parallelism=4, **STORED))
        await trial.running(4)
        kueue.kill()

        await trial.stalled("PodHeld", "kueue.x-k8s.io/managed")
        await asyncio.to_thread(kueue.start)
        await trial.completed(sweep, SCRIPT)


async def test_the_queue_of_the_example_takes_the_pods_of_the_example(control_plane: ControlPlane, namespace: str):
    run_kubectl(control_plane, "apply", "--namespace", namespace, "-f", str(EXAMPLES / "kueue"))
    sweep = load_sweep(EXAMPLES / "kueue.yaml")
    sweep = sweep.evolve(metadata=sweep.metadata.evolve(namespace=namespace, uid="sweep-uid"))
    pod = pod_manifest(sweep, START)
    # The garbage collector takes a pod whose owner there is not.
    del pod["metadata"]["ownerReferences"]
    control_plane.create(f"/api/v1/namespaces/{namespace}/pods", pod)

    async def admitted() -> Object | None:
        _, found = control_plane.request("GET", f"{API}/namespaces/{namespace}/workloads")
        return next((w for w in found["items"] if "admission" in w.get("status", {})), None)

    workload = await eventually(admitted)
    assert (workload["status"]["admission"]["clusterQueue"], workload["spec"]["priority"]) == ("research", -100)
