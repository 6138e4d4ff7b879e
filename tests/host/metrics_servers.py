"""Servers on this machine that stand in for trainers, and whatever may answer at a trainer's address."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType

from aiohttp import web

from host.listening import listening, serving

_SHUTDOWN_SECONDS = 0.01
"""That a handler may go on; 0 would be for ever."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MetricsServers:
    """Starts servers, and ends them all at the end. A context manager."""

    def __init__(self) -> None:
        self.connections = 0
        """Made to raw servers so far."""
        self._stack = contextlib.AsyncExitStack()
        self._over = asyncio.Event()

    async def __aenter__(self) -> "MetricsServers":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        await self._stack.aclose()

    async def serve(self, handler: Handler) -> str:
        """The address of metrics that this handler answers for."""
        app = web.Application()
        app.router.add_get("/metrics", handler)
        runner = web.AppRunner(app, shutdown_timeout=_SHUTDOWN_SECONDS)
        port = await self._stack.enter_async_context(serving(runner, "127.0.0.1"))
        return f"http://127.0.0.1:{port}/metrics"

    async def serve_raw(self, answer: bytes | None) -> str:
        """The address of something that answers with just these bytes, or (None) never."""

        async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            if answer is None:
                await self._over.wait()
            writer.write(answer or b"")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        port = await self._stack.enter_async_context(listening(handle, "127.0.0.1"))
        return f"http://127.0.0.1:{port}/metrics"


def answering(body: bytes | str, **headers: str) -> Handler:
    """Answers with a body; '_' stands for '-' in names of headers."""

    async def handle(_: web.Request) -> web.StreamResponse:
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(body=raw, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return handle


async def trickle(request: web.Request) -> web.StreamResponse:
    """A byte now and then, for ever."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"\n")
        await asyncio.sleep(0.01)


def endless(chunk: bytes, sent: list[int]) -> Handler:
    """The same bytes for ever; `sent` gets the length of each that was taken."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(chunk)
            sent.append(len(chunk))

    return handle
