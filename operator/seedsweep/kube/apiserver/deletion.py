"""Deletions that nobody plans again: tried until they are done, however long the API server refuses."""

import asyncio
from collections.abc import Callable, Iterator

from seedsweep.engine import backoff
from seedsweep.kube.apiserver.client import Api, ApiError

RETRY_SECONDS = 10.0
MAX_RETRY_SECONDS = 300.0


def pauses() -> Iterator[float]:
    """Seconds between one try and the next: from 10 doubling up to 300."""
    return backoff.pauses(RETRY_SECONDS, MAX_RETRY_SECONDS)


async def delete_at_last(api: Api, path: str, uid: str, tell: Callable[[str], None]) -> None:
    """Delete the object of this UID. `tell` is given why it cannot be, once for each reason that differs."""
    told = ""
    for pause in pauses():
        try:
            await api.delete(path, uid)
            return
        except ApiError as error:
            if error.reason != told:
                tell(str(error))
            told = error.reason
        await asyncio.sleep(pause)
