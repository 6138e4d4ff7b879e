"""An event loop whose time passes only while nothing is left to do.

Waits take no time of ours, and a machine that stalls changes nothing about who comes first. What happens outside the
loop, on threads and behind sockets, has no time to happen: it is for tests without these.
"""

import asyncio
import selectors
from time import monotonic


class _Selector(selectors.DefaultSelector):
    """Lets the time pass that it is told to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout if timeout is None else 0.0)
        if not ready and timeout is not None:
            self.now += max(timeout, 0.0)
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Begins at the time of the machine's steady clock."""

    def __init__(self) -> None:
        self._simulated = _Selector()
        super().__init__(self._simulated)

    def time(self) -> float:
        return self._simulated.now
