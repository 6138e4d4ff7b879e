"""Where the page of a pod's metrics is had from, and the pod itself as such a place."""

from typing import Protocol

from seedsweep.contract.metrics_client import fetch, metrics_session
from seedsweep.kube.scraping.target import Target


class Source(Protocol):
    """Gets pages in the Prometheus text format."""

    async def fetch(self, target: Target) -> bytes:
        """What a target publishes, unread; raises ScrapeError."""
        ...

    def forget(self, sweep: str) -> None:
        """No target of this sweep, by its UID, is read any more."""
        ...

    async def close(self) -> None:
        """Let go of its connections."""
        ...


class Pods:
    """Each pod is asked itself."""

    def __init__(self) -> None:
        self._session = metrics_session()

    async def fetch(self, target: Target) -> bytes:
        """See Source."""
        return await fetch(self._session, target.url, target.timeout)

    def forget(self, sweep: str) -> None:
        """See Source. Nothing is kept."""

    async def close(self) -> None:
        """See Source."""
        await self._session.close()
