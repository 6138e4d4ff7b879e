"""Simulated trainers on their addresses, read by the operator's own reader: the truth, and lies of every kind."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, start_http_server

from cluster.simulator.exporter import exporter
from cluster.simulator.exposition import metrics_body
from cluster.simulator.faults import Lies
from cluster.simulator.hostile import Answer, lying, plain
from host.ports import free_port
from seedsweep.contract.consistency import Limits
from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.message import Message, Outcome, TrainerInfo
from seedsweep.contract.metrics_client import fetch, metrics_session
from seedsweep.contract.scrape import Expected, parse_reading
from seedsweep.engine.observation import Reading

EXPECTED = Expected("wi1-do2", "u1", limits=Limits(0.0, 1.0))
TRUTH = Message(TrainerInfo("wi1-do2", "u1"), Outcome.RUNNING, 10, 20, 100, scores=(0.25, 0.5))

Serve = Callable[[Callable[[], Answer], str], AbstractAsyncContextManager[None]]


@pytest.fixture(scope="module")
def port() -> int:
    """At which all of them listen, each at an address of its own."""
    return free_port()


@pytest.fixture
def serve(port: int) -> Serve:
    return lambda answer, host: exporter(host, port, answer)


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with metrics_session() as opened:
        yield opened


async def scrape(
    session: aiohttp.ClientSession,
    url: str,
    expected: Expected = EXPECTED,
    before: Reading | None = None,
    seconds: float = 60,
) -> Reading:
    return parse_reading(await fetch(session, url, seconds), expected, before=before)


def truth() -> Answer:
    return plain(metrics_body(TRUTH))


async def test_every_address_tells_of_its_own_trainer(serve: Serve, port: int, session: aiohttp.ClientSession) -> None:
    other = plain(metrics_body(Message(TrainerInfo("wi3-do4", "u2"), Outcome.RUNNING, 10, 0, 100)))
    async with serve(truth, "127.9.0.1"), serve(lambda: other, "127.9.0.2"):
        for host, expected in (("127.9.0.1", EXPECTED), ("127.9.0.2", Expected("wi3-do4", "u2"))):
            await scrape(session, f"http://{host}:{port}/metrics", expected)


async def test_connection_carries_one_request_as_with_a_real_exporter(serve: Serve, port: int) -> None:
    real, thread = start_http_server(0, "127.0.0.1", CollectorRegistry())
    try:
        async with serve(truth, "127.0.0.1"):
            for at in (real.server_port, port):
                reader, writer = await asyncio.open_connection("127.0.0.1", at)
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                async with asyncio.timeout(60):
                    assert (await reader.read()).startswith(b"HTTP/1.0 200 OK\r\n")
                writer.transport.abort()
    finally:
        await asyncio.to_thread(real.shutdown)
        real.server_close()
        thread.join()


async def test_nothing_but_the_metrics_is_there(serve: Serve, port: int, session: aiohttp.ClientSession) -> None:
    async with serve(truth, "127.0.0.1"), session.get(f"http://127.0.0.1:{port}/") as response:
        assert response.status == 404


async def test_who_is_not_let_in_gets_no_answer(port: int, session: aiohttp.ClientSession) -> None:
    url = f"http://127.0.0.1:{port}/metrics"
    async with exporter("127.0.0.1", port, truth, let_in="Prometheus/"):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.get(url)
        async with session.get(url, headers={"User-Agent": "Prometheus/3.0"}) as response:
            assert response.status == 200


async def test_nobody_listens_any_more_once_the_trainer_has_ended(
    serve: Serve, port: int, session: aiohttp.ClientSession
) -> None:
    url = f"http://127.0.0.1:{port}/metrics"
    async with serve(truth, "127.0.0.1"):
        await scrape(session, url)
    with pytest.raises(ScrapeError, match="nothing listens on port"):
        await scrape(session, url)


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (Lies.OTHER_EPISODE, "episode 'wi998-do999'"),
        (Lies.OTHER_UID, "uid 'someone-else'"),
        (Lies.OUT_OF_RANGE, "outside the metric's range"),
        (Lies.GOES_BACK, "went back"),
        (Lies.BEYOND_ITS_STEPS, "more steps than the 100 that are planned"),
        (Lies.DUPLICATE, "2 times"),
        (Lies.GARBAGE, "not UTF-8"),
        (Lies.HUGE, "larger than"),
        (Lies.MANY_LABELS, "not a sample"),
        (Lies.ENDLESS, "larger than"),
        (Lies.SLOW, "no whole answer"),
        (Lies.REDIRECT, "status 302"),
        (Lies.GZIP, "Content-Encoding 'gzip'"),
        (Lies.SERVER_ERROR, "status 500"),
        (Lies.RESET, "closed before there was an answer"),
    ],
)
async def test_lie_is_refused_for_what_it_is(
    lie: Lies, reason: str, serve: Serve, port: int, session: aiohttp.ClientSession
) -> None:
    before = parse_reading(metrics_body(TRUTH), EXPECTED)
    # A slow one is to be given up soon.
    seconds = 1 if lie is Lies.SLOW else 60
    async with serve(lambda: lying(lie, TRUTH), "127.0.0.1"):
        with pytest.raises(ScrapeError, match=reason):
            await scrape(session, f"http://127.0.0.1:{port}/metrics", before=before, seconds=seconds)


def test_every_lie_has_its_answer() -> None:
    assert all(lying(lie, TRUTH) for lie in Lies)


def test_newest_score_may_be_undefined() -> None:
    (answer,) = lying(Lies.NOT_A_NUMBER, TRUTH).chunks
    assert f"{math.nan}".encode() in answer


async def test_endless_answer_keeps_no_other_trainer_waiting(
    serve: Serve, port: int, session: aiohttp.ClientSession
) -> None:
    async with serve(lambda: lying(Lies.ENDLESS, TRUTH), "127.9.0.1"), serve(truth, "127.9.0.2"):
        reader, writer = await asyncio.open_connection("127.9.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        await reader.readexactly(1 << 20)
        await scrape(session, f"http://127.9.0.2:{port}/metrics")
        writer.transport.abort()
