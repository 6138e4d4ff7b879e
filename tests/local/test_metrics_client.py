"""A trainer's metrics fetched over HTTP: what answers in its place, or not at all, does no harm and is told."""

import asyncio
import errno
import gzip
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey

from host.metrics_servers import Handler, MetricsServers, answering, endless, trickle
from local.metrics_texts import EXPECTED, GOOD, INFO, STEPS, parse
from seedsweep.contract import metrics_client
from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.metrics_client import MAX_BYTES, fetch, metrics_session
from seedsweep.contract.scrape import parse_reading
from seedsweep.engine.observation import Reading

PATIENCE = 120.0


@pytest_asyncio.fixture
async def servers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MetricsServers]:
    # They answer, however busy this machine is.
    monkeypatch.setattr(metrics_client, "CONNECT_SECONDS", PATIENCE)
    async with MetricsServers() as opened:
        yield opened


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with metrics_session() as opened:
        yield opened


async def scrape(
    session: aiohttp.ClientSession, url: str, timeout_seconds: float = PATIENCE, before: Reading | None = None
) -> Reading:
    return parse_reading(await fetch(session, url, timeout_seconds), EXPECTED, before=before)


async def test_trainer_is_read_over_http(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    assert (await scrape(session, await servers.serve(answering(GOOD)))).scores == (0.25, 0.5)


async def test_connection_is_kept_between_scrapes(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    ports = set()

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return web.Response(text=GOOD)

    url = await servers.serve(handle)
    for _ in range(3):
        await scrape(session, url)
    assert len(ports) == 1


@pytest.mark.parametrize("later", [GOOD.replace("steps_done 20", "steps_done 19"), INFO + STEPS])
async def test_attempt_cannot_go_back(servers: MetricsServers, session: aiohttp.ClientSession, later: str) -> None:
    with pytest.raises(ScrapeError, match="went back from"):
        await scrape(session, await servers.serve(answering(later)), before=parse(GOOD))


async def test_gzip_bomb_is_not_unpacked(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    with pytest.raises(ScrapeError, match="Content-Encoding 'gzip'"):
        await scrape(session, await servers.serve(answering(bomb, Content_Encoding="gzip")))


@pytest.mark.parametrize("chunk", [b"x" * 65536, b"seedsweep_steps_done 1\n" * 100])
async def test_endless_body_is_cut_off(servers: MetricsServers, session: aiohttp.ClientSession, chunk: bytes) -> None:
    sent: list[int] = []
    with pytest.raises(ScrapeError, match="larger than"):
        await scrape(session, await servers.serve(endless(chunk, sent)))
    assert sum(sent) < 50 * MAX_BYTES


async def test_announced_gigabyte_is_cut_off(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(1 << 30)})
        await response.prepare(request)
        while True:
            await response.write(b"\n" * 65536)

    with pytest.raises(ScrapeError, match="larger than"):
        await scrape(session, await servers.serve(handle))


async def silence(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("handler", [trickle, silence])
async def test_an_answer_that_does_not_come_to_its_end_is_given_up(
    servers: MetricsServers, session: aiohttp.ClientSession, handler: Handler
) -> None:
    handlers = iter([answering(GOOD), handler])

    async def handle(request: web.Request) -> web.StreamResponse:
        return await next(handlers)(request)

    url = await servers.serve(handle)
    # From here on there is a connection, so that none has to be made in the little time that there is.
    await scrape(session, url)
    with pytest.raises(ScrapeError, match=r"^no whole answer within 0\.2 s$") as refused:
        await scrape(session, url, 0.2)
    assert not refused.value.answered


@pytest.mark.parametrize(
    ("answer", "words", "answered"),
    [
        (b"", "the connection was closed before there was an answer", False),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP", True),
        (b"\x16\x03\x01\x02\x00", "the answer is not HTTP", True),
        (b"\0" * 10_000, "the answer is not HTTP", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "the answer is not HTTP", True),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000, "the answer is not HTTP", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "the answer is not HTTP", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + GOOD.encode()[:400], "the answer breaks off", True),
    ],
)
async def test_what_keeps_metrics_from_being_fetched_is_said_without_the_words_of_a_library(
    servers: MetricsServers, session: aiohttp.ClientSession, answer: bytes, words: str, answered: bool
) -> None:
    with pytest.raises(ScrapeError) as refused:
        await fetch(session, await servers.serve_raw(answer), PATIENCE)
    assert str(refused.value).startswith(words)
    assert refused.value.answered == answered


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no connection to port 9400 within 2 s: does a NetworkPolicy forbid it?"),
        (OSError(errno.EHOSTUNREACH, "x"), "there is no route to port 9400"),
        (OSError(errno.ENETUNREACH, "x"), "there is no route to port 9400"),
        (OSError(errno.ECONNREFUSED, "x"), "nothing listens on port 9400 (connection refused)"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "no connection to port 9400 (EADDRNOTAVAIL)"),
    ],
)
async def test_what_keeps_a_connection_from_being_made_is_said(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    key = ConnectionKey("10.0.0.7", 9400, False, True, None, None, None)

    async def connect(*_: object, **__: object) -> None:
        raise error if isinstance(error, TimeoutError) else aiohttp.ClientConnectorError(key, error)

    assert session.connector is not None
    monkeypatch.setattr(session.connector, "connect", connect)
    with pytest.raises(ScrapeError) as refused:
        await fetch(session, "http://10.0.0.7:9400/metrics", 5)
    assert str(refused.value) == words
    assert not refused.value.answered


@pytest.mark.parametrize("url", ["http://:9400/metrics", "http://127.0.0.1:99999/metrics", "http://[zz]:9400/metrics"])
async def test_what_is_no_address_is_said(session: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(ScrapeError, match=f"^{re.escape(repr(url))} is no address$"):
        await fetch(session, url, 5)


async def test_redirect_is_not_followed(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    followed = []

    async def target(_: web.Request) -> web.StreamResponse:
        followed.append(1)
        return web.Response(text=GOOD)

    elsewhere = await servers.serve(target)

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": elsewhere})

    with pytest.raises(ScrapeError, match="status 302"):
        await scrape(session, await servers.serve(handle))
    assert not followed


async def test_proxy_of_the_environment_is_not_used(
    servers: MetricsServers, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert (await scrape(session, await servers.serve(answering(GOOD)))).steps_done == 20


async def test_error_of_the_server_is_reported(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    with pytest.raises(ScrapeError, match="status 500"):
        await scrape(session, await servers.serve(handle))


async def test_refused_connection_is_reported(session: aiohttp.ClientSession) -> None:
    with pytest.raises(ScrapeError, match=r"^nothing listens on port 1 \(connection refused\)$"):
        await scrape(session, "http://127.0.0.1:1/metrics")
