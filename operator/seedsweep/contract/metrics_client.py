"""Fetches what one trainer serves on /metrics, within a bounded time and memory, or says in plain words why not."""

import errno

import aiohttp

from seedsweep.contract.exposition import ScrapeError

MAX_BYTES = 512 << 10
"""The curves of 300 evaluations are 600 lines of at most 72 bytes: a name of 26, a label of 18, and a double of up to
25 digits, 43 KB in all. The rest is for what else a trainer publishes: the histograms of a serving engine take 200."""
CONNECT_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 90.0
_MAX_SHOWN = 80


class UnreachableError(ScrapeError):
    """Nobody answered."""

    kind = "unreachable"
    answered = False


class TooSlowError(ScrapeError):
    """There was no whole answer in time."""

    kind = "slow"
    answered = False


def metrics_session() -> aiohttp.ClientSession:
    """A session for all trainers: connections are kept, no proxy, no cookies, nothing is decompressed."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers={"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"},
    )


async def fetch(session: aiohttp.ClientSession, url: str, timeout_seconds: float) -> bytes:
    """What one trainer publishes now, unread.

    Raises:
        ScrapeError: unreachable, too slow, too large, or not a plain answer.
    """
    try:
        return await _fetch(session, url, timeout_seconds)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise _in_words(error, url, timeout_seconds) from None


async def _fetch(session: aiohttp.ClientSession, url: str, timeout_seconds: float) -> bytes:
    timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=min(CONNECT_SECONDS, timeout_seconds))
    async with session.get(url, timeout=timeout, allow_redirects=False) as response:
        if response.status != 200:
            raise ScrapeError(f"the answer has status {response.status} instead of 200")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise ScrapeError(f"the answer has Content-Encoding {encoding[:_MAX_SHOWN]!r}, which was not asked for")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ScrapeError(f"the answer is larger than {MAX_BYTES >> 10} KiB: publish fewer other metrics there")
        return bytes(body)


def _in_words(error: Exception, url: str, timeout_seconds: float) -> ScrapeError:
    """The same without the words of a library."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            seconds = min(CONNECT_SECONDS, timeout_seconds)
            return TooSlowError(f"no connection to {_port(url)} within {seconds:g} s: does a NetworkPolicy forbid it?")
        case TimeoutError():
            return TooSlowError(f"no whole answer within {timeout_seconds:g} s")
        case aiohttp.ClientConnectorError():
            return UnreachableError(_refused(error.os_error, url))
        case aiohttp.ClientPayloadError():
            return ScrapeError("the answer breaks off before its announced end")
        case aiohttp.ClientResponseError():
            return ScrapeError("the answer is not HTTP")
        case aiohttp.ServerDisconnectedError() | OSError():
            return UnreachableError("the connection was closed before there was an answer")
        case aiohttp.InvalidURL():
            return UnreachableError(f"{url[:_MAX_SHOWN]!r} is no address")
        case _:
            return ScrapeError("the answer is not HTTP")


def _refused(error: OSError, url: str) -> str:
    if error.errno == errno.ECONNREFUSED:
        return f"nothing listens on {_port(url)} (connection refused)"
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return f"there is no route to {_port(url)}"
    return f"no connection to {_port(url)} ({errno.errorcode.get(error.errno or 0, 'unknown error')})"


def _port(url: str) -> str:
    """The port, as people name it."""
    return f"port {url.rpartition(':')[2].partition('/')[0]}"
