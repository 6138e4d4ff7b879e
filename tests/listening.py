"""Servers whose connections all end with them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_BACKLOG = 1024
"""Connections that wait to be accepted: beyond it, a client tries again only after seconds."""


@asynccontextmanager
async def listening(handle: Handler, host: str, port: int = 0) -> AsyncIterator[int]:
    """Handle every connection in a task of its own; at the end of the context all are broken off. Yields the port.

    asyncio's own server forgets a connection that it accepts in the moment in which it is closed: it stays open until
    the garbage collector finds it, with a ResourceWarning in whatever test that is.

    Raises:
        OSError: the address cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    connections: dict[asyncio.Task[None], socket.socket] = {}
    # Who had the address before may not have let go of it yet.
    with socket.create_server((host, port), backlog=_BACKLOG, reuse_port=True) as listener:
        listener.setblocking(False)

        def accept() -> None:
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            connection.setblocking(False)
            task = loop.create_task(_serve(connection, handle))
            connections[task] = connection
            task.add_done_callback(connections.pop)

        loop.add_reader(listener, accept)
        try:
            yield listener.getsockname()[1]
        finally:
            loop.remove_reader(listener)
            open_still = dict(connections)
            for task in open_still:
                task.cancel()
            await asyncio.gather(*open_still, return_exceptions=True)
            for connection in open_still.values():
                # A task that was cancelled before it began has closed nothing.
                connection.close()


async def _serve(connection: socket.socket, handle: Handler) -> None:
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        await handle(reader, writer)
    finally:
        writer.transport.abort()
