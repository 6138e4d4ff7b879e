"""Finished sweeps go when their ttlSecondsAfterFinished is over."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import monotonic

from seedsweep.engine.decisions import Event
from seedsweep.kube.apiserver.client import Api
from seedsweep.kube.apiserver.deletion import delete_at_last
from seedsweep.kube.events.recorder import Recorder
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.facts import moment_or_none
from seedsweep.kube.process.clock import now
from seedsweep.kube.process.log import SweepLog
from seedsweep.kube.supervise import supervised

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Timer:
    due: float
    task: asyncio.Task[None]


class Expiry:
    """A timer for every finished sweep that has a time to live."""

    def __init__(
        self,
        api: Api,
        recorder: Recorder,
        clock: Callable[[], datetime] = now,
        steady: Callable[[], float] = monotonic,
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._clock = clock
        self._steady = steady
        self._ended: dict[str, tuple[str, float]] = {}
        """When a sweep was over, by UID: as it is on record, and by the steady clock, for the clock on the wall may be
        set meanwhile."""
        self._timers: dict[str, _Timer] = {}
        """By UID."""

    def set(self, home: Home, completed: str, seconds: int | None) -> None:
        """Have a sweep deleted so long after its end; None: never. The last word counts."""
        if seconds is None:
            self._cancel(home.uid)
            return
        if self._ended.get(home.uid, ("", 0.0))[0] != completed:
            ended = moment_or_none(completed) or self._clock()
            since = (self._clock() - ended).total_seconds()
            # An end that is still to come was written by an operator whose clock was ahead.
            self._ended[home.uid] = completed, self._steady() - max(0.0, since)
        due, timer = self._ended[home.uid][1] + seconds, self._timers.get(home.uid)
        if timer is not None and timer.due == due:
            # A deletion that is refused keeps its pauses, however often the sweep is shown.
            return
        self._cancel(home.uid)
        log = SweepLog(_log, home.namespace, home.name)
        work = supervised("expiry", partial(self._delete_at, due, home, log), log)
        self._timers[home.uid] = _Timer(due, asyncio.create_task(work, name=f"expiry of {home.path}"))

    def forget(self, uid: str) -> None:
        """It is gone."""
        self._cancel(uid)
        self._ended.pop(uid, None)

    async def close(self) -> None:
        """Stop all timers; the next operator sets them anew."""
        tasks = [timer.task for timer in self._timers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cancel(self, uid: str) -> None:
        timer = self._timers.pop(uid, None)
        if timer is not None:
            timer.task.cancel()

    async def _delete_at(self, due: float, home: Home, log: SweepLog) -> None:
        await asyncio.sleep(max(0.0, due - self._steady()))
        await delete_at_last(self._api, home.path, home.uid, partial(self._tell, home))
        log.info("deleted: its ttlSecondsAfterFinished is over")

    def _tell(self, home: Home, why: str) -> None:
        message = f"its ttlSecondsAfterFinished is over, but it cannot be deleted, and this is tried again: {why}"
        self._recorder.tell(home, [Event("NotDeleted", message, kind="Warning")])
