"""All sweeps' trainers are read on one event loop, each at its interval or more often, and none in another's way.

Scrapes under way are bounded in all and shared out among the sweeps, so that the hostile targets of one wait for each
other and for nobody else.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from heapq import heappop, heappush
from itertools import count
from types import TracebackType

from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.scrape import parse_reading
from seedsweep.contract.trouble import InternalError, Trouble
from seedsweep.engine.observation import Reading
from seedsweep.kube.process.clock import now
from seedsweep.kube.process.metrics import SCRAPE_SECONDS, SCRAPES
from seedsweep.kube.process.slots import Slots
from seedsweep.kube.scraping.prometheus import Prometheus, PrometheusServer
from seedsweep.kube.scraping.sources import Pods, Source
from seedsweep.kube.scraping.target import Target

SCRAPES_AT_ONCE = 128
"""Of all sweeps together. Each may hold a body of MAX_BYTES: 16 MiB in all."""
FOR_NEWCOMERS = 16
"""Of these, only for sweeps without a scrape under way: they need not wait until slow targets of others are done."""
REST = 4.0
"""A target is left alone for so many times as long as its scrape took: the slow take a fifth of what they could."""
TICK_SECONDS = 0.01
"""Between two looks at what is due."""
LARGE_BYTES = 16 << 10
"""The curves of 100 evaluations. What is larger can take 15 ms to read, which the loop must not be held."""

_NOT_DUE = math.inf
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _State:
    target: Target
    due: float = _NOT_DUE
    rested: float = 0.0
    """No turn before that."""
    task: asyncio.Task[ScrapeError | None] | None = None
    reading: Reading | None = None
    progressed: datetime | None = None
    trouble: Trouble | None = None
    digest: int | None = None
    """Of the body that was read last."""
    fault: ScrapeError | None = None
    """Why that body cannot be used."""


@dataclass(slots=True, eq=False)
class _Lane:
    """One sweep's targets."""

    uids: set[str] = field(default_factory=set)
    often: Collection[str] = ()
    """Those of them that are read several times an interval."""


class Scraper:
    """Reads targets until they are forgotten. A context manager."""

    def __init__(
        self,
        news: Callable[[str], None],
        clock: Callable[[], datetime] = now,
        prometheus: PrometheusServer | None = None,
    ) -> None:
        """`news` is called with the UID of a sweep when one of its pods has published something else.

        `prometheus`: what has scraped the pods and is asked in their place.
        """
        self._news = news
        self._clock = clock
        self._prometheus = prometheus
        self._states: dict[str, _State] = {}
        self._lanes: dict[str, _Lane] = {}
        self._slots: Slots[_State] = Slots(SCRAPES_AT_ONCE, FOR_NEWCOMERS)
        self._turns: list[tuple[float, int, _State]] = []
        """A heap. Entries stay when a target's turn is moved: only the one with its `due` counts."""
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[ScrapeError | None]] = set()
        self._aside = ThreadPoolExecutor(1, "large-bodies")

    async def __aenter__(self) -> "Scraper":
        self._loop = asyncio.get_running_loop()
        self._source: Source = Prometheus(self._prometheus) if self._prometheus is not None else Pods()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sweep in list(self._lanes):
            self.forget_sweep(sweep)
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._source.close()
        self._aside.shutdown()

    def watch(self, target: Target, *, begins: bool = False) -> None:
        """Read a target at once and from now on; one that is read already only as it is told now.

        `begins`: its program has only just begun, and takes longer to listen than a scrape would: it is read from its
        first turn on.
        """
        state = self._states.get(target.uid)
        if state is None:
            state = self._states[target.uid] = _State(target)
            self._lanes.setdefault(target.sweep, _Lane()).uids.add(target.uid)
            now = self._loop.time()
            self._schedule(state, self._due_after(state, now) if begins else now)
        elif state.target != target:
            state.target = target
            state.digest = None
            if state.due != _NOT_DUE:
                self._schedule(state, self._due_after(state, self._loop.time()))

    def read_often(self, sweep: str, uids: Collection[str]) -> None:
        """From now on read these of a sweep's targets `OFTEN` times an interval, and the others once."""
        lane = self._lanes.get(sweep)
        if lane is None:
            return
        before, lane.often = set(lane.often), uids
        for state in map(self._states.__getitem__, lane.uids & set(uids) - before):
            sooner = self._due_after(state, max(self._loop.time(), state.rested))
            if sooner < state.due != _NOT_DUE:
                self._schedule(state, sooner)

    def forget(self, uid: str) -> None:
        """Stop reading a target; what it has published is forgotten, too."""
        state = self._states.pop(uid, None)
        if state is None:
            return
        state.due = _NOT_DUE
        if state.task is not None:
            state.task.cancel()
        lane = self._lanes[state.target.sweep]
        lane.uids.discard(uid)
        if not lane.uids:
            del self._lanes[state.target.sweep]
            self._source.forget(state.target.sweep)

    def forget_sweep(self, sweep: str) -> None:
        """The same for all targets of a sweep."""
        lane = self._lanes.get(sweep)
        for uid in list(lane.uids) if lane is not None else ():
            self.forget(uid)

    def reading(self, uid: str) -> Reading | None:
        """What a target has published."""
        state = self._states.get(uid)
        return state.reading if state is not None else None

    def progressed(self, uid: str) -> datetime | None:
        """When its number of evaluations was last seen to grow."""
        state = self._states.get(uid)
        return state.progressed if state is not None else None

    def trouble(self, uid: str) -> Trouble | None:
        """Why it cannot be read; None while it can, and before the first scrape."""
        state = self._states.get(uid)
        return state.trouble if state is not None else None

    def _due_after(self, state: _State, moment: float) -> float:
        target = state.target
        return target.due_after(moment, often=target.uid in self._lanes[target.sweep].often)

    def _schedule(self, state: _State, due: float) -> None:
        state.due = due
        heappush(self._turns, (due, next(self._order), state))
        self._set_timer()

    def _set_timer(self) -> None:
        at = max(self._turns[0][0], self._loop.time() + TICK_SECONDS)
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._start_due)

    def _start_due(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._turns and self._turns[0][0] <= now:
            due, _, state = heappop(self._turns)
            if state.due == due:
                state.due = _NOT_DUE
                self._slots.wait(state.target.sweep, state)
        self._start_waiting()
        if self._turns:
            self._set_timer()

    def _start_waiting(self) -> None:
        for state in self._slots.take():
            if not self._is_watched(state):
                self._slots.release(state.target.sweep)
                continue
            task = state.task = self._loop.create_task(self._scrape(state))
            self._running.add(task)
            task.add_done_callback(partial(self._ended, state, self._loop.time()))

    def _ended(self, state: _State, began: float, task: asyncio.Task[ScrapeError | None]) -> None:
        self._running.discard(task)
        self._slots.release(state.target.sweep)
        state.task = None
        if self._is_watched(state):
            now = self._loop.time()
            state.rested = now + REST * (now - began)
            self._schedule(state, self._due_after(state, state.rested))
        self._start_waiting()
        if not task.cancelled():
            self._note(state, task.result() if task.exception() is None else self._unexpected(state, task.exception()))

    def _unexpected(self, state: _State, error: BaseException | None) -> ScrapeError:
        """Our own fault: logged once, until it is over."""
        fault, target = InternalError(), state.target
        if state.trouble is None or state.trouble.error != str(fault):
            who = (target.uid, target.expected.episode, target.sweep, target.url)
            _log.error("pod %s (%s of sweep %s) could not be read from %s; it is tried again", *who, exc_info=error)
        return fault

    def _note(self, state: _State, fault: ScrapeError | None) -> None:
        """What a scrape came to."""
        SCRAPES.labels("read" if fault is None else fault.kind).inc()
        state.trouble = Trouble.after(state.trouble, fault) if fault is not None else None
        if state.trouble is not None and state.trouble.is_news:
            self._news(state.target.sweep)

    def _is_watched(self, state: _State) -> bool:
        return self._states.get(state.target.uid) is state

    async def _scrape(self, state: _State) -> ScrapeError | None:
        """Read a target once; why it gave nothing."""
        try:
            with SCRAPE_SECONDS.time():
                body = await self._source.fetch(state.target)
        except ScrapeError as error:
            return error
        return await self._read(state, body)

    async def _read(self, state: _State, body: bytes) -> ScrapeError | None:
        """Take in a body; why it cannot be used."""
        digest = hash(body)
        if digest == state.digest:
            # Most scrapes find nothing new, and reading is what costs most.
            return state.fault
        before = state.reading
        parse = partial(parse_reading, body, state.target.expected, state.target.names, before)
        try:
            reading = parse() if len(body) < LARGE_BYTES else await self._loop.run_in_executor(self._aside, parse)
        except ScrapeError as error:
            # Anew: the one that was raised holds on to the body.
            state.fault = type(error)(str(error))
        else:
            state.fault = None
            self._take(state, reading)
        state.digest = digest
        return state.fault

    def _take(self, state: _State, reading: Reading) -> None:
        before = state.reading
        if reading == before:
            return
        if len(reading.scores) > (len(before.scores) if before is not None else 0):
            state.progressed = self._clock()
        state.reading = reading
        self._news(state.target.sweep)
