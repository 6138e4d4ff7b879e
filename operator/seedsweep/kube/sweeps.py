"""All sweeps that a watch shows: a task for each that is not over, and what is known of the others."""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from seedsweep.api.status import SweepStatus
from seedsweep.engine.conditions import transitions
from seedsweep.kube import names
from seedsweep.kube.attempts import now
from seedsweep.kube.cleanups import CleanUps
from seedsweep.kube.client import Object
from seedsweep.kube.events import ENDS
from seedsweep.kube.expiry import Expiry
from seedsweep.kube.records import Home
from seedsweep.kube.sweep import Shared, Sweep, home_of
from seedsweep.kube.world import KubeWorld

EVENT_LIFE = timedelta(hours=1)
"""How long an API server keeps Events: within it, telling one again is refused."""


class Sweeps:
    """All sweeps that are not over."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._expiry = Expiry(shared.api)
        self._clean_ups = CleanUps(shared.api, shared.settings, shared.recorder)
        self._sweeps: dict[str, Sweep] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._over: dict[str, tuple[Home, SweepStatus]] = {}
        """Sweeps that are over, by UID: a watch may still show them as they were."""

    def find(self, namespace: str, name: str) -> KubeWorld | None:
        """The world of a sweep that is under way."""
        homes = ((s.home.namespace, s.home.name, s.world) for s in self._sweeps.values())
        return next((world for *home, world in homes if home == [namespace, name]), None)

    def statuses(self) -> Iterator[tuple[Home, SweepStatus]]:
        """All sweeps that exist, as they stand."""
        for sweep in self._sweeps.values():
            yield sweep.home, sweep.world.status if sweep.world is not None else SweepStatus()
        yield from self._over.values()

    def saw_sweep(self, body: Object, *, deleted: bool) -> None:
        """A sweep as a watch shows it."""
        metadata = body["metadata"]
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        self._shared.freshness.showed(uid, version)
        if deleted:
            self._shared.freshness.showed_end(uid)
        if deleted or metadata.get("deletionTimestamp"):
            self._drop(uid)
            self._over.pop(uid, None)
            self._expiry.forget(uid)
            self._clean_ups.begin(home_of(body), body)
        elif uid in self._sweeps:
            self._sweeps[uid].changed(body)
        elif uid in self._over:
            self._expire(*self._over[uid], body)
        elif body.get("status", {}).get("completionTime"):
            self._found_over(body)
        else:
            sweep = self._sweeps[uid] = Sweep(self._shared, body)
            self._tasks[uid] = asyncio.create_task(self._run(sweep), name=sweep.home.path)

    def saw_pod(self, body: Object, *, deleted: bool) -> None:
        """A pod as a watch shows it."""
        metadata = body["metadata"]
        if deleted:
            self._shared.freshness.showed_end(metadata["uid"])
        else:
            self._shared.freshness.showed(metadata["uid"], int(metadata["resourceVersion"]))
        if names.component_of(metadata) == names.CLEAN_UP:
            self._clean_ups.saw_pod(body, deleted=deleted)
        sweep = self._sweeps.get(metadata.get("labels", {}).get(names.LABEL_SWEEP_UID, ""))
        if sweep is not None:
            sweep.saw_pod(body, deleted=deleted)

    def read_news(self, uid: str) -> None:
        """Metrics of a pod of this sweep have changed."""
        sweep = self._sweeps.get(uid)
        if sweep is not None:
            sweep.read_news()

    async def close(self) -> None:
        """End all tasks; what waits to be written follows again from what there is."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._expiry.close()
        await self._clean_ups.close()

    async def _run(self, sweep: Sweep) -> None:
        await sweep.run()
        assert sweep.world is not None  # it ran to its end
        self._over[sweep.home.uid] = sweep.home, sweep.world.status
        self._expire(sweep.home, sweep.world.status, sweep.body)
        del self._sweeps[sweep.home.uid], self._tasks[sweep.home.uid]
        self._shared.scraper.forget_sweep(sweep.home.uid)

    def _expire(self, home: Home, status: SweepStatus, body: Object) -> None:
        """Its time to live may be changed as long as it lives."""
        assert status.completion_time is not None  # that is what makes it over
        self._expiry.set(home, status.completion_time, body["spec"].get("ttlSecondsAfterFinished"))

    def _found_over(self, body: Object) -> None:
        home, status = home_of(body), SweepStatus.model_validate_json(json.dumps(body["status"]))
        self._over[home.uid] = home, status
        self._expire(home, status, body)
        assert status.completion_time is not None  # that is what makes it over
        if now() - datetime.fromisoformat(status.completion_time) < EVENT_LIFE:
            # Whoever saw it end may have died before it told.
            ends = [event for event in transitions(SweepStatus(), status) if event.reason in ENDS]
            self._shared.recorder.tell(home, ends)

    def _drop(self, uid: str) -> None:
        self._sweeps.pop(uid, None)
        task = self._tasks.pop(uid, None)
        if task is not None:
            task.cancel()
        self._shared.scraper.forget_sweep(uid)
