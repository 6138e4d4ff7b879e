"""One sweep in a cluster, read again and again: the same one, with patience for an API server that is away."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from seedsweep.api.sweep import SeedSweep
from seedsweep.cluster.lookup import accepted, find_sweep, named_sweep
from seedsweep.cluster.refusal import refused
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import Api, ApiError, Object
from seedsweep.kube.sweeps.completion import is_over
from seedsweep.report.words import one_line

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
"""How long the API server may be away."""

Answer = TypeVar("Answer")


class Follower:
    """Reads one sweep by its name.

    Args:
        tell: takes what a person should know, again and again while it holds.
    """

    def __init__(self, api: Api, namespace: str, name: str, tell: Callable[[str], None]) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._tell = tell
        self._uid: str | None = None

    async def look(self) -> tuple[SeedSweep, bool]:
        """The sweep as it stands, and whether nothing of it is left to do.

        Raises:
            CommandError: there is none, or by now another of the same name, or it is not accepted.
        """
        body = await self.patiently(self._read)
        sweep = accepted(body)
        # An edit that its operator has not seen yet may give it more seeds.
        return sweep, sweep.status is not None and is_over(sweep.status, body)

    async def _read(self) -> Object:
        if self._uid is None:
            found = await named_sweep(self._api, self._namespace, self._name)
            self._uid = found["metadata"]["uid"]
            return found
        same = await find_sweep(self._api, self._namespace, self._name)
        if same is None or same["metadata"]["uid"] != self._uid:
            raise CommandError(f"{self._name} was deleted while it was watched", Exit.FAILED)
        return same

    async def patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask again while the API server is away; a refusal is final, and raises CommandError."""
        began = monotonic()
        while True:
            try:
                return await ask()
            except ApiError as error:
                if not error.passing:
                    raise refused(error) from error
                if monotonic() - began > PATIENCE_SECONDS:
                    message = f"gave up after {PATIENCE_SECONDS:.0f} s: {one_line(str(error))}; the sweep goes on"
                    raise CommandError(message, Exit.FAILED) from error
                self._tell(f"{one_line(str(error))}; trying on for {PATIENCE_SECONDS:.0f} s.")
            await asyncio.sleep(POLL_SECONDS)
