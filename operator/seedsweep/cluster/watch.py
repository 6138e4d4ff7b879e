"""`seedsweep watch`: the live view of a sweep in a cluster. It only reads, and only through the API server.

So RBAC says who may look. The sweep's own status tells whether it is over; what runs is seen through an `Observer`.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from rich.console import Console
from rich.text import Text

from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.cluster.following import POLL_SECONDS, Follower
from seedsweep.cluster.next_steps import next_steps
from seedsweep.cluster.observer import RECORD_SECONDS, Observer, Service, on_record
from seedsweep.codes import CommandError, Exit, exit_of
from seedsweep.engine.decisions import Plan
from seedsweep.engine.layout import Layout
from seedsweep.kube.apiserver.client import ONCE, Api
from seedsweep.kube.apiserver.kubeconfig import namespace_or_default, open_api
from seedsweep.kube.ledger.stored import list_cuts, list_episodes
from seedsweep.kube.objects.home import Home
from seedsweep.kube.process.clock import now
from seedsweep.report.record import Record
from seedsweep.report.words import end_words, one_line
from seedsweep.terminal import LiveView, last_screen
from seedsweep.terminal.moment import Moment
from seedsweep.web.page import LivePage


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed."""

    name: str
    namespace: str | None
    """Absent: that of the kubeconfig's context."""
    operator: Service


def watch_sweep(request: Request, console: Console, page: LivePage | None = None) -> Exit:
    """Show a sweep until it is over, on the page as well; its end makes the exit code.

    Raises:
        CommandError: no such sweep, no right to see it, no API server, or a spec that nobody can carry out.
    """
    try:
        return asyncio.run(_watch(request, console, page))
    except KeyboardInterrupt:
        said = f"{request.name} goes on in the cluster: the same command shows it again."
        console.print(said, soft_wrap=True)
        if page is not None:
            page.end(said)
        return Exit.INTERRUPTED
    except CommandError as error:
        if page is not None:
            page.end(str(error))
        raise


async def _watch(request: Request, console: Console, page: LivePage | None) -> Exit:
    namespace = namespace_or_default(request.namespace)
    async with AsyncExitStack() as stack:
        api = await open_api(stack, ONCE)
        return await Watcher(api, namespace, request, console, page).run()


class Watcher:
    """One sweep being watched."""

    def __init__(
        self, api: Api, namespace: str, request: Request, console: Console, page: LivePage | None = None
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._request = request
        self._console = console
        self._page = page
        self._told = ""
        self._sweep = Follower(api, namespace, request.name, self._tell)

    async def run(self) -> Exit:
        """Until it is over; raises CommandError."""
        sweep, over = await self._sweep.look()
        home = Home(self._namespace, self._request.name, sweep.metadata.uid or "")
        layout = Layout.of(sweep)
        observer = Observer(self._api, home, self._request.operator)
        with LiveView(layout, self._console, page=self._page.show if self._page is not None else None) as view:
            while not over:
                seen, at = await self._sweep.patiently(partial(observer.look, sweep))
                self._tell(_excuse(observer.trouble))
                view.update(seen, Plan((), (), seen.status), at)
                await asyncio.sleep(RECORD_SECONDS if observer.trouble else POLL_SECONDS)
                sweep, over = await self._sweep.look()
        await self._sweep.patiently(partial(self._show_end, home, sweep))
        return exit_of(sweep.status)

    async def _show_end(self, home: Home, sweep: SeedSweep) -> None:
        episodes = [episode async for episode, _ in list_episodes(self._api, home)]
        cuts = [cut async for cut in list_cuts(self._api, home)]
        record = Record.of(sweep, episodes, cuts)
        steps = list(next_steps(sweep, record.episodes))
        self._console.print(last_screen(sweep, record.episodes, record.cuts, steps), crop=False)
        if self._page is not None:
            self._page.end(end_words(sweep.metadata.name, sweep.status or SweepStatus()), steps, _last_moment(record))

    def _tell(self, text: str) -> None:
        """Once, until something else is to be told."""
        if text and text != self._told:
            self._console.print(Text(text, style="dim"), soft_wrap=True)
        if self._page is not None:
            self._page.say(text)
        self._told = text


def _last_moment(record: Record) -> Moment:
    """The end is on record, and no operator shows it any more."""
    seen = on_record(*record)
    start, end = (
        datetime.fromisoformat(t) if t else now() for t in (seen.status.start_time, seen.status.completion_time)
    )
    return Moment.of(Layout.of(record.sweep), seen, Plan((), (), seen.status), end, end - start)


def _excuse(trouble: str) -> str:
    if not trouble:
        return ""
    return f"No live view from the operator ({one_line(trouble)}): showing the record every {RECORD_SECONDS:.0f} s."
