"""Somebody's finalizer on all pods of a namespace: what was deleted stays in the API until it is let go."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from cluster.polling import PERIOD
from cluster.trial import Trial

FINALIZER = "tests.seedsweep.io/held"
ENDED = ("Succeeded", "Failed")

Object = dict[str, Any]


@dataclass
class Holder:
    """Puts the finalizer on pods, and takes it from those that were deleted."""

    trial: Trial
    holds: Collection[str] = ()
    """Those that were deleted in one of these phases are not let go; may become fewer."""

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            for pod in await self.trial.items("pods"):
                deleted, phase = "deletionTimestamp" in pod["metadata"], pod["status"].get("phase")
                if deleted and phase not in self.holds:
                    await self._finalize(pod, None)
                elif not deleted and phase not in ENDED and "finalizers" not in pod["metadata"]:
                    await self._finalize(pod, [FINALIZER])
            await asyncio.sleep(PERIOD)

    async def _finalize(self, pod: Object, finalizers: list[str] | None) -> None:
        metadata = {"finalizers": finalizers, "uid": pod["metadata"]["uid"]}
        await self.trial.request("PATCH", self.trial.path("pods", pod["metadata"]["name"]), {"metadata": metadata})


@asynccontextmanager
async def holding(holder: Holder) -> AsyncIterator[Holder]:
    """It works within this context."""
    task = asyncio.create_task(holder.run())
    try:
        yield holder
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
