"""The task of one unfinished sweep. Events only wake it: what it does follows from the record and from what lives."""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from pydantic import ValidationError

from seedsweep.api.checks import Problem
from seedsweep.api.core import Condition
from seedsweep.api.parse import problems_of
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import Event, Plan, StartEpisode
from seedsweep.engine.layout import Layout
from seedsweep.kube import names
from seedsweep.kube.attempts import Attempts, now
from seedsweep.kube.client import Api, ApiError, Object
from seedsweep.kube.events import Recorder
from seedsweep.kube.freshness import Freshness
from seedsweep.kube.housekeeper import Housekeeper
from seedsweep.kube.pods import PodSettings, pod_manifest, pod_problems
from seedsweep.kube.records import Home, Records
from seedsweep.kube.scraping import Scraper
from seedsweep.kube.world import KubeWorld
from seedsweep.metrics import RECONCILE_SECONDS, TURN_FAILURES
from seedsweep.reconcile import reconcile

PAUSE_SECONDS = 0.05
PAUSE_SECONDS_PER_EPISODE = 0.00025
"""Between two turns at least: news comes in bursts, and no sweep, however large, may take the loop for itself."""
MAX_SLEEP_SECONDS = 60.0
"""A clock that was set back must not stop a sweep."""
RETRY_SECONDS = 1.0
"""Before what could not be written is tried again; each try has its own patience with the API server."""
MAX_RETRY_SECONDS = 30.0
GONE_WITHIN_SECONDS = 20.0
"""After a deletion pods are listed: a watch that had to start anew does not show what has gone meanwhile."""

_log = logging.getLogger(__name__)


def home_of(body: Object) -> Home:
    """The sweep that an object is."""
    metadata = body["metadata"]
    return Home(metadata["namespace"], metadata["name"], metadata["uid"])


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sweeps use together."""

    api: Api
    settings: PodSettings
    scraper: Scraper
    recorder: Recorder
    freshness: Freshness
    relist_seconds: float = 300.0
    """A watch may lose an event; a list shows it."""


class Sweep:
    """One sweep, from its first event until it is over or gone."""

    def __init__(self, shared: Shared, body: Object) -> None:
        self.home = home_of(body)
        self.world: KubeWorld | None = None
        """None until it is accepted."""
        self.last: Plan | None = None
        self.layout: Layout | None = None
        self._shared = shared
        self._body = body
        self._sweep: SeedSweep | None = None
        self._changed = True
        self._wake = asyncio.Event()
        self._attempts = Attempts(shared.api, self.home, shared.scraper, shared.freshness, self._wake.set, now)
        self._housekeeper = Housekeeper(shared.api, self.home, shared.settings, self._wake.set, now)

    @property
    def body(self) -> Object:
        """Its object as last shown."""
        return self._body

    def changed(self, body: Object) -> None:
        """The sweep's object as a watch shows it."""
        if body["metadata"].get("generation") != self._body["metadata"].get("generation"):
            self._changed = True
            self._wake.set()
        self._body = body
        if self.world is not None:
            self.world.saw_version(body["metadata"]["resourceVersion"])

    def saw_pod(self, pod: Object, *, deleted: bool) -> None:
        """A pod of this sweep as a watch shows it; what comes before the sweep is accepted, its list shows."""
        if self._sweep is None:
            return
        if names.component_of(pod["metadata"]) == names.HOUSEKEEPING:
            (self._housekeeper.saw_deleted if deleted else self._housekeeper.saw)(pod)
        elif deleted:
            self._attempts.saw_deleted(self._sweep, pod)
        else:
            self._attempts.saw(self._sweep, pod)

    def read_news(self) -> None:
        """Metrics of one of its pods have changed."""
        self._wake.set()

    async def run(self) -> None:
        """Until it is over; errors are shown and tried again, for ever."""
        wait = RETRY_SECONDS
        while True:
            began = monotonic()
            try:
                await self._run()
                return
            except Exception as error:
                TURN_FAILURES.inc()
                known = isinstance(error, ApiError)
                _log.log(
                    logging.WARNING if known else logging.ERROR,
                    "%s/%s: %s; again in %.0f s",
                    self.home.namespace,
                    self.home.name,
                    error,
                    wait,
                    exc_info=None if known else error,
                )
            self._changed = True
            await asyncio.sleep(wait)
            wait = RETRY_SECONDS if monotonic() - began > MAX_SLEEP_SECONDS else min(2 * wait, MAX_RETRY_SECONDS)

    async def _run(self) -> None:
        while self._changed:
            # A spec that is refused has nothing more to do until it changes.
            self._changed = False
            self._wake.clear()
            accepted = await self._accept()
            if accepted is None:
                await self._wake.wait()
                continue
            await self._race(*accepted)

    async def _accept(self) -> tuple[SeedSweep, Layout] | None:
        """The sweep as a value; None with condition Accepted=False where only we can tell that it cannot be done."""
        try:
            sweep = SeedSweep.model_validate_json(json.dumps(self._body))
        except ValidationError as error:
            await self._reject(problems_of(error, self._body))
            return None
        layout = Layout.of(sweep)
        problems = pod_problems(sweep, self._shared.settings)
        evaluations = sweep.spec.trainer.planned_evaluations
        if evaluations is not None:
            problems += layout.problems(evaluations)
        if not problems:
            problems = await self._rejected_pod(sweep, layout)
        if problems:
            await self._reject(problems)
            return None
        return sweep, layout

    async def _rejected_pod(self, sweep: SeedSweep, layout: Layout) -> list[Problem]:
        """What the API server itself finds wrong with a pod of this sweep."""
        probe = StartEpisode(layout.episodes[0], 0, None, ())
        manifest = pod_manifest(sweep, probe)
        manifest["metadata"]["name"] += "-probe"
        try:
            await self._shared.api.create(self._attempts.pods, manifest, dry_run=True)
        except ApiError as error:
            if error.status in (400, 422):
                return [Problem("spec", None, f"makes a pod that the API server refuses: {error}")]
        return []

    async def _reject(self, problems: list[Problem]) -> None:
        message = "; ".join(map(str, problems))
        metadata = self._body["metadata"]
        generation = metadata.get("generation")
        before = self._body.get("status", {}).get("conditions", [])
        refused = {"type": "Accepted", "status": "False", "message": message, "observedGeneration": generation}
        if any(refused.items() <= condition.items() for condition in before):
            return
        condition = Condition(
            type="Accepted",
            status="False",
            reason="Invalid",
            message=message,
            last_transition_time=now().isoformat(timespec="milliseconds"),
            observed_generation=generation,
        )
        known = self.world.status if self.world is not None else SweepStatus()
        others = [c for c in known.conditions if c.type != condition.type]
        status = known.evolve(
            observed_generation=generation, phase="Failed", message=message, conditions=[condition, *others]
        )
        body = {
            "apiVersion": self._body["apiVersion"],
            "kind": self._body["kind"],
            "metadata": {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        await self._shared.api.replace(f"{self.home.path}/status", body)
        self._shared.recorder.tell(self.home, [Event("Rejected", message, kind="Warning")])

    async def _race(self, sweep: SeedSweep, layout: Layout) -> None:
        """Turn after turn, until the sweep is over or its spec has changed."""
        if self.world is not None:
            # What was published last, which a watch may not have shown yet.
            sweep = sweep.evolve(status=self.world.status)
        self._sweep = sweep
        records = Records(self._shared.api, self.home, layout)
        await records.load()
        await self._load_pods(sweep)
        hands = self._attempts, self._housekeeper, self._shared.recorder
        world = KubeWorld(self._shared.api, self.home, sweep, records, *hands)
        world.saw_version(self._body["metadata"]["resourceVersion"])
        self.world, self.layout = world, layout
        lazily = asyncio.create_task(records.write_lazily())
        try:
            await self._turns(world, layout, lazily)
        finally:
            lazily.cancel()
        if world.status.completion_time is not None:
            await self._housekeeper.close()
        await records.flush()

    async def _turns(self, world: KubeWorld, layout: Layout, lazily: asyncio.Task[None]) -> None:
        listed = monotonic()
        while not self._changed:
            if lazily.done():
                # It ends by an error only, which is the sweep's.
                await lazily
            self._wake.clear()
            began = monotonic()
            with RECONCILE_SECONDS.time():
                self.last = await reconcile(layout, world, now)
            self._attempts.read_often(self.last.read_often)
            if self.last.finished and not world.behind:
                return
            await asyncio.sleep(max(PAUSE_SECONDS, PAUSE_SECONDS_PER_EPISODE * len(layout.episodes)))
            await self._sleep(world, self.last.look_again_in, self._list_at(listed) - began)
            if monotonic() > self._list_at(listed):
                await self._load_pods(world.sweep)
                listed = monotonic()

    async def _load_pods(self, sweep: SeedSweep) -> None:
        await self._attempts.load(sweep)
        if sweep.spec.storage is not None:
            await self._housekeeper.load()

    def _list_at(self, listed: float) -> float:
        since, regularly = self._attempts.stopping_since, listed + self._shared.relist_seconds
        return regularly if since is None else min(regularly, max(since, listed) + GONE_WITHIN_SECONDS)

    async def _sleep(self, world: KubeWorld, wait: timedelta | None, until_list: float) -> None:
        seconds = min(MAX_SLEEP_SECONDS, max(until_list, 0.0))
        if wait is not None:
            seconds = min(seconds, wait.total_seconds())
        if world.behind or world.held_back:
            seconds = min(seconds, RETRY_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
