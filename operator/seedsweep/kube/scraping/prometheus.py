"""A Prometheus that has scraped the trainers, where the operator itself may not reach them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.metrics_client import TooSlowError, UnreachableError
from seedsweep.contract.protocol import MetricName
from seedsweep.kube.scraping.prometheus_pages import Pages, pages_of
from seedsweep.kube.scraping.target import Target

MAX_ANSWER_BYTES = 16 << 20
"""Of one query, which take six times as much memory to read, one after the other. A series takes 300 bytes of it: some
500 running episodes with 50 evaluations and as many losses."""
QUERIES_PER_INTERVAL = 2
"""Of one sweep, at most: its targets have their turns spread over the interval, and share the answers."""


@dataclass(frozen=True, slots=True)
class PrometheusServer:
    """The API of a Prometheus, or of what speaks like one, as the administrator has set it."""

    url: str
    """What comes before /api/v1/query."""
    token_file: Path | None = None
    """Holds a bearer token; read for every query, for it may be renewed."""


def parse_prometheus(text: str) -> str:
    """The URL of a Prometheus; raises ValueError, which says what is wrong with it."""
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is no URL: give one like http://prometheus-operated.monitoring:9090")
    if parts.username or parts.query or parts.fragment:
        remedy = "give the URL alone, and a token by --prometheus-token-file"
        raise ValueError(f"the URL of {parts.hostname} has a user, a query or a fragment: {remedy}")
    return text.strip().rstrip("/")


@dataclass(slots=True)
class _Query:
    asked: float
    """By the loop's clock."""
    answer: asyncio.Task[Pages | ScrapeError]


class Prometheus:
    """Implements Source: one query for all pods of a sweep, whose scrapes share the answer."""

    def __init__(self, server: PrometheusServer) -> None:
        self._server = server
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self._queries: dict[str, _Query] = {}
        """The last, by UID of a sweep."""
        self._one_at_a_time = asyncio.Lock()
        """Answers are large."""

    async def fetch(self, target: Target) -> bytes:
        """See Source."""
        # Whoever is told to wait no longer must not end what others wait for.
        pages = await asyncio.shield(self._query(target).answer)
        if isinstance(pages, ScrapeError):
            raise type(pages)(str(pages))
        page = pages.get((target.address, target.pod))
        if page is None:
            labels = f'pod="{target.pod}" and instance="{target.address}"'
            why = f"it has none with {labels}; does a PodMonitor select the pod?"
            raise UnreachableError(f"Prometheus does not have them: {why}")
        if isinstance(page, ScrapeError):
            raise type(page)(str(page))
        return page

    def forget(self, sweep: str) -> None:
        """See Source."""
        query = self._queries.pop(sweep, None)
        if query is not None:
            query.answer.cancel()

    async def close(self) -> None:
        """See Source."""
        answers = [query.answer for query in self._queries.values()]
        for sweep in list(self._queries):
            self.forget(sweep)
        await asyncio.gather(*answers, return_exceptions=True)
        await self._session.close()

    def _query(self, target: Target) -> _Query:
        loop, last = asyncio.get_running_loop(), self._queries.get(target.sweep)
        if last is not None:
            lasts_until = last.asked + target.interval / QUERIES_PER_INTERVAL
            if not last.answer.done() or loop.time() < lasts_until:
                return last
        query = self._queries[target.sweep] = _Query(loop.time(), loop.create_task(self._ask(target)))
        return query

    async def _ask(self, target: Target) -> Pages | ScrapeError:
        """Pages by address, or why there are none."""
        try:
            async with self._one_at_a_time:
                return await asyncio.to_thread(pages_of, await self._post(target))
        except ScrapeError as error:
            return error
        except TimeoutError:
            return TooSlowError(f"Prometheus gave no whole answer within {target.timeout:g} s")
        except (aiohttp.ClientError, OSError):
            return UnreachableError("Prometheus does not answer")

    async def _post(self, target: Target) -> bytes:
        timeout = aiohttp.ClientTimeout(total=target.timeout)
        headers = await asyncio.to_thread(self._headers)
        url, query = f"{self._server.url}/api/v1/query", {"query": _selector(target)}
        async with self._session.post(
            url, data=query, timeout=timeout, headers=headers, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                raise UnreachableError(f"Prometheus refuses the query with status {answer.status}")
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    size, remedy = MAX_ANSWER_BYTES >> 20, "run fewer episodes at once, or evaluate less often"
                    raise ScrapeError(f"the answer of Prometheus is larger than {size} MiB: {remedy}")
            return bytes(body)

    def _headers(self) -> dict[str, str]:
        file = self._server.token_file
        if file is None:
            return {}
        try:
            return {"Authorization": f"Bearer {file.read_text().strip()}"}
        except (OSError, UnicodeDecodeError):
            raise UnreachableError(f"the token for Prometheus cannot be read from {file}") from None


def _selector(target: Target) -> str:
    """Everything that a trainer of this sweep publishes and that is read, by the labels that a PodMonitor gives."""
    given = (target.names.score, target.names.progress)
    names = "|".join(sorted({*MetricName, *(name for name in given if name is not None)}))
    return f'{{__name__=~"{names}",namespace="{target.home.namespace}",sweep="{target.home.name}"}}'
