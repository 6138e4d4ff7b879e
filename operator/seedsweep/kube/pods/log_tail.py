"""The end of what a trainer printed: its pod is replaced, and its log goes with it."""

import asyncio

from seedsweep.contract.output import MAX_LINES, last_lines
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.apiserver.gates import GatedApi
from seedsweep.kube.pods.manifest import CONTAINER

WITHIN_SECONDS = 5.0
"""A busy node answers within seconds, and nobody can ask again. An end is on record soon where it does not answer."""
_MAX_BYTES = 16_384


async def read_tail(api: GatedApi, pod: str) -> str:
    """The last lines of a pod's log, by its path; empty where they cannot be had, for whatever reason."""
    path = f"{pod}/log?container={CONTAINER}&tailLines={MAX_LINES}&limitBytes={_MAX_BYTES}"
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            return last_lines((await api.read(path))[-_MAX_BYTES:].decode(errors="replace"))
    except (ApiError, TimeoutError):
        return ""
