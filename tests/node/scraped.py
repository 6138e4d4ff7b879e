"""A real Prometheus in the node's network: it scrapes operator and trainers by the addresses of their pods."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from cluster.controlplane import ControlPlane
from cluster.watched import LOOK_EVERY, Object, configuration, scores_told, tell_targets
from host.prometheus import Prometheus, prometheus

ANSWERS_WITHIN = 120.0
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Scraped:
    """What it has scraped since it began."""

    server: Prometheus
    began: float
    _loop: asyncio.AbstractEventLoop

    def query(self, expr: str) -> list[Any]:
        """What an expression gives now."""
        return _result(self.server.query(expr), self._loop)

    def ever(self, expr: str) -> list[Any]:
        """All that it gave since then, every five seconds."""
        return _result(self.server.query_range(expr, self.began, time.time(), 5.0), self._loop)

    def scores(self, sweep: str) -> dict[str, dict[int, set[float]]]:
        """See scores_told."""
        return _result(scores_told(self.server, sweep, self.began, time.time()), self._loop)


@contextmanager
def scraped(control_plane: ControlPlane, folder: Path) -> Iterator[Scraped]:
    """A server for all pods of the cluster, on a thread of its own: what it watches is told step by step."""
    folder.mkdir()
    # Helm takes its time, and may be missing: not for the thread.
    config = configuration(folder)
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    serving = _serving(control_plane, folder, config)
    try:
        server = _result(serving.__aenter__(), loop)
        try:
            yield Scraped(server, time.time(), loop)
        finally:
            _result(serving.__aexit__(None, None, None), loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@asynccontextmanager
async def _serving(control_plane: ControlPlane, folder: Path, config: Object) -> AsyncIterator[Prometheus]:
    discovery = asyncio.create_task(_discover(control_plane, folder))
    try:
        async with prometheus(folder, config) as server:
            yield server
    finally:
        discovery.cancel()
        # Where it has ended by an error, that is what targets were missed for.
        with suppress(asyncio.CancelledError):
            await discovery


async def _discover(control_plane: ControlPlane, folder: Path) -> None:
    while True:
        # A busy API server is asked again.
        with suppress(OSError):
            code, found = await asyncio.to_thread(control_plane.request, "GET", "/api/v1/pods")
            if code == 200:
                tell_targets(found["items"], folder)
        await asyncio.sleep(LOOK_EVERY)


def _result(work: Coroutine[Any, Any, Result], loop: asyncio.AbstractEventLoop) -> Result:
    return asyncio.run_coroutine_threadsafe(work, loop).result(ANSWERS_WITHIN)
