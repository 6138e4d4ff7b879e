"""GPU nodes of a test's own, and bad luck for the pods on them: deleted, evicted, and nodes that fail and come back."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from cluster.controlplane import ControlPlane
from cluster.fleet import create_node
from cluster.trial import Object, Trial
from seedsweep.kube.objects.names import LABEL_EPISODE

LABEL = "nodes-of"
MOST_AN_EPISODE = 4
"""Ten interruptions in a row without durable progress would end it."""
TAINT = {"key": "out-of-order", "effect": "NoExecute"}
REPAIRED_AFTER = 1.0
"""Seconds."""


@contextmanager
def own_nodes(
    control_plane: ControlPlane, namespace: str, nodes: int, gpus_per_node: int, *, first: int = 0
) -> Iterator[list[str]]:
    """Nodes, numbered from `first` on, that only pods with `on_own_nodes` of this namespace run on."""
    names = [f"{namespace}-{number}" for number in range(first, first + nodes)]
    for name in names:
        create_node(control_plane, name, gpus_per_node, {LABEL: namespace})
    try:
        yield names
    finally:
        for name in names:
            control_plane.request("DELETE", f"/api/v1/nodes/{name}")


def on_own_nodes(namespace: str) -> Object:
    """The `podTemplate` of a sweep there."""
    return {"spec": {"nodeSelector": {LABEL: namespace}}}


@contextmanager
def urgent(control_plane: ControlPlane, namespace: str) -> Iterator[str]:
    """The name of a priority class above that of all episodes."""
    name, path = f"{namespace}-urgent", "/apis/scheduling.k8s.io/v1/priorityclasses"
    control_plane.create(path, {"metadata": {"name": name}, "value": 1000})
    try:
        yield name
    finally:
        control_plane.request("DELETE", f"{path}/{name}")


def intruder(namespace: str, priority: str, gpus: int) -> Object:
    """A pod that wants so many GPUs there. The real scheduler makes room for it where its priority is higher."""
    one = {"name": "x", "image": "x:1", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    spec = {**on_own_nodes(namespace)["spec"], "priorityClassName": priority, "containers": [one]}
    return {"metadata": {"name": "intruder"}, "spec": spec}


@dataclass
class Misfortune:
    """What befalls the running pods of a trial, one after another."""

    trial: Trial
    nodes: list[str]
    rng: random.Random
    every: float
    """Seconds."""
    hits: Counter[str] = field(default_factory=Counter)
    """By what was done."""
    victims: Counter[str] = field(default_factory=Counter)
    """Pods killed, by episode."""

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(self.every)
            pods = [pod for pod in await self.trial.items("pods") if self._may_be_hit(pod)]
            if pods:
                what = self.rng.choice([self._delete, self._delete, self._evict, self._evict, self._fail_node])
                await what(self.rng.choice(pods))

    async def _delete(self, pod: Object) -> None:
        await self.trial.delete("pods", pod["metadata"]["name"])
        self._note("deleted", pod)

    async def _evict(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        # As it was seen, running: one that has ended since would be gone at once, and no log would tell of it.
        seen = {"resourceVersion": pod["metadata"]["resourceVersion"]}
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name},
            "deleteOptions": {"preconditions": seen},
        }
        code, _ = await self.trial.request("POST", f"{self.trial.path('pods', name)}/eviction", eviction)
        if code == 201:
            self._note("evicted", pod)

    async def _fail_node(self, pod: Object) -> None:
        """All pods of a node are thrown off it, and nothing runs there for a while."""
        node = pod["spec"]["nodeName"]
        path = f"/api/v1/nodes/{node}"
        for other in await self.trial.items("pods"):
            if other["spec"].get("nodeName") == node:
                self._note("on a failed node", other)
        await self.trial.request("PATCH", path, {"spec": {"taints": [TAINT]}})
        await asyncio.sleep(REPAIRED_AFTER)
        await self.trial.request("PATCH", path, {"spec": {"taints": None}})

    def _may_be_hit(self, pod: Object) -> bool:
        running = pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
        return running and self.victims[_episode(pod)] < MOST_AN_EPISODE

    def _note(self, what: str, pod: Object) -> None:
        self.hits[what] += 1
        self.victims[_episode(pod)] += 1


def _episode(pod: Object) -> str:
    name: str = pod["metadata"]["labels"].get(LABEL_EPISODE, "")
    return name


@asynccontextmanager
async def befalling(misfortune: Misfortune) -> AsyncIterator[Misfortune]:
    """Within this context; what goes wrong with it is raised at its end."""
    task = asyncio.create_task(misfortune.run())
    try:
        yield misfortune
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
