"""The metrics port of one simulated trainer, on the address of its pod."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from cluster.simulator.hostile import Answer, plain
from host.listening import listening


@asynccontextmanager
async def exporter(host: str, port: int, answer: Callable[[], Answer], let_in: str = "") -> AsyncIterator[None]:
    """Answer every GET of /metrics with what `answer` gives at that moment, until the end of the context.

    Each connection carries one request, as with prometheus_client's own server, which speaks HTTP/1.0. Who does not
    begin its name, the User-Agent, with `let_in` gets no answer, as a network policy would have it.

    Raises:
        OSError: the address cannot be listened on.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Where it raises, the scraper has had enough.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            path = await _path(reader, let_in)
            if path is not None:
                await _send(writer, answer() if path == "/metrics" else plain(b"", "404 Not Found"))
            writer.close()
            await writer.wait_closed()

    async with listening(serve, host, port):
        yield


async def _path(reader: asyncio.StreamReader, let_in: str) -> str | None:
    """What is asked for; None for what is no GET, or of somebody who is not let in."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, _, rest = head.partition(" ")
    stranger = let_in and f"\r\nuser-agent: {let_in}".lower() not in head.lower()
    if method != "GET" or stranger:
        return None
    return rest.partition(" ")[0]


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    for chunk in answer.chunks:
        writer.write(chunk)
        await writer.drain()
        # Also without a pause: an endless answer must not keep the others waiting.
        await asyncio.sleep(answer.pause)
