"""Looking until what must come has come: controllers, watches and admission take in news in their own time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE = 180.0
"""Seconds, as all times here."""
PERIOD = 0.1

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T | None]], patience: float = PATIENCE) -> T:
    """What is there at last; raises TimeoutError."""
    async with asyncio.timeout(patience):
        while True:
            if (found := await look()) is not None:
                return found
            await asyncio.sleep(PERIOD)


async def settled(look: Callable[[], Awaitable[T]], expected: T) -> T:
    """What is seen once it is as expected, or after some patience."""
    deadline = time.monotonic() + PATIENCE
    while True:
        if (found := await look()) == expected or time.monotonic() > deadline:
            return found
        await asyncio.sleep(PERIOD)


def poll(look: Callable[[], T | None]) -> T:
    """As `eventually`, for who has no event loop."""
    deadline = time.monotonic() + PATIENCE
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not seen within {PATIENCE:.0f} s")
        time.sleep(PERIOD)
    return found
