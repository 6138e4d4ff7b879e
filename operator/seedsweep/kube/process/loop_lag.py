"""How late the event loop wakes what is due: what holds the loop holds cuts, scrapes and probes."""

import asyncio
from collections.abc import Callable

from seedsweep.kube.process.metrics import LOOP_LAG_SECONDS

PERIOD_SECONDS = 1.0


async def measure_loop_lag(note: Callable[[float], None] = LOOP_LAG_SECONDS.observe) -> None:
    """Note by how many seconds each sleep was too long, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PERIOD_SECONDS
        await asyncio.sleep(PERIOD_SECONDS)
        note(max(loop.time() - due, 0.0))
