"""`seedsweep watch`: the live view of a sweep in a cluster. It only reads, and only through the API server.

So RBAC says who may look. The sweep's own status tells whether it is over; what runs is seen through `Eyes`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar

from kubernetes.aio.config import ConfigException
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from seedsweep.api.parse import InvalidSweepError, problems_of
from seedsweep.api.sweep import API_VERSION, SeedSweep
from seedsweep.codes import Exit, exit_of
from seedsweep.engine.decisions import Plan
from seedsweep.engine.layout import Layout
from seedsweep.kube.client import ONCE, Api, ApiError, Object, connect, default_namespace
from seedsweep.kube.eyes import POLL_SECONDS, RECORD_SECONDS, Eyes, Service
from seedsweep.kube.nextsteps import next_steps
from seedsweep.kube.records import Home, list_cuts, list_episodes
from seedsweep.report.words import one_line
from seedsweep.terminal import LiveView, last_screen

PATIENCE_SECONDS = 60.0
"""How long the API server may be away."""
_PASSING = frozenset({None, 429, 500, 502, 503, 504})
_NAMED_SWEEPS = 10

Answer = TypeVar("Answer")


class WatchError(Exception):
    """There is nothing to watch, or no way to; the message says why and what to do."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


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
        WatchError: no such sweep, no right to see it, no API server, or a spec that nobody can carry out.
    """
    try:
        return asyncio.run(_watch(request, console))
    except KeyboardInterrupt:
        console.print(f"{request.name} goes on in the cluster: the same command shows it again.", soft_wrap=True)
        return Exit.INTERRUPTED


async def _watch(request: Request, console: Console) -> Exit:
    try:
        namespace = request.namespace or default_namespace()
        async with connect(ONCE) as api:
            return await Watcher(api, namespace, request, console).run()
    except ConfigException as error:
        remedy = "set KUBECONFIG to the file of a cluster, as for kubectl"
        raise WatchError(f"no cluster to look at: {error}; {remedy}", Exit.BAD_INPUT) from error


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
        """Until it is over; raises WatchError."""
        sweep = await self._patiently(self._read)
        home = Home(self._namespace, self._request.name, sweep.metadata.uid or "")
        layout = Layout.of(sweep)
        eyes = Eyes(self._api, home, self._request.operator)
        with LiveView(layout, self._console) as view:
            while sweep.status is None or sweep.status.completion_time is None:
                seen, at = await self._patiently(partial(eyes.look, sweep))
                self._tell(_excuse(eyes.trouble))
                view.update(seen, Plan((), (), seen.status), at)
                await asyncio.sleep(RECORD_SECONDS if eyes.trouble else POLL_SECONDS)
                sweep = await self._patiently(self._read)
        await self._patiently(partial(self._show_end, home, sweep))
        return exit_of(sweep.status)

    async def _read(self) -> SeedSweep:
        """The sweep as it stands, and no other of the same name."""
        try:
            found = await self._api.get(f"{self._sweeps}/{self._request.name}")
        except ApiError as error:
            if error.status != 404:
                raise
            raise (await self._missing()) from error
        uid = found["metadata"]["uid"]
        if self._uid not in (None, uid):
            raise self._deleted()
        self._uid = uid
        return accepted(found)

    async def _missing(self) -> WatchError:
        if self._uid is not None:
            return self._deleted()
        name = self._request.name
        try:
            names = [item["metadata"]["name"] async for item in self._api.list(self._sweeps)]
        except ApiError as error:
            if error.status != 404:
                raise
            remedy = "install the chart, or give another cluster with KUBECONFIG"
            return WatchError(f"this cluster knows no SeedSweeps: {remedy}", Exit.BAD_INPUT)
        more = ", ..." if len(names) > _NAMED_SWEEPS else ""
        known = f"there are {', '.join(names[:_NAMED_SWEEPS])}{more}" if names else "there is none"
        message = f"no SeedSweep {name} in namespace {self._namespace}: {known}; -n names another namespace"
        return WatchError(message, Exit.BAD_INPUT)

    def _deleted(self) -> WatchError:
        return WatchError(f"{self._request.name} was deleted while it was watched", Exit.FAILED)

    @property
    def _sweeps(self) -> str:
        return f"/apis/{API_VERSION}/namespaces/{self._namespace}/seedsweeps"

    async def _show_end(self, home: Home, sweep: SeedSweep) -> None:
        episodes = [episode async for episode, _ in list_episodes(self._api, home)]
        cuts = [cut async for cut in list_cuts(self._api, home)]
        episodes.sort(key=lambda episode: episode.spec.index)
        cuts.sort(key=lambda cut: (cut.spec.bracket, cut.spec.rung))
        self._console.print(last_screen(sweep, episodes, cuts, list(next_steps(sweep, episodes))), crop=False)

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask again while the API server is away; a refusal is final."""
        began = monotonic()
        while True:
            try:
                return await ask()
            except ApiError as error:
                if error.status not in _PASSING:
                    raise WatchError(one_line(str(error)), Exit.BAD_INPUT) from error
                if monotonic() - began > PATIENCE_SECONDS:
                    message = f"gave up after {PATIENCE_SECONDS:.0f} s: {one_line(str(error))}; the sweep goes on"
                    raise WatchError(message, Exit.FAILED) from error
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


def accepted(body: Object) -> SeedSweep:
    """A sweep from its object; raises WatchError where the operator has refused it, or would."""
    metadata = body["metadata"]
    refused = {"type": "Accepted", "status": "False", "observedGeneration": metadata.get("generation")}
    for condition in body.get("status", {}).get("conditions", ()):
        if refused.items() <= condition.items():
            message = f"{metadata['name']} is not accepted: {one_line(condition['message'])}"
            raise WatchError(message, Exit.FAILED)
    try:
        return SeedSweep.model_validate_json(json.dumps(body))
    except ValidationError as error:
        problems = InvalidSweepError(metadata["name"], problems_of(error, body))
        raise WatchError(str(problems), Exit.FAILED) from error
