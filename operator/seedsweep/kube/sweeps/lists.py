"""When a sweep's pods and records are compared with lists: of thousands they take minutes, and its turns go on."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from time import monotonic

from seedsweep.kube.apiserver.client import ApiError

GONE_WITHIN_SECONDS = 20.0
"""After a deletion pods are listed: a watch that had to start anew does not show what has gone meanwhile. So often they
are listed where they cannot be watched."""
LIST_AGAIN_SECONDS = 5.0
"""After a list that failed."""
REST = 4.0
"""The next one begins so many times later as the last one took, at the earliest: where the API server is busy, most of
what it can do is left to other requests."""


class Lists:
    """Compares what lists show with what is known, again and again."""

    def __init__(
        self, compare: Callable[[], Awaitable[None]], every: float, news: Callable[[], None], listed: float
    ) -> None:
        """`compare` raises ApiError; `every`: seconds; `news` is called when one has ended; `listed`: as the field."""
        self._compare = compare
        self._every = every
        self._news = news
        self.listed = listed
        """When the last one ended that did not fail, by a steady clock."""
        self._ended = listed
        self._rest = 0.0
        self._again = every
        self._task: asyncio.Task[None] | None = None

    def due_at(self, since: float | None, *, watched: bool) -> float:
        """When the next one is due, by a steady clock; never while one is under way.

        Args:
            since: when the first deletion was accepted that has not been seen to be carried out.
            watched: pods can be watched.
        """
        if self._task is not None:
            return inf
        soon, regularly = max(GONE_WITHIN_SECONDS, self._rest), self._ended + max(self._again, self._rest)
        if not watched:
            return min(regularly, self._ended + soon)
        return regularly if since is None else min(regularly, max(since, self._ended) + soon)

    def begin(self) -> None:
        """Begin one now."""
        self._task = asyncio.create_task(self._once())
        self._task.add_done_callback(lambda _: self._news())

    async def have_ended(self) -> bool:
        """Whether one has, for which this was not asked before."""
        if self._task is None or not self._task.done():
            return False
        task, self._task = self._task, None
        await task
        return True

    def close(self) -> None:
        """Break off what is under way."""
        if self._task is not None:
            self._task.cancel()
            # A task that was broken off holds on to all that it was at.
            self._task = None

    async def _once(self) -> None:
        began = monotonic()
        try:
            await self._compare()
        except ApiError:
            # The gate of these requests tells it. It says nothing about how long a list takes.
            self._again, self._rest = LIST_AGAIN_SECONDS, 0.0
        else:
            self.listed = monotonic()
            self._again, self._rest = self._every, REST * (self.listed - began)
        self._ended = monotonic()
