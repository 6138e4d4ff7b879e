"""What a deleted sweep has stored goes with it, where its retention policy says so.

Nothing of a deleted sweep waits for that (there are no finalizers): it is done by a pod that nobody owns, created once
the sweep's own pods have stopped writing. An operator that is down just then leaves the folder where it is.
"""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta

from seedsweep.api.parse import InvalidSweepError, parse_stored
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import Event
from seedsweep.kube import names
from seedsweep.kube.chores import Chore, chore_of, clean_up_manifest, image_of
from seedsweep.kube.client import Api, ApiError, Object
from seedsweep.kube.clock import now
from seedsweep.kube.events import Recorder
from seedsweep.kube.expiry import sleep_until
from seedsweep.kube.home import Home
from seedsweep.kube.pods import PodSettings

PERIOD_SECONDS = 2.0
WRITERS_GONE_WITHIN = timedelta(minutes=10)
"""A node that is lost never says that its pods have ended."""
_ENDED = frozenset({"Succeeded", "Failed"})

_log = logging.getLogger(__name__)


class CleanUps:
    """Clean-up pods, from a sweep's deletion until they are gone."""

    def __init__(self, api: Api, settings: PodSettings, recorder: Recorder) -> None:
        self._api = api
        self._settings = settings
        self._recorder = recorder
        self._begun: set[str] = set()
        """UIDs of sweeps whose clean-up is under way."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """By UID of the sweep, or of the pod that is to be removed."""

    def begin(self, home: Home, body: Object) -> None:
        """A sweep was deleted, or is being deleted."""
        try:
            sweep = parse_stored(body)
        except InvalidSweepError:
            # It was never accepted, and has stored nothing.
            return
        storage = sweep.spec.storage
        if home.uid in self._begun or storage is None or storage.retention_policy.when_deleted == "Retain":
            return
        self._begun.add(home.uid)
        if image_of(sweep, self._settings) is None:
            self._tell_left(home, "the operator was started without --housekeeping-image")
        else:
            self._spawn(home.uid, self._clean_up(home, sweep))

    def saw_pod(self, body: Object, *, deleted: bool) -> None:
        """A clean-up pod as a watch shows it: it is removed once it has ended, or has taken too long."""
        chore, metadata = chore_of(body, now()), body["metadata"]
        if chore is None or metadata["name"] != names.clean_up_name(*_sweep_of(metadata)):
            return
        home = Home(metadata["namespace"], *_sweep_of(metadata))
        if deleted or chore.deleted:
            self._begun.discard(home.uid)
            self._cancel(chore.uid)
        elif chore.end is not None:
            self._spawn(chore.uid, self._remove(home, chore))
        elif chore.uid not in self._tasks:
            self._spawn(chore.uid, self._remove_overdue(home, chore))

    async def close(self) -> None:
        """Stop; pods that exist go on, and the next operator removes them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _clean_up(self, home: Home, sweep: SeedSweep) -> None:
        pods, patience = f"/api/v1/namespaces/{home.namespace}/pods", now() + WRITERS_GONE_WITHIN
        while True:
            try:
                if now() >= patience or not await self._writers(pods, home):
                    await self._api.create(pods, clean_up_manifest(sweep, self._settings))
                    return
            except ApiError as error:
                if error.reason == "AlreadyExists":
                    return
                if now() >= patience or error.status in (400, 403, 404, 422):
                    self._tell_left(home, str(error))
                    return
            await asyncio.sleep(PERIOD_SECONDS)

    async def _writers(self, pods: str, home: Home) -> bool:
        """Whether a pod of the sweep may still write into its storage."""
        found = [pod async for pod in self._api.list(pods, home.selector)]
        return any((pod.get("status") or {}).get("phase") not in _ENDED for pod in found)

    async def _remove_overdue(self, home: Home, chore: Chore) -> None:
        await sleep_until(chore.created + timedelta(seconds=self._settings.housekeeping_seconds))
        await self._remove(home, chore)

    async def _remove(self, home: Home, chore: Chore) -> None:
        """Delete a pod, and tell what came of it."""
        while True:
            try:
                await self._api.delete(f"/api/v1/namespaces/{home.namespace}/pods/{chore.name}", chore.uid)
                break
            except ApiError as error:
                _log.warning("pod %s has done its work, but could not be deleted: %s", chore.name, error)
            await asyncio.sleep(PERIOD_SECONDS)
        why = chore.end.answer.error if chore.end is not None else f"not done in time: {chore.trouble}".rstrip(": ")
        if why:
            self._tell_left(home, why)
        else:
            self._recorder.tell(home, [Event("StorageRemoved", "what the deleted sweep had stored is gone")])

    def _tell_left(self, home: Home, why: str) -> None:
        text = f"what the deleted sweep has stored stays in {home.namespace}/{home.uid}: {why}"
        _log.warning("%s/%s: %s", home.namespace, home.name, text)
        self._recorder.tell(home, [Event("StorageNotRemoved", text, kind="Warning")])

    def _spawn(self, key: str, work: Coroutine[None, None, None]) -> None:
        self._cancel(key)
        task = self._tasks[key] = asyncio.create_task(work)
        task.add_done_callback(lambda ended: self._tasks.pop(key) if self._tasks.get(key) is ended else None)

    def _cancel(self, key: str) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()


def _sweep_of(metadata: Object) -> tuple[str, str]:
    """Name and UID of the sweep whose pod it is."""
    labels = metadata["labels"]
    return labels[names.LABEL_SWEEP], labels[names.LABEL_SWEEP_UID]
