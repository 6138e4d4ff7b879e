"""A stand-in for a queue like Kueue, as far as pods tell: it holds them, gates and admits them, and takes them back."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from cluster.trial import Trial

GATE = "kueue.x-k8s.io/admission"
FINALIZER = "kueue.x-k8s.io/managed"
LABEL = "kueue.x-k8s.io/queue-name"
POD_SPEC = {"schedulingGates": [{"name": GATE}]}
"""Kueue's webhook adds the gate; here the sweep brings it."""
_PERIOD = 0.1
ENDED = ("Succeeded", "Failed")

Object = dict[str, Any]


@dataclass
class Queue:
    """One queue of one namespace."""

    trial: Trial
    quota: int
    """Pods that it admits at once."""
    holds: Collection[str] = ()
    """Its finalizer keeps pods that were deleted in one of these phases."""

    async def run(self) -> None:
        """Until it is cancelled."""
        letting_go: set[str] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                pods = [pod for pod in await self.trial.items("pods") if LABEL in pod["metadata"]["labels"]]
                for pod in pods:
                    uid, over = pod["metadata"]["uid"], pod["status"].get("phase") in ENDED
                    if "deletionTimestamp" in pod["metadata"]:
                        if uid not in letting_go:
                            letting_go.add(uid)
                            group.create_task(self._let_go(pod))
                    elif FINALIZER not in pod["metadata"].get("finalizers", ()) and not over:
                        await self._patch(pod, {"metadata": {"finalizers": [FINALIZER]}})
                await self._admit(pods)
                await asyncio.sleep(_PERIOD)

    async def preempt(self, name: str) -> str:
        """Take a pod back, as Kueue does for a workload of higher priority; its UID."""
        path = self.trial.path("pods", name)
        condition = {
            "type": "TerminationTarget",
            "status": "True",
            "reason": "WorkloadEvicted",
            "message": "Preempted to accommodate a workload (UID: 1) due to prioritization in the ClusterQueue",
            "lastTransitionTime": "2026-05-04T11:00:05Z",
        }
        code, pod = await self.trial.request(
            "PATCH", f"{path}/status", {"status": {"conditions": [condition]}}, patch="strategic-merge-patch"
        )
        assert code == 200, pod
        await self.trial.delete("pods", name)
        uid: str = pod["metadata"]["uid"]
        return uid

    async def _admit(self, pods: list[Object]) -> None:
        gated = [pod for pod in pods if pod["spec"].get("schedulingGates")]
        taken = [pod for pod in pods if pod not in gated and pod["status"].get("phase") not in ENDED]
        for pod in gated[: max(0, self.quota - len(taken))]:
            if "deletionTimestamp" not in pod["metadata"]:
                await self._patch(pod, {"spec": {"schedulingGates": []}})

    async def _let_go(self, pod: Object) -> None:
        while pod["status"].get("phase") in self.holds:  # noqa: ASYNC110
            await asyncio.sleep(_PERIOD)
        await self._patch(pod, {"metadata": {"finalizers": None}})

    async def _patch(self, pod: Object, patch: Object) -> None:
        metadata = {**patch.get("metadata", {}), "uid": pod["metadata"]["uid"]}
        await self.trial.request(
            "PATCH", self.trial.path("pods", pod["metadata"]["name"]), {**patch, "metadata": metadata}
        )


@asynccontextmanager
async def queueing(queue: Queue) -> AsyncIterator[Queue]:
    """The queue works within this context."""
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
