"""All sweeps' trainers are read on one event loop, each at its interval or more often, and none in another's way.

Scrapes under way are shared out among the sweeps, so that hostile targets wait for each other and for nobody else.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from heapq import heappop, heappush
from itertools import count
from types import TracebackType
from zlib import crc32

from seedsweep.api.sweep import MetricNames
from seedsweep.engine.haste import OFTEN
from seedsweep.engine.observation import Reading
from seedsweep.exposition import ScrapeError
from seedsweep.kube.supervise import note_error
from seedsweep.metrics import SCRAPE_SECONDS, SCRAPES
from seedsweep.scrape import Expected, fetch, metrics_session, parse_reading

SCRAPES_AT_ONCE = 128
"""Each may hold a body of 1 MiB."""
LEAST_AT_ONCE = 4
"""A sweep's share of them, however many sweeps there are."""
REST = 4.0
"""A target is left alone for so many times as long as its scrape took: the slow take a fifth of what they could."""
TICK_SECONDS = 0.01
"""Between two looks at what is due."""
LARGE_BYTES = 1 << 16
"""A body of 300 evaluations has half of this. To read one of 1 MiB can take 20 ms, which the loop must not be held."""

_NOT_DUE = math.inf
_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Target:
    """Where one pod publishes, and how it is read."""

    sweep: str
    """UID of its sweep."""
    uid: str
    """Of the pod."""
    url: str
    expected: Expected
    interval: float
    """Seconds between two scrapes, where news are not waited for."""
    timeout: float
    """Seconds one may take."""
    names: MetricNames

    def due_after(self, moment: float, *, often: bool = False) -> float:
        """Its next turn: targets have theirs spread over the interval."""
        phase = crc32(self.uid.encode()) / 2**32 * self.interval
        interval = self.interval / OFTEN if often else self.interval
        return moment + interval - (moment - phase) % interval


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last scrapes of a target gave nothing."""

    times: int
    """In a row."""
    error: str
    """Of the last."""


@dataclass(slots=True, eq=False)
class _State:
    target: Target
    due: float = _NOT_DUE
    rested: float = 0.0
    """No turn before that."""
    task: asyncio.Task[None] | None = None
    reading: Reading | None = None
    progressed: datetime | None = None
    trouble: Trouble | None = None
    digest: int | None = None
    """Of the body that the reading was made of."""


@dataclass(slots=True, eq=False)
class _Lane:
    """One sweep's targets."""

    uids: set[str] = field(default_factory=set)
    often: Collection[str] = ()
    """Those of them that are read several times an interval."""
    waiting: deque[_State] = field(default_factory=deque)
    running: int = 0


class Scraper:
    """Reads targets until they are forgotten. A context manager."""

    def __init__(self, news: Callable[[str], None], clock: Callable[[], datetime] = _utc_now) -> None:
        """`news` is called with the UID of a sweep when one of its pods has published something else."""
        self._news = news
        self._clock = clock
        self._states: dict[str, _State] = {}
        self._lanes: dict[str, _Lane] = {}
        self._turns: list[tuple[float, int, _State]] = []
        """A heap. Entries stay when a target's turn is moved: only the one with its `due` counts."""
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._aside = ThreadPoolExecutor(1, "large-bodies")

    async def __aenter__(self) -> "Scraper":
        self._loop = asyncio.get_running_loop()
        self._session = metrics_session()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sweep in list(self._lanes):
            self.forget_sweep(sweep)
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._session.close()
        self._aside.shutdown()

    def watch(self, target: Target) -> None:
        """Read a target at once and from now on; one that is read already only as it is told now."""
        state = self._states.get(target.uid)
        if state is None:
            state = self._states[target.uid] = _State(target)
            self._lanes.setdefault(target.sweep, _Lane()).uids.add(target.uid)
            self._schedule(state, self._loop.time())
        elif state.target != target:
            state.target = target
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
                try:
                    lane = self._lanes[state.target.sweep]
                    lane.waiting.append(state)
                    self._start_waiting(lane)
                except Exception as error:
                    # No other target misses its turn for it.
                    note_error("scraper", error, state.target.interval, _log)
                    self._schedule(state, now + state.target.interval)
        if self._turns:
            self._set_timer()

    def _start_waiting(self, lane: _Lane) -> None:
        share = max(LEAST_AT_ONCE, SCRAPES_AT_ONCE // max(1, len(self._lanes)))
        while lane.waiting and lane.running < share:
            state = lane.waiting.popleft()
            if not self._is_watched(state):
                continue
            lane.running += 1
            task = state.task = self._loop.create_task(self._scrape(state))
            self._running.add(task)
            task.add_done_callback(partial(self._ended, state, lane, self._loop.time()))

    def _ended(self, state: _State, lane: _Lane, began: float, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        lane.running -= 1
        state.task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s could not be read", state.target.url, exc_info=error)
        if self._is_watched(state):
            now = self._loop.time()
            state.rested = now + REST * (now - began)
            self._schedule(state, self._due_after(state, state.rested))
        self._start_waiting(lane)

    def _is_watched(self, state: _State) -> bool:
        return self._states.get(state.target.uid) is state

    async def _scrape(self, state: _State) -> None:
        target = state.target
        try:
            with SCRAPE_SECONDS.time():
                body = await fetch(self._session, target.url, target.timeout)
            await self._read(state, body)
        except ScrapeError as error:
            SCRAPES.labels(error.kind).inc()
            times = state.trouble.times if state.trouble is not None else 0
            state.trouble = Trouble(times + 1, str(error))
        else:
            SCRAPES.labels("read").inc()
            state.trouble = None

    async def _read(self, state: _State, body: bytes) -> None:
        digest = hash(body)
        if digest == state.digest:
            # Most scrapes find nothing new, and reading is what costs most.
            return
        before = state.reading
        parse = partial(parse_reading, body, state.target.expected, state.target.names, before)
        reading = parse() if len(body) < LARGE_BYTES else await self._loop.run_in_executor(self._aside, parse)
        state.digest = digest
        if reading == before:
            return
        if len(reading.scores) > (len(before.scores) if before is not None else 0):
            state.progressed = self._clock()
        state.reading = reading
        self._news(state.target.sweep)
