"""The live page's server: whom it answers, what it says while a sweep goes on, and how it ends."""

import io
import json
import re
import socket
import webbrowser
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import aiohttp
import pytest
from rich.console import Console

from inputs import live_pages, moments
from seedsweep.codes import CommandError, Exit
from seedsweep.terminal import NextStep
from seedsweep.web import server
from seedsweep.web.page import LivePage, live_page

STATIC = Path(server.__file__).parent / "static"
Object = dict[str, Any]


@dataclass
class Shown:
    """A page with what was printed about it."""

    page: LivePage
    out: io.StringIO


@pytest.fixture(autouse=True)
def no_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page is told next is what is new, however late it is asked for."""
    monkeypatch.setattr(server, "BEAT_SECONDS", 3600)


@pytest.fixture
def shown() -> Iterator[Shown]:
    out = io.StringIO()
    with LivePage(None, Console(file=out)) as page:
        page.show(live_pages.moment_of(moments.before_the_cut()))
        yield Shown(page, out)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def next_news(answer: aiohttp.ClientResponse) -> Object:
    """What the page is told next."""
    line = (await answer.content.readuntil(b"\n\n")).removeprefix(b"data: ")
    told: Object = json.loads(line)
    return told


async def test_the_page_and_all_that_it_names_are_there(shown: Shown, client: aiohttp.ClientSession) -> None:
    async with client.get(shown.page.address) as answer:
        html = await answer.text()
    named = re.findall(r'(?:href|src)="([^"]+)"', html)
    assert {"page.js", "report.css"} <= set(named)
    scripts = "".join((STATIC / name).read_text() for name in named if (STATIC / name).exists())
    for file in [*named, *re.findall(r'from "\./([^"]+)"', scripts)]:
        async with client.get(shown.page.address + file) as answer:
            assert (file, answer.status) == (file, 200)


async def test_nothing_is_kept_framed_or_fetched_from_elsewhere(shown: Shown, client: aiohttp.ClientSession) -> None:
    for file in ("", "page.js", "news", "nothing"):
        async with client.get(shown.page.address + file) as answer:
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self';")
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_who_does_not_have_the_word_gets_nothing(shown: Shown, client: aiohttp.ClientSession) -> None:
    root, word = shown.page.address.rstrip("/").rsplit("/", 1)
    assert len(word) >= 32
    for path in ("/", "/news", f"/{word[:-1]}/", f"/{word[:-1]}/news", "/%ff/page.js", f"/{word}x/news"):
        async with client.get(root + path) as answer:
            assert (path, answer.status) == (path, 404)
            assert "rte" not in await answer.text()


async def test_every_page_has_a_word_of_its_own() -> None:
    words = set()
    for _ in range(2):
        with LivePage(None, Console(quiet=True)) as page:
            page.show(live_pages.moment_of(moments.before_the_cut()))
            words.add(page.address.split("/")[3])
    assert len(words) == 2


FOREIGN: list[dict[str, str]] = [
    {"Host": "evil.example"},
    {"Host": "evil.example:80"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": ""},
    {"Host": "[::1"},
    {"Host": "127.0.0.1:1234", "Origin": "http://evil.example"},
    {"Host": "127.0.0.1:1234", "Origin": "http://127.0.0.1:4321"},
    {"Host": "127.0.0.1:1234", "Origin": "null"},
    {"Host": "127.0.0.1:1234", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    {"Host": "127.0.0.1:1234", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
]
OWN: list[dict[str, str]] = [
    {"Host": "127.0.0.1:1234"},
    {"Host": "localhost:9000", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
    {"Host": "[::1]:9000", "Origin": "http://[::1]:9000"},
    {"Host": "127.0.0.1:1234", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
]


@pytest.mark.parametrize("file", ["", "news", "page.js"])
@pytest.mark.parametrize("headers", FOREIGN)
async def test_other_sites_and_other_names_are_refused_though_they_had_the_word(
    shown: Shown, client: aiohttp.ClientSession, headers: dict[str, str], file: str
) -> None:
    async with client.get(shown.page.address + file, headers=headers) as answer:
        assert answer.status in (400, 403)
        assert "rte" not in await answer.text()


@pytest.mark.parametrize("headers", OWN)
async def test_the_page_is_answered_also_through_a_tunnel_from_another_port(
    shown: Shown, client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with client.get(shown.page.address, headers=headers) as answer:
        assert answer.status == 200


async def test_nothing_but_reading_is_understood(shown: Shown, client: aiohttp.ClientSession) -> None:
    for ask in (client.post, client.put, client.delete, client.options):
        async with ask(shown.page.address) as answer:
            assert answer.status == 405


async def test_only_this_machine_can_ask(shown: Shown) -> None:
    assert shown.page._listening.getsockname()[0] == "127.0.0.1"


async def test_what_is_new_is_told_as_it_comes(shown: Shown, client: aiohttp.ClientSession) -> None:
    async with client.get(shown.page.address + "news") as answer:
        first = await next_news(answer)
        assert first["anew"] is True
        assert len(first["rows"]) == 8
        shown.page.show(live_pages.moment_of(moments.after_the_cut()))
        second = await next_news(answer)
    assert "anew" not in second
    assert second["head"]["message"] == moments.after_the_cut().plan.status.message


async def test_what_whoever_watches_says_is_told_until_something_else_is(
    shown: Shown, client: aiohttp.ClientSession
) -> None:
    async with client.get(shown.page.address + "news") as answer:
        await next_news(answer)
        for notice in ("the API server is away", ""):
            shown.page.say(notice)
            assert (await next_news(answer))["notice"] == notice


async def test_a_page_hears_from_its_server_though_nothing_is_new(
    shown: Shown, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BEAT_SECONDS", 0.01)
    async with client.get(shown.page.address + "news") as answer:
        await next_news(answer)
        assert set(await next_news(answer)) == {"at", "notice"}


async def test_the_end_is_the_last_that_pages_are_told(client: aiohttp.ClientSession) -> None:
    with LivePage(None, Console(quiet=True)) as page:
        page.show(live_pages.moment_of(moments.before_the_cut()))
        answer = await client.get(page.address + "news")
        await next_news(answer)
        last = live_pages.moment_of(moments.after_the_cut())
        page.end("rte is complete", [NextStep("See", ["less it"])], last)
    news = await next_news(answer)
    assert news["ending"] == {"words": "rte is complete", "steps": [{"what": "See", "commands": ["less it"]}]}
    assert news["head"]["message"] == last.status.message
    assert await answer.content.read() == b""


def test_who_does_not_read_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CLOSE_SECONDS", 0.05)
    with socket.socket() as deaf, LivePage(None, Console(quiet=True)) as page:
        page.show(live_pages.large(30))
        host, port, word = re.findall(r"http://(.*):(\d+)/(.*)/", page.address)[0]
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, int(port)))
        deaf.sendall(f"GET /{word}/news HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert deaf.recv(12) == b"HTTP/1.1 200"


def test_a_port_that_is_taken_is_said_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(CommandError, match=f"--web-port: {port} of 127.0.0.1 cannot be listened on") as refused,
            LivePage(port, Console(quiet=True)),
        ):
            pass
    assert refused.value.code == Exit.BAD_INPUT


def test_the_address_is_printed_once_and_no_browser_opened_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, shown: Shown
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    shown.page.show(live_pages.moment_of(moments.after_the_cut()))
    assert shown.out.getvalue() == f"Live page: {shown.page.address}\n"
    assert opened == []


@pytest.mark.parametrize(("display", "times"), [(":0", 1), ("", 0)])
def test_a_browser_is_opened_in_a_terminal_that_has_windows_beside_it(
    monkeypatch: pytest.MonkeyPatch, display: str, times: int
) -> None:
    opened: SimpleQueue[str] = SimpleQueue()
    monkeypatch.setattr(webbrowser, "open", opened.put)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with LivePage(None, Console(file=io.StringIO(), force_terminal=True)) as page:
        page.show(live_pages.moment_of(moments.before_the_cut()))
        assert [opened.get(timeout=60) for _ in range(times)] == [page.address] * times
    assert opened.empty()


def test_a_sweep_that_was_over_before_it_was_shown_has_no_page() -> None:
    out = io.StringIO()
    with LivePage(None, Console(file=out)) as page:
        page.say("the API server is away")
        page.end("rte is complete")
    assert out.getvalue() == ""


def test_no_page_is_made_where_none_is_asked_for() -> None:
    with live_page(False, None, Console(quiet=True)) as page:
        assert page is None


def test_uplot_is_the_version_that_its_folder_names_with_its_licence() -> None:
    (folder,) = STATIC.glob("uplot-*")
    version = folder.name.removeprefix("uplot-")
    assert f"(v{version})" in (folder / "uPlot.iife.min.js").read_text()
    assert f"uPlot {version} (MIT)" in (STATIC / "page.html").read_text()
    assert "MIT License" in (folder / "LICENSE").read_text()
