"""`seedsweep watch`: the live view of a sweep in a cluster. It only reads, and only through the API server.

So RBAC says who may look. The sweep's own status tells whether it is over; what runs is seen through `Eyes`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from seedsweep.api.sweep import SeedSweep
from seedsweep.cluster.lookup import accepted, find_sweep, named_sweep
from seedsweep.cluster.next_steps import next_steps
from seedsweep.cluster.observer import POLL_SECONDS, RECORD_SECONDS, Eyes, Service
from seedsweep.codes import CommandError, Exit, exit_of
from seedsweep.engine.decisions import Plan
from seedsweep.engine.layout import Layout
from seedsweep.kube.apiserver.client import ONCE, Api, ApiError
from seedsweep.kube.apiserver.kubeconfig import namespace_or_default, open_api
from seedsweep.kube.home import Home
from seedsweep.kube.ledger.stored import list_cuts, list_episodes
from seedsweep.report.words import one_line
from seedsweep.terminal import LiveView, last_screen

PATIENCE_SECONDS = 60.0
"""How long the API server may be away."""
_PASSING = frozenset({None, 429, 500, 502, 503, 504})

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed."""

    name: str
    namespace: str | None
    """Absent: that of the kubeconfig's context."""
    operator: Service


def watch_sweep(request: Request, console: Console) -> Exit:
    """Show a sweep until it is over; its end makes the exit code.

    Raises:
        CommandError: no such sweep, no right to see it, no API server, or a spec that nobody can carry out.
    """
    try:
        return asyncio.run(_watch(request, console))
    except KeyboardInterrupt:
        console.print(f"{request.name} goes on in the cluster: the same command shows it again.", soft_wrap=True)
        return Exit.INTERRUPTED


async def _watch(request: Request, console: Console) -> Exit:
    namespace = namespace_or_default(request.namespace)
    async with AsyncExitStack() as stack:
        api = await open_api(stack, ONCE)
        return await Watcher(api, namespace, request, console).run()


class Watcher:
    """One sweep being watched."""

    def __init__(self, api: Api, namespace: str, request: Request, console: Console) -> None:
        self._api = api
        self._namespace = namespace
        self._request = request
        self._console = console
        self._uid: str | None = None
        self._told = ""

    async def run(self) -> Exit:
        """Until it is over; raises CommandError."""
        sweep = await self._patiently(self._read)
        home = Home(self._namespace, self._request.name, sweep.metadata.uid or "")
        layout = Layout.of(sweep)
        eyes = Eyes(self._api, home, self._request.operator)
        with LiveView(layout, self._console) as view:
            while sweep.status is None or not sweep.status.over:
                seen, at = await self._patiently(partial(eyes.look, sweep))
                self._tell(_excuse(eyes.trouble))
                view.update(seen, Plan((), (), seen.status), at)
                await asyncio.sleep(RECORD_SECONDS if eyes.trouble else POLL_SECONDS)
                sweep = await self._patiently(self._read)
        await self._patiently(partial(self._show_end, home, sweep))
        return exit_of(sweep.status)

    async def _read(self) -> SeedSweep:
        """The sweep as it stands, and no other of the same name."""
        if self._uid is not None:
            found = await find_sweep(self._api, self._namespace, self._request.name)
        else:
            found = await named_sweep(self._api, self._namespace, self._request.name)
        if found is None or self._uid not in (None, found["metadata"]["uid"]):
            raise self._deleted()
        self._uid = found["metadata"]["uid"]
        return accepted(found)

    def _deleted(self) -> CommandError:
        return CommandError(f"{self._request.name} was deleted while it was watched", Exit.FAILED)

    async def _show_end(self, home: Home, sweep: SeedSweep) -> None:
        episodes = [episode async for episode, _ in list_episodes(self._api, home)]
        cuts = [cut async for cut in list_cuts(self._api, home)]
        episodes.sort(key=lambda episode: episode.spec.index)
        cuts.sort(key=lambda cut: (cut.data.bracket, cut.data.rung))
        self._console.print(last_screen(sweep, episodes, cuts, list(next_steps(sweep, episodes))), crop=False)

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask again while the API server is away; a refusal is final."""
        began = monotonic()
        while True:
            try:
                return await ask()
            except ApiError as error:
                if error.status not in _PASSING:
                    raise CommandError(one_line(str(error)), Exit.BAD_INPUT) from error
                if monotonic() - began > PATIENCE_SECONDS:
                    message = f"gave up after {PATIENCE_SECONDS:.0f} s: {one_line(str(error))}; the sweep goes on"
                    raise CommandError(message, Exit.FAILED) from error
                self._tell(f"{one_line(str(error))}; trying on for {PATIENCE_SECONDS:.0f} s.")
            await asyncio.sleep(POLL_SECONDS)

    def _tell(self, text: str) -> None:
        """Once, until something else is to be told."""
        if text and text != self._told:
            self._console.print(Text(text, style="dim"), soft_wrap=True)
        self._told = text


def _excuse(trouble: str) -> str:
    if not trouble:
        return ""
    return f"No live view by the operator ({one_line(trouble)}): what is on record, every {RECORD_SECONDS:.0f} s."
