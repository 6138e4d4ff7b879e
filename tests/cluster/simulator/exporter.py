"""The metrics port of one simulated trainer, on the address of its pod."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cluster.simulator.hostile import Answer, plain

_BACKLOG = 8
"""One operator scrapes, and at times a test."""


@asynccontextmanager
async def exporter(host: str, port: int, answer: Callable[[], Answer]) -> AsyncIterator[None]:
    """Answer every GET of /metrics with what `answer` gives at that moment, until the end of the context.

    Raises:
        OSError: the address cannot be listened on.
    """
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(_serve(reader, writer, answer))
        connections[connection] = writer
        connection.add_done_callback(connections.pop)

    # The pod that had the address before may not have let go of it yet.
    server = await asyncio.start_server(connected, host, port, backlog=_BACKLOG, reuse_port=True)
    try:
        yield
    finally:
        server.close()
        open_still = list(connections)
        for connection, writer in connections.items():
            connection.cancel()
            # One that was accepted this moment never gets to do so itself.
            writer.transport.abort()
        await asyncio.gather(*open_still, return_exceptions=True)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Callable[[], Answer]) -> None:
    try:
        while path := await _path(reader):
            if not await _send(writer, answer() if path == "/metrics" else plain(b"", "404 Not Found")):
                return
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        # The scraper has had enough.
        return
    finally:
        writer.transport.abort()


async def _path(reader: asyncio.StreamReader) -> str | None:
    """What is asked for; None for what is no GET."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, _, rest = head.partition(b" ")
    return rest.partition(b" ")[0].decode("ascii", "replace") if method == b"GET" else None


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> bool:
    """Whether anything was sent."""
    sent = False
    for chunk in answer.chunks:
        writer.write(chunk)
        await writer.drain()
        # Also without a pause: an endless answer must not keep the others waiting.
        await asyncio.sleep(answer.pause)
        sent = True
    return sent
