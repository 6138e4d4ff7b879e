"""What a deleted sweep has stored goes with it, where its retention policy says so.

Nothing of a deleted sweep waits for that (there are no finalizers): it is done by a pod that nobody owns, created once
the sweep's own pods have stopped writing. An operator that is down just then leaves the folder where it is.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic

from seedsweep.api.reading.parse import InvalidSweepError, parse_stored
from seedsweep.api.sweep import SeedSweep
from seedsweep.contract.foreign import mapping, text
from seedsweep.engine.decisions import Event
from seedsweep.kube.apiserver.client import Api, ApiError, Object
from seedsweep.kube.apiserver.deletion import RETRY_SECONDS, delete_at_last, pauses
from seedsweep.kube.events.recorder import Recorder
from seedsweep.kube.housekeeping.manifest import Chore, chore_of, clean_up_manifest, image_of
from seedsweep.kube.housekeeping.recent import Recent
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.facts import ENDED_PHASES
from seedsweep.kube.pods.manifest import PodSettings
from seedsweep.kube.process.log import Changes, SweepLog
from seedsweep.kube.supervise import supervised

LOOK_SECONDS = 2.0
"""Between the first looks whether the sweep's pods have ended; most do within their grace period."""
WRITERS_GONE_WITHIN_SECONDS = 600.0
"""A node that is lost never says that its pods have ended."""
GIVE_UP_SECONDS = 3600.0
"""How long a clean-up is tried that the API server refuses: nothing but this process remembers it."""
_FINAL = frozenset({400, 404, 422})
"""The pod cannot be made, or its namespace is gone."""

_log = logging.getLogger(__name__)


class CleanUps:
    """Clean-up pods, from a sweep's deletion until they are gone. Times are ours: from when we saw something."""

    def __init__(
        self, api: Api, settings: PodSettings, recorder: Recorder, steady: Callable[[], float] = monotonic
    ) -> None:
        self._api = api
        self._settings = settings
        self._recorder = recorder
        self._steady = steady
        self._begun = Recent()
        """UIDs of sweeps whose clean-up has begun: their deletion may be shown more than once."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """By UID of the sweep, or of the pod that is to be removed."""
        self._removing = Recent()
        """UIDs of pods that are being removed, or were: a watch may still show them."""
        self._changes = Changes()
        """By UID of the sweep, while a clean-up pod for it is tried to be made."""

    def begin(self, home: Home, body: Object) -> None:
        """A sweep was deleted, or is being deleted."""
        try:
            sweep = parse_stored(body)
        except InvalidSweepError:
            policy = mapping(mapping(mapping(body.get("spec")).get("storage")).get("retentionPolicy"))
            begun = mapping(body.get("status")).get("startTime")
            if policy.get("whenDeleted") == "Delete" and begun and home.uid not in self._begun:
                # It had begun before its spec was rejected.
                self._begun.add(home.uid)
                self._tell_left(home, "its spec is invalid")
            return
        storage = sweep.spec.storage
        if home.uid in self._begun or storage is None or storage.retention_policy.when_deleted == "Retain":
            return
        self._begun.add(home.uid)
        if image_of(sweep, self._settings) is None:
            self._tell_left(home, "the operator was started without --housekeeping-image")
        else:
            self._spawn(home, home.uid, partial(self._clean_up, home, sweep))

    def saw_pod(self, body: Object, *, deleted: bool) -> None:
        """A clean-up pod as a watch shows it: it is removed once it has ended, or has taken too long."""
        chore, metadata = chore_of(body), body["metadata"]
        if chore is None or chore.name != names.clean_up_name(*_sweep_of(metadata)):
            return
        home = Home(metadata["namespace"], *_sweep_of(metadata))
        if deleted or chore.deleted:
            self._begun.discard(home.uid)
            self._removing.discard(chore.uid)
            self._cancel(chore.uid)
        elif chore.uid in self._removing:
            return
        elif chore.end is not None:
            self._removing.add(chore.uid)
            self._spawn(home, chore.uid, partial(self._remove, home, chore))
        elif chore.uid not in self._tasks:
            self._spawn(home, chore.uid, partial(self._remove_overdue, home, chore))

    async def close(self) -> None:
        """Stop; pods that exist go on, and the next operator removes them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _clean_up(self, home: Home, sweep: SeedSweep) -> None:
        try:
            await self._make_pod(home, sweep, self._steady())
        finally:
            self._changes.is_over(home.uid)

    async def _make_pod(self, home: Home, sweep: SeedSweep, began: float) -> None:
        await self._wait_for_writers(home, began + WRITERS_GONE_WITHIN_SECONDS)
        for pause in pauses():
            try:
                await self._api.create(home.pods, clean_up_manifest(sweep, self._settings))
                return
            except ApiError as error:
                if error.reason == "AlreadyExists":
                    return
                if error.status in _FINAL or self._steady() - began > GIVE_UP_SECONDS:
                    self._tell_left(home, str(error))
                    return
                self._tell_later(home, error)
            await asyncio.sleep(pause)

    async def _wait_for_writers(self, home: Home, until: float) -> None:
        """Until no pod of the sweep may still write into its storage, or for long enough."""
        pause, refused = LOOK_SECONDS, pauses()
        while self._steady() < until:
            try:
                if not await self._writers(home):
                    return
                pause = min(2 * pause, RETRY_SECONDS)
            except ApiError as error:
                self._tell_later(home, error)
                pause = next(refused)
            await asyncio.sleep(pause)

    async def _writers(self, home: Home) -> bool:
        """Whether a pod of the sweep may still write into its storage."""
        found = [pod async for pod in self._api.list(home.pods, home.selector)]
        return any((pod.get("status") or {}).get("phase") not in ENDED_PHASES for pod in found)

    async def _remove_overdue(self, home: Home, chore: Chore) -> None:
        await asyncio.sleep(self._settings.housekeeping_seconds)
        self._removing.add(chore.uid)
        await self._remove(home, chore)

    async def _remove(self, home: Home, chore: Chore) -> None:
        """Delete a pod, and tell what came of it."""
        why = chore.end.answer.error if chore.end is not None else f"not done in time: {chore.trouble}".rstrip(": ")
        if why:
            self._tell_left(home, why)
        else:
            self._recorder.tell(home, [Event("StorageRemoved", "what the deleted sweep had stored is gone")])
        tell = partial(self._tell_pod_left, home, chore)
        await delete_at_last(self._api, home.pod(chore.name), chore.uid, tell)

    def _tell_pod_left(self, home: Home, chore: Chore, why: str) -> None:
        message = f"pod {chore.name} has done its work, but cannot be deleted, and this is tried again: {why}"
        self._recorder.tell(home, [Event("PodNotDeleted", message, kind="Warning")])

    def _tell_later(self, home: Home, error: ApiError) -> None:
        """Once for each reason; the message may differ at every try."""
        if self._changes.is_new(home.uid, error.reason):
            self._tell(home, "cannot be removed yet, and this is tried again", str(error))

    def _tell_left(self, home: Home, why: str) -> None:
        self._tell(home, f"stays in {home.namespace}/{home.uid}", why)

    def _tell(self, home: Home, what: str, why: str) -> None:
        text = f"what the deleted sweep has stored {what}: {why}"
        self._recorder.tell(home, [Event("StorageNotRemoved", text, kind="Warning")])

    def _spawn(self, home: Home, key: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        self._cancel(key)
        log = SweepLog(_log, home.namespace, home.name)
        task = self._tasks[key] = asyncio.create_task(supervised("clean-up", work, log))
        task.add_done_callback(lambda ended: self._tasks.pop(key) if self._tasks.get(key) is ended else None)

    def _cancel(self, key: str) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()


def _sweep_of(metadata: Object) -> tuple[str, str]:
    """Name and UID of the sweep whose pod it is."""
    labels = mapping(metadata.get("labels"))
    return text(labels.get(names.LABEL_SWEEP)), text(labels.get(names.LABEL_SWEEP_UID))
