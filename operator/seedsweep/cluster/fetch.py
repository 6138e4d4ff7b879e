"""`seedsweep fetch`: the winner and the record of a sweep in a cluster, as the folder that `seedsweep run` leaves.

The record comes through the API server, the weights from where the operator says they are. The folder is there whole
or not at all; what an interrupted fetch has brought lies beside it, and the next one goes on from there.
"""

import asyncio
import secrets
import shlex
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep, SweepMeta
from seedsweep.cluster.download import Told, download
from seedsweep.cluster.fetch_pod import fetch_manifest, serving
from seedsweep.cluster.lookup import accepted, named_sweep
from seedsweep.cluster.next_steps import where_weights_are
from seedsweep.cluster.remote import UriSource
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.apiserver.kubeconfig import namespace_or_default, open_api
from seedsweep.kube.home import Home
from seedsweep.kube.ledger.stored import list_cuts, list_episodes
from seedsweep.kube.weights import ClaimFolder, Place, Uri, parse_place
from seedsweep.report.record import Record, write_record
from seedsweep.report.words import one_line
from seedsweep.terminal import last_screen
from seedsweep.terminal.folder import load_winner, read_card, see_report


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed."""

    name: str
    namespace: str | None
    """Absent: that of the kubeconfig's context."""
    to: Path


def fetch_sweep(request: Request, console: Console) -> Exit:
    """Bring a sweep's winner and record to a folder that is not there yet, or empty.

    Raises:
        CommandError: nothing to bring, no right to, or nowhere to put it; nothing of it is in the folder.
    """
    try:
        return asyncio.run(_fetch(request, console))
    except KeyboardInterrupt:
        console.print("Interrupted: the same command goes on from there.")
        return Exit.INTERRUPTED


async def _fetch(request: Request, console: Console) -> Exit:
    target = request.to.absolute()
    _check_target(target)
    namespace = namespace_or_default(request.namespace)
    try:
        async with AsyncExitStack() as stack:
            api = await open_api(stack)
            await Fetcher(api, namespace, request.name, target, console).run()
    except ApiError as error:
        raise CommandError(one_line(str(error)), Exit.BAD_INPUT if error.status is not None else Exit.FAILED) from error
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error}", Exit.FAILED) from error
    return Exit.COMPLETE


class Fetcher:
    """One sweep being fetched."""

    def __init__(self, api: Api, namespace: str, name: str, target: Path, console: Console) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._target = target
        self._partial = target.with_name(f".{target.name}.fetching")
        self._console = console

    async def run(self) -> None:
        """Until the folder is there; raises CommandError, ApiError and OSError."""
        sweep = accepted(await named_sweep(self._api, self._namespace, self._name))
        place = place_of_winner(sweep)
        record = await self._read_record(sweep)
        self._partial.mkdir(parents=True, exist_ok=True)
        write_record(self._partial, record)
        with self._progress() as told:
            await self._bring(sweep, place, told)
        reported = _write_report(self._partial)
        self._partial.replace(self._target)
        steps = [load_winner(self._target), *([see_report(self._target)] if reported else [])]
        if (self._target / "best" / "README.md").exists():
            steps.append(read_card(self._target))
        self._console.print(last_screen(sweep, record.episodes, record.cuts, steps), crop=False)

    async def _read_record(self, sweep: SeedSweep) -> Record:
        home = Home(self._namespace, self._name, sweep.metadata.uid or "")
        episodes = [episode async for episode, _ in list_episodes(self._api, home)]
        cuts = [cut async for cut in list_cuts(self._api, home)]
        metadata = SweepMeta(name=self._name, namespace=self._namespace, uid=sweep.metadata.uid)
        # The word for the live view is nothing for those who are given the record.
        status = sweep.status.evolve(live_key=None) if sweep.status is not None else None
        return Record(
            sweep.evolve(metadata=metadata, status=status),
            sorted(episodes, key=lambda episode: episode.spec.index),
            sorted(cuts, key=lambda cut: (cut.data.bracket, cut.data.rung)),
        )

    async def _bring(self, sweep: SeedSweep, place: Place, told: Told) -> None:
        best = self._partial / "best"
        if isinstance(place, Uri):
            await download(UriSource(place), best, told)
            return
        try:
            under = secrets.token_urlsafe(16)
            manifest = fetch_manifest(sweep, place, under)
            self._tell(f"Pod {manifest['metadata']['name']} serves the winner from claim {place.claim}.")
            async with serving(self._api, manifest, under, self._tell) as source:
                await download(source, best, told)
        except ApiError as error:
            if error.status != 403:
                raise
            raise CommandError(f"{one_line(str(error))}\n{self._by_hand(place)}", Exit.BAD_INPUT) from error

    def _by_hand(self, place: ClaimFolder) -> str:
        return (
            "Fetching from a claim takes the rights to create, get and delete pods and to get pods/proxy. Ask for "
            f"them, or copy the folder from a pod of yours that mounts claim {place.claim}, here at /mnt:\n"
            f"    kubectl -n {self._namespace} cp POD:/mnt/{place.folder} {shlex.quote(str(self._target / 'best'))}"
        )

    def _tell(self, text: str) -> None:
        self._console.print(Text(text, style="dim"), soft_wrap=True)

    @contextmanager
    def _progress(self) -> Iterator[Told]:
        """A bar with the time left, from the first byte on."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            bar = progress.add_task("weights", total=None, visible=False)

            def told(done: int, total: int) -> None:
                progress.update(bar, completed=done, total=total, visible=True)

            yield told


def place_of_winner(sweep: SeedSweep) -> Place:
    """Where the weights of a sweep that is over are; raises CommandError where there are none to fetch."""
    status, name = sweep.status or SweepStatus(), sweep.metadata.name
    if not status.over:
        said = one_line(status.message) or status.phase
        remedy = f"`seedsweep watch {name}` shows when it is"
        raise CommandError(f"{name} is not over ({said}): {remedy}", Exit.BAD_INPUT)
    if status.best is None:
        raise CommandError(f"{name} has no winner: {one_line(status.message) or status.phase}", Exit.BAD_INPUT)
    if status.best.weights is None:
        what, lines = where_weights_are(sweep, status.best)
        raise CommandError(": ".join([f"no winner's folder was made. {what}", *lines]), Exit.BAD_INPUT)
    try:
        return parse_place(status.best.weights)
    except ValueError as error:
        raise CommandError(f"{name}: status.best.weights {error}", Exit.BAD_INPUT) from error


def _check_target(target: Path) -> None:
    try:
        taken = target.exists() and (not target.is_dir() or any(target.iterdir()))
    except OSError as error:
        raise CommandError(f"--to {target} cannot be read: {error.strerror}", Exit.BAD_INPUT) from error
    if taken:
        raise CommandError(f"--to {target} is not empty: give a folder that is new or empty", Exit.BAD_INPUT)


def _write_report(folder: Path) -> bool:
    """Where what it takes is installed."""
    try:
        from seedsweep.report.page import write_report
    except ModuleNotFoundError:
        return False
    write_report(folder)
    return True
