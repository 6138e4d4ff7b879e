"""A reverse proxy in front of an API server that fails on command, before or after a request has taken effect.

Plain HTTP on loopback towards its client: what it breaks lies above TLS.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial

import aiohttp
from aiohttp import web

from host.listening import serving

_HOP_BY_HOP = frozenset({"connection", "host", "keep-alive", "transfer-encoding", "content-length", "upgrade"})
_REASONS = {
    403: "Forbidden",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """This status instead of the API server's."""

    status: int
    retry_after: int | None = None
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The request is held up for so many seconds."""

    seconds: float


class Break(Enum):
    """What else a connection may do."""

    BEFORE = auto()
    """It ends without an answer; the API server never sees the request."""
    AFTER = auto()
    """It ends without an answer; the API server has done what was asked."""
    SILENCE = auto()
    """Of a watch: it stays open and shows nothing more, as behind a load balancer that forgot it."""


Action = Answer | Delay | Break


@dataclass(slots=True)
class Rule:
    """What happens to the requests that it matches."""

    action: Action
    path: str
    """A regular expression, searched for in path and query."""
    method: str = "POST|PUT|PATCH|DELETE"
    times: int | None = None
    """On the first so many of them; None: on all."""
    every: int = 1
    """On each so many-th of them."""
    body: str = ""
    """A regular expression, searched for in what is sent."""
    last: bool = False
    """Once it has acted, everything else is broken off before it takes effect: whoever asks is as good as dead."""
    hits: int = 0
    """How often it acted."""
    _met: int = 0

    def acts_on(self, method: str, path: str, body: str = "") -> bool:
        """Whether it acts on this request; counts it."""
        if re.fullmatch(self.method, method) is None or re.search(self.path, path) is None:
            return False
        if re.search(self.body, body) is None:
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self._met += 1
        if self._met % self.every:
            return False
        self.hits += 1
        return True


@dataclass
class Proxy:
    """A running proxy; the first of its rules that acts on a request decides what happens to it."""

    upstream: str
    tls: ssl.SSLContext | None = None
    """To trust the API server; None where it speaks plain HTTP."""
    url: str = ""
    """Where it listens."""
    rules: list[Rule] = field(default_factory=list)
    rewrite: Callable[[bytes], bytes] | None = None
    """What becomes of whole answers, and of each line of a watch."""
    _watches: list[web.Request] = field(default_factory=list)
    _unheard: set[asyncio.Task[web.StreamResponse]] = field(default_factory=set)
    """Requests under way whose answers nobody gets."""

    @contextmanager
    def broken(self, *rules: Rule) -> Iterator[None]:
        """Rules for a while."""
        self.rules += rules
        yield
        for rule in rules:
            self.rules.remove(rule)

    def break_watches(self, path: str) -> int:
        """End the open watches of what matches, without a word; how many there were."""
        broken = [request for request in self._watches if re.search(path, request.path_qs)]
        for request in broken:
            _hang_up(request)
        return len(broken)

    async def handle(self, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        """Forward a request, or do to it what a rule says."""
        sent = await request.read()
        rules = [rule for rule in self.rules if rule.action is not Break.SILENCE]
        action = next(
            (rule.action for rule in rules if rule.acts_on(request.method, request.path_qs, sent.decode())), None
        )
        if isinstance(action, Answer):
            return _refusal(action)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        over = action is None and any(rule.last and rule.hits for rule in self.rules)
        if over or action is Break.BEFORE:
            return _hang_up(request)
        exchange = asyncio.create_task(self._exchange(session, request, sent))
        if action is not Break.AFTER:
            return await exchange
        self._unheard.add(exchange)
        exchange.add_done_callback(self._unheard.discard)
        # Whoever is killed meanwhile must not take back what was asked.
        await asyncio.shield(exchange)
        return _hang_up(request)

    async def settle(self) -> None:
        """Wait for what is still asked though nobody waits for the answer."""
        await asyncio.gather(*self._unheard)

    async def _exchange(self, session: aiohttp.ClientSession, request: web.Request, sent: bytes) -> web.StreamResponse:
        try:
            async with self._forward(session, request, sent) as answer:
                if "watch" in request.query:
                    return await self._stream(request, answer)
                body = await answer.read()
                if self.rewrite is not None:
                    body = self.rewrite(body)
                return web.Response(status=answer.status, body=body, headers=_end_to_end(answer.headers))
        except aiohttp.ClientError:
            # The API server is away, which looks the same from here.
            return _hang_up(request)

    def _is_silenced(self, request: web.Request) -> bool:
        silences = [rule for rule in self.rules if rule.action is Break.SILENCE]
        return any(rule.acts_on("GET", request.path_qs) for rule in silences)

    def _forward(
        self, session: aiohttp.ClientSession, request: web.Request, sent: bytes
    ) -> "aiohttp.client._RequestContextManager":
        return session.request(
            request.method,
            self.upstream + request.path_qs,
            # Nothing compressed, which could not be rewritten.
            headers=_end_to_end(request.headers) | {"Accept-Encoding": "identity"},
            data=sent or None,
            ssl=self.tls if self.tls is not None else True,
        )

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=_end_to_end(answer.headers))
        await response.prepare(request)
        self._watches.append(request)
        try:
            async for part in self._parts(answer.content):
                if not self._is_silenced(request):
                    await response.write(part)
        finally:
            self._watches.remove(request)
            # A polite end of TLS would outlive whoever waits for this proxy's.
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()
        return response

    async def _parts(self, content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
        """As they come; rewritten, line by line."""
        waiting = b""
        async for part in content.iter_any():
            if self.rewrite is None:
                yield part
                continue
            *lines, waiting = (waiting + part).split(b"\n")
            for line in lines:
                yield self.rewrite(line) + b"\n"


@asynccontextmanager
async def proxying(upstream: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """A proxy on a free port of loopback, within this context."""
    proxy = Proxy(upstream, tls)
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False, connector=connector) as session:
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", partial(proxy.handle, session))
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        try:
            async with serving(runner, "127.0.0.1") as port:
                proxy.url = f"http://127.0.0.1:{port}"
                yield proxy
        finally:
            await proxy.settle()


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _refusal(answer: Answer) -> web.Response:
    reason = _REASONS[answer.status]
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": f"{reason}, says the proxy",
        "code": answer.status,
    }
    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    return web.json_response(status, status=answer.status, headers=headers)


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
