"""Serves the live page, on a thread of its own, to whoever on this machine has its address.

The address holds a random word, for other users of the machine reach its loopback too. What other sites have a browser
ask for is refused: by the name that it asked (a name of theirs may lead here), and by where the browser says it comes
from.
"""

import asyncio
import hmac
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from aiohttp import web

from seedsweep.web.data import News, changes

LOOPBACK = "127.0.0.1"
BEAT_SECONDS = 5.0
"""How often a page hears that nothing is new. One that hears nothing for longer says that it is out of date."""
CLOSE_SECONDS = 2.0
"""How long pages have to take the last news."""
_NAMES = frozenset({LOOPBACK, "localhost", "::1"})
_OURS = Path(__file__).parent
_UPLOT = _OURS / "static" / "uplot-1.6.32"
_FILES = {
    "": (_OURS / "static" / "page.html", "text/html"),
    "page.css": (_OURS / "static" / "page.css", "text/css"),
    **{name: (_OURS / "static" / name, "text/javascript") for name in ("chart.js", "page.js", "table.js")},
    "report.css": (_OURS.parent / "report" / "templates" / "report.css", "text/css"),
    "uPlot.css": (_UPLOT / "uPlot.min.css", "text/css"),
    "uPlot.js": (_UPLOT / "uPlot.iife.min.js", "text/javascript"),
}
"""By what follows the word in the address."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a request is made by another site's page, or under another name than this machine's."""
    host = headers.get("Host", "")
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return True
    # An address that somebody follows is looked at by that person, and can be framed by nobody.
    followed = headers.get("Sec-Fetch-Mode") == "navigate"
    site = headers.get("Sec-Fetch-Site", "none")
    return (
        # Of any port: `ssh -L` may lead here from another.
        name not in _NAMES
        or headers.get("Origin", f"http://{host}") != f"http://{host}"
        or (site not in ("none", "same-origin") and not followed)
    )


class Server:
    """One sweep's page."""

    def __init__(self, listening: socket.socket) -> None:
        """`listening`: becomes the server's own once it starts."""
        self._listening = listening
        self._word = secrets.token_urlsafe(24)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="live page", daemon=True)
        self._news: News | None = None
        self._fresh = asyncio.Event()
        self._closing = False
        self._streams: set[asyncio.Task[object]] = set()

    @property
    def address(self) -> str:
        """To be opened by whoever may see the sweep."""
        return f"http://{LOOPBACK}:{self._listening.getsockname()[1]}/{self._word}/"

    def start(self) -> None:
        """Serve. Who has the address is answered from now on."""
        self._thread.start()

    def tell(self, news: News) -> None:
        """Show it on every page; from any thread."""
        self._loop.call_soon_threadsafe(self._take, news)

    def close(self) -> None:
        """Serve no more; open pages have the last news by then, unless they do not take it."""
        self._loop.call_soon_threadsafe(self._close)
        self._thread.join()

    def _take(self, news: News) -> None:
        self._news = news
        self._wake()

    def _close(self) -> None:
        self._closing = True
        self._wake()

    def _wake(self) -> None:
        self._fresh.set()
        self._fresh = asyncio.Event()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application()
        app.add_routes([web.get("/{word}/news", self._stream), web.get("/{word}/{file:.*}", self._file)])
        app.on_response_prepare.append(_add_headers)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.SockSite(runner, self._listening).start()
            while not self._closing:
                await self._fresh.wait()
            if self._streams:
                await asyncio.wait(self._streams, timeout=CLOSE_SECONDS)
        finally:
            await runner.cleanup()

    def _check(self, request: web.Request) -> None:
        """Raises what the request is answered with where it is not one of the page's own."""
        if is_foreign(request.headers):
            raise web.HTTPForbidden(text="Only the page itself may ask, by the address that was printed.\n")
        given = request.match_info["word"].encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._word.encode()):
            raise web.HTTPNotFound(text="There is no such page: open the address that was printed, all of it.\n")

    async def _file(self, request: web.Request) -> web.Response:
        self._check(request)
        found = _FILES.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        path, kind = found
        return web.Response(body=path.read_bytes(), content_type=kind, charset="utf-8")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """What is new, as it comes (server-sent events), for as long as the page is open."""
        self._check(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            # The page is gone when it cannot be written to.
            with suppress(ConnectionError):
                await self._tell_all(response)
        finally:
            self._streams.discard(task)
        return response

    async def _tell_all(self, response: web.StreamResponse) -> None:
        told: News | None = None
        while True:
            news, fresh, closing = self._news, self._fresh, self._closing
            # Also where nothing is new, so that it is heard that somebody is there; but not once more at the end.
            if news is not None and not (closing and news is told):
                await response.write(b"data: " + changes(told, news) + b"\n\n")
                told = news
            if closing:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(fresh.wait(), BEAT_SECONDS)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
