"""Turns of requests: bounded in all, and shared out among namespaces.

A webhook may hold every request in its namespace for half a minute. Requests in other namespaces do not wait for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from seedsweep.kube.process.slots import Slots


class Turns:
    """Places for requests, in the order in which they are asked for in each namespace."""

    def __init__(self, total: int, for_newcomers: int) -> None:
        """`for_newcomers` of them go only to namespaces that have no request under way."""
        self._slots: Slots[tuple[str, asyncio.Future[None]]] = Slots(total, for_newcomers)

    @asynccontextmanager
    async def of(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a place, and have it for the block; "" is for what is in no namespace."""
        turn = asyncio.get_running_loop().create_future()
        self._slots.wait(namespace, (namespace, turn))
        self._give()
        try:
            await turn
            yield
        finally:
            # One that is cancelled as it waits has no place to give back.
            if not turn.cancelled():
                self._give_back(namespace)

    def _give_back(self, namespace: str) -> None:
        self._slots.release(namespace)
        self._give()

    def _give(self) -> None:
        for namespace, turn in self._slots.take():
            if turn.cancelled():
                self._slots.release(namespace)
            else:
                turn.set_result(None)
