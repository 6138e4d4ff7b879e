"""Servers whose connections all end with them.

asyncio's own server forgets a connection that it accepts in the moment in which it is closed, and a transport that is
closed while its peer does not read stays open: both until the garbage collector finds them, with a ResourceWarning in
whatever test that is.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_BACKLOG = 1024
"""Connections that wait to be accepted: beyond it, a client tries again only after seconds."""


@asynccontextmanager
async def listening(handle: Handler, host: str, port: int = 0) -> AsyncIterator[int]:
    """Handle every connection in a task of its own; at the end of the context all are broken off. Yields the port.

    Raises:
        OSError: the address cannot be listened on.
    """
    async with _accepting(partial(_handle, handle), host, port) as bound:
        yield bound


@asynccontextmanager
async def serving(runner: web.AppRunner, host: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve an application of aiohttp in the same way. Yields the port.

    Raises:
        OSError: the address cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    await runner.setup()
    server = runner.server
    assert server is not None

    async def serve(connection: socket.socket) -> None:
        await loop.connect_accepted_socket(server, connection, ssl=tls)

    try:
        async with _accepting(serve, host, 0) as port:
            yield port
    finally:
        for handler in server.connections:
            if handler.transport is not None:
                handler.transport.abort()
        # A transport closes its socket in the loop's next turn.
        await asyncio.sleep(0)
        await runner.cleanup()


@asynccontextmanager
async def _accepting(take: Callable[[socket.socket], Awaitable[None]], host: str, port: int) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    connections: set[asyncio.Future[None]] = set()
    # Who had the address before may not have let go of it yet.
    with socket.create_server((host, port), backlog=_BACKLOG, reuse_port=True) as listener:
        listener.setblocking(False)

        def accept() -> None:
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            connection.setblocking(False)
            task = asyncio.ensure_future(take(connection))
            connections.add(task)
            task.add_done_callback(connections.discard)

        loop.add_reader(listener, accept)
        try:
            yield listener.getsockname()[1]
        finally:
            loop.remove_reader(listener)
            # Whoever was accepted last begins now: cancelled before, it would close nothing.
            await asyncio.sleep(0)
            for task in connections:
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)


async def _handle(handle: Handler, connection: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        await handle(reader, writer)
    finally:
        writer.transport.abort()
