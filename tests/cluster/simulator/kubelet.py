"""The kubelet's part for pods without containers: starts a trainer for each, and writes how it ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from cluster.simulator.faults import End
from cluster.simulator.podapi import PodApi
from cluster.simulator.pods import Pod, ended_status, parse_pod, unpullable_status


@dataclass(frozen=True, slots=True)
class Ended:
    """A trainer that has come to its end."""

    end: End
    message: str
    failed_before: str | None = None
    """The init container that failed, so that the trainer's never began."""


class Trainers(Protocol):
    """What runs in the pods."""

    def pullable(self, pod: Pod) -> bool:
        """Whether its image is there."""
        ...

    async def train(self, pod: Pod, told_to_end: asyncio.Event) -> Ended | None:
        """Train until the end; None where it was told to end first, which is to take effect at once."""
        ...


class Kubelet:
    """Runs trainers for the episodes' pods that are Running and have an address."""

    def __init__(self, api: PodApi, trainers: Trainers) -> None:
        self._api = api
        self._trainers = trainers
        self._told_to_end: dict[str, asyncio.Event] = {}
        """By UID of the pods that were started, until they are gone."""
        self._newest: dict[str, asyncio.Task[None]] = {}
        """By pod path, and by address: a deleted pod is gone before its trainer is, and kwok gives both away again."""

    async def run(self) -> None:
        """Until it is cancelled; then all trainers end."""
        async with asyncio.TaskGroup() as group, aclosing(self._api.changes()) as changes:
            async for uid, found in changes:
                pod = parse_pod(found) if found is not None else None
                if found is None or (pod is not None and pod.over):
                    self._tell_to_end(uid, gone=found is None)
                elif pod is not None:
                    self._see(pod, group)

    def _see(self, pod: Pod, group: asyncio.TaskGroup) -> None:
        if not self._trainers.pullable(pod):
            if pod.bound and not pod.waits_for:
                group.create_task(self._api.patch_status(pod.path, pod.uid, unpullable_status(pod)))
        elif pod.running and pod.ip and pod.uid not in self._told_to_end:
            told_to_end = self._told_to_end[pod.uid] = asyncio.Event()
            before = {self._newest[key] for key in (pod.path, pod.ip) if key in self._newest}
            self._newest[pod.path] = self._newest[pod.ip] = group.create_task(self._play(pod, told_to_end, before))

    def _tell_to_end(self, uid: str, *, gone: bool) -> None:
        if uid in self._told_to_end:
            self._told_to_end[uid].set()
        if gone:
            self._told_to_end.pop(uid, None)

    async def _play(self, pod: Pod, told_to_end: asyncio.Event, before: set[asyncio.Task[None]]) -> None:
        if before:
            # By then the pod of this name before it has saved what it saves, and the one of this address has left it.
            await asyncio.wait(before)
        began = datetime.now(UTC)
        ended = await self._trainers.train(pod, told_to_end)
        if ended is None:
            return
        status = ended_status(pod, ended.end, ended.message, began, datetime.now(UTC), ended.failed_before)
        await self._api.patch_status(pod.path, pod.uid, status)
        if ended.end.deleted:
            await self._api.delete(pod.path, pod.uid)


@asynccontextmanager
async def running(kubelet: Kubelet) -> AsyncIterator[None]:
    """The kubelet runs within this context; what goes wrong with it ends the context and is raised."""
    # No TaskGroup, which would wrap what goes wrong within the context.
    task, inside = asyncio.create_task(kubelet.run()), asyncio.current_task()
    assert inside is not None  # a coroutine runs in one
    task.add_done_callback(lambda ended: ended.cancelled() or inside.cancel())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
