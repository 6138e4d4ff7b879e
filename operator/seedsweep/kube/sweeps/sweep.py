"""The task of one unfinished sweep. Events only wake it: what it does follows from the record and from what lives."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from time import monotonic

from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.backoff import pauses
from seedsweep.engine.decisions import Plan
from seedsweep.engine.layout import Layout
from seedsweep.kube.apiserver.client import Api, ApiError, Object
from seedsweep.kube.apiserver.gates import GatedApi, Gates
from seedsweep.kube.events.recorder import Recorder
from seedsweep.kube.housekeeping.housekeeper import Housekeeper
from seedsweep.kube.ledger.records import Records
from seedsweep.kube.ledger.status import StatusRecord
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.attempts import PodAttempts, Surroundings
from seedsweep.kube.pods.manifest import PodSettings
from seedsweep.kube.process.alarm import Alarm
from seedsweep.kube.process.clock import now
from seedsweep.kube.process.log import Changes, SweepLog
from seedsweep.kube.process.metrics import RECONCILE_SECONDS, TURN_FAILURES
from seedsweep.kube.scraping.scraper import Scraper
from seedsweep.kube.supervise import note_error
from seedsweep.kube.sweeps.acceptance import Acceptance, Accepted
from seedsweep.kube.sweeps.completion import is_over
from seedsweep.kube.sweeps.lists import Lists
from seedsweep.kube.sweeps.pace import BEGINNINGS_SECONDS, MAX_SLEEP_SECONDS, RETRY_SECONDS, longest_sleep, pause
from seedsweep.kube.sweeps.world import Hands, KubeWorld
from seedsweep.kube.watching.freshness import Freshness
from seedsweep.kube.watching.watches import Watches
from seedsweep.loop import reconcile

MAX_RETRY_SECONDS = 30.0
CONFIRMED_SECONDS = 10.0
"""For so long a sweep that was seen is taken to exist: a watch that had to start anew does not show its deletion."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sweeps use together."""

    api: Api
    settings: PodSettings
    scraper: Scraper
    recorder: Recorder
    freshness: Freshness
    watches: Watches
    relist_seconds: float = 300.0
    """A watch may lose an event; a list shows it."""


class GoneError(Exception):
    """The sweep does not exist any more."""


class Sweep:
    """One sweep, from its first event until it is over or gone."""

    def __init__(self, shared: Shared, body: Object) -> None:
        self.home = Home.of(body)
        self.world: KubeWorld | None = None
        """None while it is not accepted."""
        self.last: Plan | None = None
        self.layout: Layout | None = None
        self.body = body
        """Its object as last shown."""
        self._shared = shared
        self._log = SweepLog(_log, self.home.namespace, self.home.name)
        self._changes = Changes()
        self._gates = Gates(self._log, now)
        self._api = GatedApi(shared.api, self._gates)
        self._wake = asyncio.Event()
        self._alarm = Alarm(self._wake.set)
        self._judged: object = None
        """The generation that was judged last."""
        self._confirmed = -inf
        """When it was last seen to exist: what showed it first may be older than its deletion."""
        self._attempts: PodAttempts | None = None
        self._records: Records | None = None
        """Kept when the spec changes: what waits to be written still does. Read anew after an error."""
        self._listed: float | None = None
        """When its pods were listed last, by a steady clock; None: they have to be before its next turn."""
        self._housekeeper = Housekeeper(self._api, self.home, shared.settings, self._wake.set, now)
        self.status = StatusRecord(self._api, self.home, self.changed)
        self.status.saw(body)
        self._acceptance = Acceptance(shared.api, shared.settings, self.status, shared.recorder)

    def changed(self, body: Object) -> None:
        """The sweep's object as a watch, a list or an answer shows it."""
        self._confirmed = monotonic()
        if int(body["metadata"]["resourceVersion"]) <= int(self.body["metadata"]["resourceVersion"]):
            return
        self.body = body
        self.status.saw(body)
        if self._is_changed:
            self._wake.set()

    def saw_pod(self, pod: Object, *, deleted: bool) -> None:
        """A pod of this sweep as a watch shows it; what comes before the sweep is accepted, its list shows."""
        if self._attempts is None:
            return
        if names.component_of(pod["metadata"]) == names.HOUSEKEEPING:
            (self._housekeeper.saw_deleted if deleted else self._housekeeper.saw)(pod)
        elif deleted:
            self._attempts.saw_deleted(pod)
        else:
            self._attempts.saw(pod)

    def release(self) -> None:
        """It is over or gone: let go of what is known of its episodes, though this object may be referred to still."""
        if self._attempts is not None:
            self._attempts.release()
        self._alarm.cancel()
        self.world = self.last = self.layout = self._attempts = self._records = None
        self.status.release()

    def wake(self) -> None:
        """Something of it has changed, such as the metrics of one of its pods."""
        self._wake.set()

    async def run(self) -> None:
        """Until it is over; errors are shown and tried again, for ever. Raises GoneError."""
        waits = pauses(RETRY_SECONDS, MAX_RETRY_SECONDS)
        while True:
            began, wait = monotonic(), next(waits)
            try:
                await self._run()
                return
            except ApiError as error:
                TURN_FAILURES.inc()
                if self._changes.is_new("", error.reason):
                    self._log.warning("cannot go on, tried again in %.0f s: %s", wait, error)
                await self._acceptance.tell_stalled(self.home, error)
            except GoneError:
                raise
            except Exception as error:
                TURN_FAILURES.inc()
                note_error("sweep", error, wait, self._log)
                await self._acceptance.tell_stalled(self.home, error)
            self._judged = self._records = self._listed = None
            await asyncio.sleep(wait)
            if monotonic() - began > MAX_SLEEP_SECONDS:
                waits = pauses(RETRY_SECONDS, MAX_RETRY_SECONDS)

    @property
    def _is_changed(self) -> bool:
        return bool(self._judged != self.body["metadata"].get("generation"))

    async def _run(self) -> None:
        while True:
            await self._confirm(max_age=CONFIRMED_SECONDS)
            self._judged = self.body["metadata"].get("generation")
            accepted = await self._acceptance.judge(self.home, self.body)
            if accepted is None:
                self.world = self._listed = None
                await self._wait_for_change()
            elif await self._race(accepted):
                return

    async def _wait_for_change(self) -> None:
        """A spec that is refused has nothing more to do until it changes, whatever else wakes it."""
        again = monotonic() + self._shared.relist_seconds
        while not self._is_changed:
            self._wake.clear()
            await self._sleep(max(again - monotonic(), 0.0))
            if monotonic() >= again:
                # What the API server had against its pods may have been mended on the cluster's side.
                return

    async def _confirm(self, max_age: float) -> None:
        """Make sure that it exists; raises GoneError, and ApiError where that cannot be told."""
        if monotonic() - self._confirmed < max_age:
            return
        try:
            found = await self._api.get(self.home.path)
        except ApiError as error:
            if error.missing:
                raise GoneError from error
            raise
        if found["metadata"]["uid"] != self.home.uid or found["metadata"].get("deletionTimestamp"):
            raise GoneError
        self.changed(found)

    async def _race(self, accepted: Accepted) -> bool:
        """Turn after turn, until its spec has changed, or the sweep is over: then true."""
        sweep, layout = accepted.sweep, accepted.layout
        if self._attempts is None:
            self._log.info("accepted: %d episodes, %d at once", len(layout.episodes), sweep.spec.parallelism)
        attempts = await self._attempts_of(sweep, layout)
        records = await self._records_of(layout)
        if self._listed is None:
            await self._load_pods(attempts, sweep)
            self._listed = monotonic()
        known = self.status.written
        if known.hand_over_failed and known.observed_generation != self._judged:
            self._housekeeper.begin_again()
        hands = Hands(
            records,
            attempts,
            self._housekeeper,
            self._shared.recorder,
            self.status,
            self._gates,
            self._shared.watches,
        )
        world = KubeWorld(self.home, sweep, hands, accepted.objections)
        self.world, self.layout = world, layout
        compare = partial(self._compare, attempts, world)
        lists = Lists(compare, self._shared.relist_seconds, self._wake.set, self._listed)
        lazily = asyncio.create_task(records.write_lazily())
        lazily.add_done_callback(lambda _: self._wake.set())
        try:
            over = await self._turns(world, layout, attempts, lists, lazily)
        finally:
            self._listed = lists.listed
            lists.close()
            lazily.cancel()
        if over:
            await self._housekeeper.close()
            await records.flush()
            await attempts.remove(attempts.left_over(records.episodes))
        return over

    async def _records_of(self, layout: Layout) -> Records:
        if self._records is None:
            records = Records(self._api, self.home, layout, now, self._wake.set)
            await records.load()
            self._records = records
        self._records.lay_out(layout)
        return self._records

    async def _attempts_of(self, sweep: SeedSweep, layout: Layout) -> PodAttempts:
        if self._attempts is None:
            shared, wake = self._shared, self._wake.set
            soon = partial(self._alarm.within, BEGINNINGS_SECONDS)
            around = Surroundings(self._api, self.home, shared.scraper, shared.freshness, wake, soon, now, self._log)
            self._attempts = PodAttempts(around, sweep, layout.index)
        await self._attempts.lay_out(sweep, layout.index)
        return self._attempts

    async def _turns(
        self, world: KubeWorld, layout: Layout, attempts: PodAttempts, lists: Lists, lazily: asyncio.Task[None]
    ) -> bool:
        while not self._is_changed:
            if is_over(self.status.written, self.body):
                # The answer to that write got lost, or another operator made it.
                world.tell_rest()
                return True
            if lazily.done():
                # It ends by an error only, which is the sweep's.
                await lazily
            self._wake.clear()
            # Pods that go away unasked may be the first sign that their sweep is gone.
            await self._confirm(max_age=0.0 if attempts.lost_unasked else CONFIRMED_SECONDS)
            attempts.lost_unasked = False
            with RECONCILE_SECONDS.time():
                self.last = await reconcile(layout, world, now)
            attempts.read_often(self.last.read_often)
            self._changes.is_over("")
            if self.last.finished and not world.behind:
                return True
            wait = self.last.look_again_in
            await asyncio.sleep(pause(layout, wait, world))
            await self._sleep(longest_sleep(world, wait, self._list_at(attempts, lists) - monotonic(), now()))
            if monotonic() > self._list_at(attempts, lists):
                lists.begin()
            if await lists.have_ended() and world.objections:
                # They may have been mended on the cluster's side.
                self._judged = None
        return False

    async def _compare(self, attempts: PodAttempts, world: KubeWorld) -> None:
        await self._load_pods(attempts, world.sweep)
        await world.audit()

    async def _load_pods(self, attempts: PodAttempts, sweep: SeedSweep) -> None:
        await attempts.load()
        if sweep.spec.storage is not None:
            await self._housekeeper.load()

    def _list_at(self, attempts: PodAttempts, lists: Lists) -> float:
        watched = not self._shared.watches.trouble_with_pods(self.home.namespace)
        return lists.due_at(attempts.deletions.since, watched=watched)

    async def _sleep(self, seconds: float) -> None:
        """Until it is woken, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
