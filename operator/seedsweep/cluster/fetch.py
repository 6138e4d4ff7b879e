"""`seedsweep fetch`: the winner and the record of a sweep in a cluster, as the folder that `seedsweep run` leaves.

The record comes through the API server, the weights from where the operator says they are. The folder is there whole
or not at all; what an interrupted fetch has brought lies beside it, and the next one goes on from there.
"""

import asyncio
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
from seedsweep.api.sweep import SeedSweep
from seedsweep.cluster.attempts import bring_attempts, not_brought, place_of_attempts
from seedsweep.cluster.download import Source, Told, download
from seedsweep.cluster.lookup import accepted, named_sweep
from seedsweep.cluster.next_steps import where_weights_are
from seedsweep.cluster.record import stored_record, what_is_gone
from seedsweep.cluster.refusal import refused
from seedsweep.cluster.storage import reading
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.apiserver.kubeconfig import namespace_or_default, open_api
from seedsweep.kube.objects.weights import ClaimFolder, Place, Uri, parse_place
from seedsweep.report.record import IN_CLUSTER, Record, write_record
from seedsweep.report.words import one_line
from seedsweep.terminal import last_screen
from seedsweep.terminal.folder import read_card, see_report, use_winner
from seedsweep.terminal.noise import noise_words


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed."""

    name: str
    namespace: str | None
    """Absent: that of the kubeconfig's context."""
    to: Path
    image: str | None = None
    """Of SeedSweep's trainer, to serve a claim. Absent: the sweep's."""


def fetch_sweep(request: Request, console: Console) -> Exit:
    """Bring a sweep's winner and record to a folder that is not there yet, or empty.

    Raises:
        CommandError: nothing to bring, no right to, or nowhere to put it; nothing of it is in the folder.
    """
    try:
        return asyncio.run(_fetch(request, console))
    except KeyboardInterrupt:
        console.print("Interrupted: the same command resumes.")
        return Exit.INTERRUPTED


async def _fetch(request: Request, console: Console) -> Exit:
    target = request.to.absolute()
    _check_target(target)
    namespace = namespace_or_default(request.namespace)
    try:
        async with AsyncExitStack() as stack:
            api = await open_api(stack)
            await Fetcher(api, namespace, request, console).run()
    except ApiError as error:
        raise refused(error) from error
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error}", Exit.FAILED) from error
    return Exit.COMPLETE


class Fetcher:
    """One sweep being fetched."""

    def __init__(self, api: Api, namespace: str, request: Request, console: Console) -> None:
        target = request.to.absolute()
        self._api = api
        self._namespace = namespace
        self._name = request.name
        self._image = request.image
        self._target = target
        self._partial = target.with_name(f".{target.name}.fetching")
        self._console = console

    async def run(self) -> None:
        """Until the folder is there; raises CommandError, ApiError and OSError."""
        sweep = accepted(await named_sweep(self._api, self._namespace, self._name))
        place = place_of_winner(sweep)
        record = await stored_record(self._api, self._namespace, sweep)
        self._partial.mkdir(parents=True, exist_ok=True)
        write_record(self._partial, record)
        with self._progress() as told:
            await self._bring(record, place, told)
        gone = what_is_gone(record)
        reported = not gone and _write_report(self._partial)
        self._partial.replace(self._target)
        steps = [use_winner(self._target, sweep), *([see_report(self._target)] if reported else [])]
        if (self._target / "best" / "README.md").exists():
            steps.append(read_card(self._target))
        noise = noise_words(self._target, record)
        self._console.print(last_screen(sweep, record.episodes, record.cuts, steps, noise), crop=False)
        if gone:
            self._tell(f"There is no report: {gone}")

    async def _bring(self, record: Record, place: Place, told: Told) -> None:
        attempts = place_of_attempts(record.sweep)
        places = [place] if attempts is None else [place, attempts]
        try:
            async with reading(self._api, record.sweep, places, self._tell, self._image) as sources:
                await download(sources[0], self._partial / "best", told)
                for source in sources[1:]:
                    await self._bring_attempts(source, record)
        except ApiError as error:
            if error.status != 403 or isinstance(place, Uri):
                raise
            raise CommandError(f"{one_line(str(error))}\n{self._by_hand(place)}", Exit.BAD_INPUT) from error

    async def _bring_attempts(self, source: Source, record: Record) -> None:
        """As far as it comes: the winner is what was asked for."""
        try:
            await bring_attempts(source, record, self._partial, self._tell)
        except (CommandError, ApiError, OSError) as error:
            name, to = shlex.quote(f"{IN_CLUSTER}{self._name}"), shlex.quote(str(self._target))
            self._tell(f"{not_brought(error)}\nTry again: seedsweep report {name} -n {self._namespace} --to {to}")

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
