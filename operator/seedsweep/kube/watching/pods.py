"""The watch of pods, which come by thousands with three events each: kopf's handling of one costs more than ours."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp
from pydantic_core import from_json

from seedsweep.contract.foreign import mapping, text
from seedsweep.kube.objects import names
from seedsweep.kube.watching.watches import Backoffs, Watches

SILENT_SECONDS = 70.0
"""A watch without a line for so long is begun anew: the API server sends a bookmark every minute."""
AT_A_TIME = 50
"""Events before others get their turn: some 20 ms."""
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30.0, sock_read=SILENT_SECONDS)
_GONE = 410
_EVENTS = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")


class PodWatch:
    """Shows the pods of sweeps, in one namespace or in all, and every change of them."""

    def __init__(self, watches: Watches, namespace: str | None, saw: Callable[[Any], None]) -> None:
        """`saw` takes each event as the API server sends it."""
        place = f"/namespaces/{namespace}" if namespace is not None else ""
        self._path = f"/api/v1{place}/pods"
        self._watches = watches
        self._saw = saw
        self._version = ""
        """From where the next request goes on; empty: it begins with all pods that there are."""

    async def run(self) -> None:
        """Watch for ever. What the API server answers to each request is told by the watches."""
        waits = iter(Backoffs())
        while True:
            try:
                # Anew for each request: by then, a token may have taken another's place.
                async with self._watches.connect() as (server, session):
                    await self._follow(session, server + self._path)
                waits = iter(Backoffs())
            except (aiohttp.ClientError, TimeoutError, ValueError):
                # No answer, a refusal, or no event.
                await asyncio.sleep(next(waits))

    async def _follow(self, session: aiohttp.ClientSession, url: str) -> None:
        """One request, until its answer ends, as it does every hour or so, or breaks off."""
        asked = {"watch": "true", "allowWatchBookmarks": "true", "labelSelector": names.LABEL_SWEEP_UID}
        if self._version:
            asked["resourceVersion"] = self._version
        async with session.get(url, params=asked, timeout=_TIMEOUT) as answer:
            if answer.status == _GONE:
                self._version = ""
                return
            answer.raise_for_status()
            with suppress(aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
                await self._read(answer)

    async def _read(self, answer: aiohttp.ClientResponse) -> None:
        shown = 0
        async for line in answer.content:
            if not self._take(mapping(from_json(line))):
                return
            shown += 1
            if shown % AT_A_TIME == 0:
                await asyncio.sleep(0)

    def _take(self, event: Mapping[str, Any]) -> bool:
        """Hand on an event; false where the version is too old, and the watch begins with all pods again.

        Raises ValueError for what is no event, such as any other error that the API server tells in its place.
        """
        kind, shown = event.get("type"), mapping(event.get("object"))
        if kind == "ERROR" and shown.get("code") == _GONE:
            self._version = ""
            return False
        version = text(mapping(shown.get("metadata")).get("resourceVersion"))
        if kind not in _EVENTS or not version:
            self._version = ""
            raise ValueError("what a watch shows is no event")
        if kind != "BOOKMARK":
            self._saw(event)
        # All pods that there are come in no order of versions: only from a bookmark on is it known that they have.
        if self._version or kind == "BOOKMARK":
            self._version = version
        return True
