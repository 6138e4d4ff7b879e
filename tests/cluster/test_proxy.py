"""The faulting proxy in front of a small server that counts what reaches it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from cluster.proxy import Answer, Break, Delay, Proxy, Rule, proxying
from host.listening import serving


class Upstream:
    """Answers with what it was sent, and streams a line whenever it is told to."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.news = asyncio.Queue[str]()
        self.asked = 0
        self.pause = 0.0
        """Seconds before a request takes effect, where its client does not hang up."""

    async def post(self, request: web.Request) -> web.Response:
        self.asked += 1
        await asyncio.sleep(self.pause)
        self.bodies.append(await request.text())
        return web.Response(text=f"{request.path_qs} {self.bodies[-1]} {request.headers['Authorization']}", status=201)

    async def watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write((await self.news.get()).encode())


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[tuple[Upstream, str]]:
    server = Upstream()
    app = web.Application()
    app.add_routes([web.post("/pods", server.post), web.get("/pods", server.watch)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    async with serving(runner, "127.0.0.1") as port:
        yield server, f"http://127.0.0.1:{port}"


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[tuple[Proxy, aiohttp.ClientSession]]:
    headers = {"Authorization": "Bearer token"}
    async with proxying(url) as proxy, aiohttp.ClientSession(proxy.url, headers=headers) as session:
        yield proxy, session


async def test_without_rules_it_only_passes_on(upstream: tuple[Upstream, str]):
    async with client_of(upstream[1]) as (_, session), session.post("/pods?a=b", data="body") as answer:
        assert (answer.status, await answer.text()) == (201, "/pods?a=b body Bearer token")


async def test_it_answers_in_the_servers_place_as_often_as_told(upstream: tuple[Upstream, str]):
    async with client_of(upstream[1]) as (proxy, session):
        with proxy.broken(Rule(Answer(429, retry_after=2), "^/pods", times=1)):
            async with session.post("/pods", data="1") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
                assert (await answer.json())["reason"] == "TooManyRequests"
            async with session.post("/pods", data="2") as answer:
                assert answer.status == 201
        assert upstream[0].bodies == ["2"]


@pytest.mark.parametrize(("action", "reached"), [(Break.BEFORE, []), (Break.AFTER, ["body"])])
async def test_a_connection_ends_before_or_after_the_request_took_effect(
    upstream: tuple[Upstream, str], action: Break, reached: list[str]
):
    async with client_of(upstream[1]) as (proxy, session):
        with proxy.broken(Rule(action, "^/pods")), pytest.raises(aiohttp.ClientConnectionError):
            await session.post("/pods", data="body")
        assert upstream[0].bodies == reached


async def test_what_is_to_take_effect_does_although_the_client_is_killed_meanwhile(upstream: tuple[Upstream, str]):
    server, url = upstream
    server.pause = 0.3
    async with client_of(url) as (proxy, session):
        with proxy.broken(Rule(Break.AFTER, "^/pods")):
            asking = asyncio.create_task(session.post("/pods", data="body"))
            async with asyncio.timeout(60):
                while not server.asked:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    assert server.bodies == ["body"]


async def test_a_rule_acts_on_every_so_many_th_request_that_it_is_about(upstream: tuple[Upstream, str]):
    async with client_of(upstream[1]) as (proxy, session):
        rule = Rule(Answer(500), "^/pods", every=2)
        with proxy.broken(rule, Rule(Delay(0.0), "^/pods"), Rule(Answer(409), "^/episodes")):
            statuses = [(await session.post("/pods", data="body")).status for _ in range(4)]
        assert statuses == [201, 500, 201, 500]
        assert rule.hits == 2


async def test_after_a_last_request_no_other_takes_effect(upstream: tuple[Upstream, str]):
    async with client_of(upstream[1]) as (proxy, session):
        with proxy.broken(Rule(Break.AFTER, "last$", last=True)):
            assert (await session.post("/pods", data="before")).status == 201
            for path in ("/pods?last", "/pods"):
                with pytest.raises(aiohttp.ClientConnectionError):
                    await session.post(path, data=path)
        assert (await session.post("/pods", data="after")).status == 201
    assert upstream[0].bodies == ["before", "/pods?last", "after"]


async def test_a_watch_falls_silent_and_another_breaks(upstream: tuple[Upstream, str]):
    server, url = upstream
    async with client_of(url) as (proxy, session), session.get("/pods?watch=true") as answer:
        server.news.put_nowait("one\n")
        assert await answer.content.readline() == b"one\n"
        silence = Rule(Break.SILENCE, "watch=true", "GET")
        with proxy.broken(silence):
            server.news.put_nowait("two\n")
            async with asyncio.timeout(60):
                while not silence.hits:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        server.news.put_nowait("three\n")
        assert await answer.content.readline() == b"three\n"
        assert proxy.break_watches("^/pods") == 1
        with pytest.raises(aiohttp.ClientError):
            await answer.content.readline()


async def test_answers_are_rewritten_whole_and_watches_line_by_line(upstream: tuple[Upstream, str]):
    server, url = upstream
    async with client_of(url) as (proxy, session):
        proxy.rewrite = lambda told: told.replace(b"one two", b"three")
        async with session.post("/pods", data="one two") as answer:
            assert (await answer.text()).startswith("/pods three")
        async with session.get("/pods?watch=true") as answer:
            for part in ("a one", " two b\nc", " one two\n"):
                server.news.put_nowait(part)
            assert await answer.content.readline() == b"a three b\n"
            assert await answer.content.readline() == b"c three\n"


async def test_a_server_that_is_away_looks_like_a_broken_connection():
    async with client_of("http://127.0.0.1:1") as (_, session):
        with pytest.raises(aiohttp.ClientError):
            await session.post("/pods", data="body")
