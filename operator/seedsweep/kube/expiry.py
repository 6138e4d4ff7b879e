"""Finished sweeps go when their ttlSecondsAfterFinished is over."""

import asyncio
import logging
from datetime import datetime, timedelta

from seedsweep.kube.client import Api, ApiError
from seedsweep.kube.clock import now
from seedsweep.kube.home import Home

MAX_SLEEP_SECONDS = 60.0
RETRY_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Expiry:
    """A timer for every finished sweep that has a time to live."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._timers: dict[str, asyncio.Task[None]] = {}
        """By UID."""

    def set(self, home: Home, completed: str, seconds: int | None) -> None:
        """Have a sweep deleted so long after its end; None: never. The last word counts."""
        self.forget(home.uid)
        if seconds is not None:
            due = datetime.fromisoformat(completed) + timedelta(seconds=seconds)
            self._timers[home.uid] = asyncio.create_task(self._delete_at(due, home), name=f"expiry of {home.path}")

    def forget(self, uid: str) -> None:
        """It is gone, or its time to live was taken back."""
        timer = self._timers.pop(uid, None)
        if timer is not None:
            timer.cancel()

    async def close(self) -> None:
        """Stop all timers; the next operator sets them anew."""
        timers = list(self._timers.values())
        for timer in timers:
            timer.cancel()
        await asyncio.gather(*timers, return_exceptions=True)

    async def _delete_at(self, due: datetime, home: Home) -> None:
        await sleep_until(due)
        while True:
            try:
                await self._api.delete(home.path, home.uid)
                return
            except ApiError as error:
                _log.warning("%s has had its time, but could not be deleted: %s", home.path, error)
            await asyncio.sleep(RETRY_SECONDS)


async def sleep_until(moment: datetime) -> None:
    """By the clock on the wall, which may be set meanwhile."""
    while True:
        wait = (moment - now()).total_seconds()
        if wait <= 0:
            return
        await asyncio.sleep(min(wait, MAX_SLEEP_SECONDS))
