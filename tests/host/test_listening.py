"""A server of tests leaves no connection open, whenever it was accepted."""

import asyncio
import contextlib
import gc
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import web

from host.listening import listening, serving
from host.metrics_servers import endless


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


async def test_every_connection_is_served():
    async with listening(echo, "127.0.0.1") as port:
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"line\n")
            assert await reader.readline() == b"line\n"
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    async with listening(echo, "127.0.0.1") as port:
        yield port


@asynccontextmanager
async def answering_without_end() -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/", endless(b"x" * 65536, []))
    async with serving(web.AppRunner(app, shutdown_timeout=0.01), "127.0.0.1") as port:
        yield port


@pytest.mark.parametrize("server", [echoing, answering_without_end])
async def test_what_is_open_at_the_end_is_broken_off_at_whatever_moment_it_was_accepted(
    server: Callable[[], AbstractAsyncContextManager[int]],
):
    clients = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for turns in (*range(6), 1_000):
            async with server() as port:
                clients.append(socket.create_connection(("127.0.0.1", port)))
                clients[-1].send(b"GET / HTTP/1.1\r\n\r\n")
                for _ in range(turns):
                    await asyncio.sleep(0)
        gc.collect()
    assert [str(warning.message) for warning in told] == []
    for client in clients:
        with client:
            client.settimeout(60)
            with contextlib.suppress(ConnectionResetError):
                while client.recv(1 << 20):
                    pass
