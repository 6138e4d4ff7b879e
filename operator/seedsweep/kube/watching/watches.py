"""The watches' way to the API server: how kopf logs in, and how its watch and that of pods fare.

kopf tries again by itself and tells of every try. We see the answers to its requests instead, and tell of changes.
"""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Any, cast

import aiohttp
import kopf
from yarl import URL

from seedsweep.kube.apiserver.deletion import pauses
from seedsweep.kube.process.log import Changes
from seedsweep.kube.process.metrics import API_REFUSALS

LINE_BYTES = 1 << 21
"""Half of the longest event that can be read; an object has 1.5 MB at most."""
MIN_GAP_SECONDS = 0.5
"""Between two requests for one watch: what ends at once is not asked for again at once."""
_WATCHED = re.compile(r"/(?:api|apis/[^/]+)/[^/]+(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>seedsweeps|pods)")
_REASONS = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 429: "TooManyRequests"}

_log = logging.getLogger(__name__)


class Backoffs:
    """Seconds between kopf's tries of one request, without an end: one that gives up would end the operator."""

    def __iter__(self) -> Iterator[float]:
        yield from (1.0, 2.0, 4.0, 8.0, 16.0)
        while True:
            yield 30.0


class _Session:
    """kopf's session, which stays open while kopf ends, and begins a list anew that took too long.

    Where one watch fails, kopf closes its session under the others, and these wait for new credentials, for ever. And
    a list whose next page the API server does not know any more is to kopf an error for good, which ends the operator;
    thousands of pods take a busy one longer than the five minutes for which it knows them. What is told here instead,
    kopf takes for a connection that broke off.
    """

    def __init__(self, session: aiohttp.ClientSession, watches: "Watches") -> None:
        self._session = session
        self._watches = watches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def request(self, **asked: Any) -> aiohttp.ClientResponse:
        answer = await self._session.request(**asked)
        if answer.status == 410 and "continue" in answer.url.query:
            answer.close()
            raise aiohttp.ClientPayloadError("a list took so long that its next page is gone")
        return answer

    async def close(self) -> None:
        if not self._watches.ending:
            await self._session.close()


class Watches:
    """What became of the last request for each kind that is watched."""

    def __init__(self, news: Callable[[], None] = lambda: None) -> None:
        """`news` is called when a watch fails, and when it works again."""
        self._news = news
        self._troubles: dict[str, str] = {}
        """By what is watched."""
        self._changes = Changes()
        self._begun: dict[str, float] = {}
        """When a watch was last asked for."""
        self.ending = False
        """What breaks from now on is broken off by us."""
        self._session: aiohttp.ClientSession | None = None
        self._login: kopf.ConnectionInfo | None = None
        self._pauses = pauses()

    @property
    def troubles(self) -> list[str]:
        """What is not watched at the moment, and why."""
        return [f"{what} cannot be watched: {why}" for what, why in list(self._troubles.items())]

    def trouble_with_pods(self, namespace: str) -> str:
        """Why a namespace's pods are not watched at the moment; empty where they are."""
        places = (_pods_in(namespace), _pods_in(None))
        return next(
            (f"{what} cannot be watched: {self._troubles[what]}" for what in places if what in self._troubles), ""
        )

    async def close(self) -> None:
        """Once kopf has ended."""
        if self._session is not None:
            await self._session.close()

    async def log_in(self, **context: Any) -> kopf.AiohttpSession:
        """A session for kopf, whose answers are seen here.

        Raises:
            kopf.TemporaryError: the credentials cannot be read.
        """
        try:
            found = _find_credentials(**context)
        except ValueError as error:
            raise kopf.TemporaryError(str(error), delay=10) from error
        if found == self._login:
            # The API server has just refused these.
            await asyncio.sleep(next(self._pauses))
        self._login = found
        self._session = self._connect(found)
        session = cast("aiohttp.ClientSession", _Session(self._session, self))
        return kopf.AiohttpSession(
            server=found.server, default_namespace=found.default_namespace, aiohttp_session=session
        )

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
        """The API server's URL and a session of one's own by the credentials of now, whose answers are seen here.

        Raises:
            ValueError: the credentials cannot be read.
        """
        found = _find_credentials(settings=kopf.OperatorSettings())
        async with self._connect(found) as session:
            yield found.server.rstrip("/"), session

    def _connect(self, found: kopf.ConnectionInfo) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(self._before)
        trace.on_request_end.append(self._answered)
        trace.on_request_exception.append(self._failed)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
            headers=found.as_http_headers(),
            proxy=found.proxy_url,
            trust_env=found.trust_env,
            trace_configs=[trace],
            read_bufsize=LINE_BYTES,
        )

    async def _before(self, _: aiohttp.ClientSession, __: object, asked: aiohttp.TraceRequestStartParams) -> None:
        if "watch" not in asked.url.query:
            return
        what = _what(asked.url)
        wait = self._begun.get(what, 0.0) + MIN_GAP_SECONDS - monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._begun[what] = monotonic()

    async def _answered(self, _: aiohttp.ClientSession, __: object, asked: aiohttp.TraceRequestEndParams) -> None:
        status = asked.response.status
        if status < 400:
            self._take_success(_what(asked.url))
        elif not _is_normal(status, asked.url):
            verb, resource = _labels(asked.url)
            API_REFUSALS.labels(verb, resource, _REASONS.get(status, str(status))).inc()
            self._take_trouble(_what(asked.url), _told(status, verb, resource))

    async def _failed(self, _: aiohttp.ClientSession, __: object, asked: aiohttp.TraceRequestExceptionParams) -> None:
        if not self.ending and not isinstance(asked.exception, asyncio.CancelledError):
            self._take_trouble(_what(asked.url), "the API server cannot be reached")

    def _take_success(self, what: str) -> None:
        self._pauses = pauses()
        self._troubles.pop(what, None)
        if self._changes.is_over(what):
            _log.info("%s are watched again", what)
            self._news()

    def _take_trouble(self, what: str, why: str) -> None:
        self._troubles[what] = why
        if self._changes.is_new(what, why):
            _log.warning("%s cannot be watched, and this is tried again: %s", what, why)
            self._news()


def find_api_server(**context: Any) -> kopf.ConnectionInfo | None:
    """As `client.connect` finds the API server; kopf's own default would import the client's every model.

    In a pod by its address: kopf takes the name, which asks for DNS, and for a network policy that lets DNS pass.
    """
    found = kopf.login_with_service_account(**context)
    if found is None:
        return kopf.login_with_kubeconfig(**context)
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return replace(found, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


def _find_credentials(**context: Any) -> kopf.ConnectionInfo:
    """Those of now. Raises ValueError, in words for people, if there are none that can be read."""
    try:
        found = find_api_server(**context)
    except Exception as error:
        raise ValueError("the credentials of the operator cannot be read") from error
    if found is None:
        raise ValueError("the credentials of the operator are gone")
    return found


def _is_normal(status: int, url: URL) -> bool:
    """The watch begins anew with a list, or a group has gone that kopf looked for."""
    # Of 410, kopf restarts a watch that gets it as an event, which is how API servers send it. As the status of the
    # request it is to kopf an error for good, as any 4xx but 403 and 429, and ends the operator. That is left so: the
    # next one begins with lists and misses nothing, and only a forged answer could keep kopf from it.
    return status == 410 or (status == 404 and _WATCHED.search(url.path) is None)


def _what(url: URL) -> str:
    """What is watched, in words."""
    found = _WATCHED.search(url.path)
    if found is None:
        return f"the kinds at {url.path}"
    if found["plural"] == "pods":
        return _pods_in(found["namespace"])
    return f"SeedSweeps in {_place(found['namespace'])}"


def _pods_in(namespace: str | None) -> str:
    return f"pods in {_place(namespace)}"


def _place(namespace: str | None) -> str:
    return f"namespace {namespace}" if namespace else "all namespaces"


def _labels(url: URL) -> tuple[str, str]:
    """Verb and resource."""
    found = _WATCHED.search(url.path)
    if found is None:
        return "get", "apis"
    return "watch" if "watch" in url.query else "list", found["plural"]


def _told(status: int, verb: str, resource: str) -> str:
    if status == 401:
        return "the API server does not accept the operator's credentials (401)"
    if status == 403:
        return f"the operator needs the right to {verb} {resource} (403)"
    if status == 404:
        return "this cluster does not know them, or no more (404)"
    return f"the API server answers {status}"
