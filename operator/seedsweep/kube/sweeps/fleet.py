"""All sweeps that a watch or a list shows: a task for each that is not over, and what is known of the others."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic

from seedsweep.api.reading.stored import read_status
from seedsweep.api.status import SweepStatus
from seedsweep.engine.status.conditions import transitions
from seedsweep.kube.apiserver.client import ApiError, Object
from seedsweep.kube.events.aggregation import LIFE_SECONDS
from seedsweep.kube.events.recorder import ENDS
from seedsweep.kube.events.webhook import Webhook
from seedsweep.kube.housekeeping.cleanups import CleanUps
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home, sweeps_path
from seedsweep.kube.pods.facts import moment_or_none
from seedsweep.kube.process.clock import now
from seedsweep.kube.process.garbage import look_through_all
from seedsweep.kube.process.log import SweepLog
from seedsweep.kube.supervise import note_error, supervised
from seedsweep.kube.sweeps.completion import is_over
from seedsweep.kube.sweeps.expiry import Expiry
from seedsweep.kube.sweeps.sweep import GoneError, Shared, Sweep
from seedsweep.kube.sweeps.world import KubeWorld

NOTICE_LIFE = timedelta(minutes=10)
"""How long after its end a sweep is told to the webhook again by an operator that starts: the last one may not have."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Over:
    """A sweep that is over."""

    home: Home
    status: SweepStatus
    storage: Object | None
    """Its object, where what it has stored is removed with it."""


class Fleet:
    """All sweeps that are not over."""

    def __init__(self, shared: Shared, webhook: Webhook | None = None) -> None:
        self._shared = shared
        self._webhook = webhook
        self._expiry = Expiry(shared.api, shared.recorder)
        self._clean_ups = CleanUps(shared.api, shared.settings, shared.recorder)
        self._sweeps: dict[str, Sweep] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._over: dict[str, _Over] = {}
        """Sweeps that are over, by UID: a watch may still show them as they were."""

    def find(self, namespace: str, name: str) -> KubeWorld | None:
        """The world of a sweep that is under way."""
        homes = ((s.home.namespace, s.home.name, s.world) for s in self._sweeps.values())
        return next((world for *home, world in homes if home == [namespace, name]), None)

    def statuses(self) -> Iterator[tuple[Home, SweepStatus]]:
        """All sweeps that exist, as they stand; for a thread of its own as well."""
        for sweep in list(self._sweeps.values()):
            world = sweep.world
            yield sweep.home, world.status if world is not None else sweep.status.written
        yield from ((over.home, over.status) for over in list(self._over.values()))

    def episodes(self) -> int:
        """Those of all sweeps under way together."""
        layouts = (sweep.layout for sweep in list(self._sweeps.values()))
        return sum(len(layout.episodes) for layout in layouts if layout is not None)

    def claims(self) -> Iterator[tuple[Home, str]]:
        """The PersistentVolumeClaims that sweeps under way store in; for a thread of its own as well."""
        for sweep in list(self._sweeps.values()):
            claim = (sweep.body["spec"].get("storage") or {}).get("persistentVolumeClaim")
            if claim:
                yield sweep.home, claim["claimName"]

    def saw_sweep(self, body: Object, *, deleted: bool) -> None:
        """A sweep as a watch shows it."""
        metadata = body["metadata"]
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        self._shared.freshness.showed(uid, version)
        if deleted:
            self._shared.freshness.showed_end(uid)
        self._take(body, gone=deleted or bool(metadata.get("deletionTimestamp")))

    def saw_pod(self, body: Object, *, deleted: bool) -> None:
        """A pod as a watch shows it."""
        metadata = body["metadata"]
        owner = (metadata.get("labels") or {}).get(names.LABEL_SWEEP_UID, "")
        if deleted:
            self._shared.freshness.showed_end(metadata["uid"])
        else:
            self._shared.freshness.showed(metadata["uid"], int(metadata["resourceVersion"]), owner)
        if names.component_of(metadata) == names.CLEAN_UP:
            self._clean_ups.saw_pod(body, deleted=deleted)
        sweep = self._sweeps.get(owner)
        # A UID is no secret: what is in another namespace is another tenant's.
        if sweep is not None and sweep.home.namespace == metadata["namespace"]:
            sweep.saw_pod(body, deleted=deleted)

    async def compare(self, namespaces: Sequence[str]) -> None:
        """Compare lists with what is known: a watch that had to start anew does not show what has gone meanwhile.

        Args:
            namespaces: those that are watched; empty for all.

        Raises ApiError once all that can be listed have been compared.
        """
        known: dict[str, tuple[Home, Object | None]] = {
            uid: (sweep.home, sweep.body) for uid, sweep in self._sweeps.items()
        }
        known |= {uid: (over.home, over.storage) for uid, over in self._over.items()}
        shown, of_pods = self._shared.freshness.known(), self._shared.freshness.sweeps_of_pods()
        listed: set[str] = set()
        refused: dict[str | None, ApiError] = {}
        for namespace in namespaces or (None,):
            try:
                await self._take_listed(namespace, listed)
            except ApiError as error:
                refused[namespace] = error
        # Where a list was refused, nothing is known to be gone.
        kept = {uid for uid, (home, _) in known.items() if not refused.keys().isdisjoint({None, home.namespace})}
        for uid in (known.keys() | (shown if not refused else set())) - listed - kept:
            self._shared.freshness.not_listed(uid)
        for uid in known.keys() - listed - kept:
            home, storage = known[uid]
            SweepLog(_log, home.namespace, home.name).info("deleted, as a list shows")
            self._forget(uid)
            if storage is not None:
                self._clean_ups.begin(home, storage)
        for uid in of_pods - self._sweeps.keys():
            # The pods of what is over or gone are listed by nobody.
            self._shared.freshness.forget_pods(uid)
        for refusal in refused.values():
            raise refusal

    async def _take_listed(self, namespace: str | None, listed: set[str]) -> None:
        """Take in the sweeps of a namespace, or of all, and note their UIDs; raises ApiError."""
        async for body in self._shared.api.list(sweeps_path(namespace)):
            metadata = body["metadata"]
            listed.add(metadata["uid"])
            self._shared.freshness.listed(metadata["uid"], int(metadata["resourceVersion"]), monotonic())
            try:
                self._take(body, gone=bool(metadata.get("deletionTimestamp")))
            except Exception as error:
                # One bad sweep keeps nobody from being compared.
                note_error("sweep", error, 0.0, SweepLog(_log, metadata["namespace"], metadata["name"]))

    def read_news(self, uid: str) -> None:
        """Metrics of a pod of this sweep have changed."""
        sweep = self._sweeps.get(uid)
        if sweep is not None:
            sweep.wake()

    def wake_all(self) -> None:
        """Something has changed for all sweeps."""
        for sweep in self._sweeps.values():
            sweep.wake()

    async def close(self) -> None:
        """End all tasks; what waits to be written follows again from what there is."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._expiry.close()
        await self._clean_ups.close()

    def _take(self, body: Object, *, gone: bool) -> None:
        """A sweep as it is now."""
        home = Home.of(body)
        uid = home.uid
        if gone:
            self._forget(uid)
            self._clean_ups.begin(home, body)
        elif uid in self._sweeps:
            self._sweeps[uid].changed(body)
            self._expire_rejected(self._sweeps[uid])
        elif uid in self._over and is_over(self._over[uid].status, body):
            self._expire(home, self._over[uid].status, body)
        elif uid not in self._over and is_over(status := read_status(body.get("status") or {})[0], body):
            self._found_over(home, status, body)
        else:
            self._over.pop(uid, None)
            self._expiry.forget(uid)
            sweep = self._sweeps[uid] = Sweep(self._shared, body)
            # A task of a sweep that exists ends no other way than by its end.
            work = supervised("sweep", partial(self._run, sweep), SweepLog(_log, home.namespace, home.name))
            self._tasks[uid] = asyncio.create_task(work, name=home.path)
            self._expire_rejected(sweep)

    async def _run(self, sweep: Sweep) -> None:
        """Until it is over or gone."""
        try:
            await sweep.run()
        except GoneError:
            # The watch did not show its deletion.
            self._expiry.forget(sweep.home.uid)
            self._clean_ups.begin(sweep.home, sweep.body)
        else:
            self._is_over(sweep.home, sweep.status.written, sweep.body)
            self._notify(sweep.home, sweep.status.written)
        self._sweeps.pop(sweep.home.uid, None)
        self._tasks.pop(sweep.home.uid, None)
        self._shared.scraper.forget_sweep(sweep.home.uid)
        self._let_go(sweep)
        if sweep.home.uid in self._over:
            # Its spec may have changed while it ended.
            self._take(sweep.body, gone=False)

    def _is_over(self, home: Home, status: SweepStatus, body: Object) -> None:
        policy = (body["spec"].get("storage") or {}).get("retentionPolicy") or {}
        self._over[home.uid] = _Over(home, status, body if policy.get("whenDeleted") == "Delete" else None)
        self._expire(home, status, body)

    def _expire(self, home: Home, status: SweepStatus, body: Object) -> None:
        """Its time to live may be changed as long as it lives."""
        if status.completion_time is not None:
            self._expiry.set(home, status.completion_time, body["spec"].get("ttlSecondsAfterFinished"))

    def _expire_rejected(self, sweep: Sweep) -> None:
        """A sweep that was rejected before it began has its time to live; its task waits for an edit meanwhile.

        One that has begun is not deleted for it: its record and its pods are there for the edit that mends it.
        """
        status, body = sweep.status.written, sweep.body
        of_this_spec = status.observed_generation == body["metadata"].get("generation")
        if status.rejected and of_this_spec and status.start_time is None:
            self._expire(sweep.home, status, body)
        else:
            self._expiry.forget(sweep.home.uid)

    def _found_over(self, home: Home, status: SweepStatus, body: Object) -> None:
        self._is_over(home, status, body)
        ended = moment_or_none(status.completion_time) or now()
        # Within it, the API server refuses to take the same Event again.
        if now() - ended < timedelta(seconds=LIFE_SECONDS):
            # Whoever saw it end may have died before it told.
            ends = [event for event in transitions(SweepStatus(), status) if event.reason in ENDS]
            self._shared.recorder.remind(home, ends)
        if now() - ended < NOTICE_LIFE:
            self._notify(home, status)

    def _notify(self, home: Home, status: SweepStatus) -> None:
        if self._webhook is not None:
            self._webhook.tell(home, status)

    def _let_go(self, sweep: Sweep) -> None:
        sweep.release()
        if not self._sweeps:
            look_through_all()

    def _forget(self, uid: str) -> None:
        """It is gone."""
        sweep = self._sweeps.pop(uid, None)
        if sweep is not None:
            self._let_go(sweep)
        self._shared.freshness.forget_pods(uid)
        self._over.pop(uid, None)
        self._expiry.forget(uid)
        task = self._tasks.pop(uid, None)
        if task is not None:
            task.cancel()
        self._shared.scraper.forget_sweep(uid)
