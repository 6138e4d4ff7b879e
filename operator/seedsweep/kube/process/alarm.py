"""One timer that wakes a task: however often it is set, it rings once, at the earliest moment asked for."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Rings on the running event loop."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> None:
        """Ring after so long at the latest."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._handle is not None:
            if self._handle.when() <= due:
                return
            self._handle.cancel()
        self._handle = loop.call_at(due, self._rung)

    def cancel(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _rung(self) -> None:
        self._handle = None
        self._ring()
