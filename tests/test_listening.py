"""A server of tests leaves no connection open, whenever it was accepted."""

import asyncio
import gc
import socket
import warnings

from listening import listening


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


async def test_what_is_open_at_the_end_is_broken_off_at_whatever_moment_it_was_accepted():
    clients = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for turns in range(6):
            async with listening(echo, "127.0.0.1") as port:
                clients.append(socket.create_connection(("127.0.0.1", port)))
                for _ in range(turns):
                    await asyncio.sleep(0)
        gc.collect()
    assert [str(warning.message) for warning in told] == []
    for client in clients:
        with client:
            client.settimeout(10)
            try:
                assert client.recv(1) == b""
            except ConnectionResetError:
                continue
