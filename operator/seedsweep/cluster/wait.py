"""`seedsweep wait`: until a sweep is complete or has its first cut, in a cluster or in the folder of a run.

The sweep's status tells. It only reads, and takes no right but `get` on the sweep.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text

from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.codes import CommandError, Exit, bad_input
from seedsweep.engine.layout import Layout
from seedsweep.report.record import IN_CLUSTER, RecordError, read_sweep
from seedsweep.report.words import duration_text, end_words, one_line, score_text

WAIT_SECONDS = 5.0
"""Between two looks: nothing that is waited for is worth more requests."""
Event = Literal["complete", "cut"]
Source = Callable[[], Awaitable[tuple[SeedSweep, bool]]]
"""Gives a sweep as it stands, and whether nothing of it is left to do; raises CommandError where there is none."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed."""

    target: str
    """The sweep's name, or the folder."""
    event: Event
    timeout: float | None
    """Seconds; absent: for as long as it takes."""
    namespace: str | None = None
    """Absent: that of the kubeconfig's context."""


def wait(request: Request, console: Console) -> Exit:
    """Wait for a sweep in a cluster, or for a run in a folder; raises CommandError as `wait_for` does."""

    def tell(text: str) -> None:
        console.print(Text(text, style="dim"), soft_wrap=True)

    try:
        console.print(asyncio.run(_wait(request, tell)), markup=False, highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.COMPLETE


async def _wait(request: Request, tell: Callable[[str], None]) -> str:
    name = request.target.removeprefix(IN_CLUSTER)
    if "/" in name:
        return await wait_for(request, look_into(Path(request.target)))
    # A run on this machine is waited for without what a cluster takes.
    from seedsweep.cluster.following import Follower
    from seedsweep.kube.apiserver.client import ONCE
    from seedsweep.kube.apiserver.kubeconfig import namespace_or_default, open_api

    namespace = namespace_or_default(request.namespace)
    async with AsyncExitStack() as stack:
        api = await open_api(stack, ONCE)
        return await wait_for(request, Follower(api, namespace, name, tell).look)


async def wait_for(request: Request, look: Source) -> str:
    """Wait; returns what happened, in one line.

    Raises:
        CommandError: it cannot happen any more, or has not within the time.
    """
    last = ""
    try:
        async with asyncio.timeout(request.timeout):
            while True:
                sweep, over = await look()
                if said := happened(sweep, request.event, over=over):
                    return said
                last = f": {_state(sweep.status)}"
                await asyncio.sleep(WAIT_SECONDS)
    except TimeoutError as error:
        what = "not complete" if request.event == "complete" else "no cut"
        message = f"{request.target}: {what} after {duration_text(request.timeout or 0)}{last}"
        raise CommandError(message, Exit.TIMED_OUT) from error


def _state(status: SweepStatus | None) -> str:
    if status is None:
        return "no operator has taken it up yet"
    return f"{status.phase}; {one_line(status.message)}".removesuffix("; ")


def happened(sweep: SeedSweep, event: Event, *, over: bool) -> str:
    """What to say of the event; empty while it may still come. Raises CommandError where it never will."""
    name, status, layout = sweep.metadata.name, sweep.status or SweepStatus(), Layout.of(sweep)
    if event == "cut":
        if not any(layout.rungs):
            raise bad_input(f"--for cut: {name} has no cut: no rungs are in its spec.earlyStopping; wait for complete")
        # A cut from before the sweep got more seeds is not one of all of them; one beside a floor never is.
        grows, first = layout.floor is None, [cut for cut in status.cuts if cut.rung == layout.first_cut]
        standing = [cut for cut in first if not grows or cut.of >= len(layout.members[cut.bracket])]
        if standing:
            cut = standing[0]
            return (
                f"{name}: the cut at evaluation {cut.evaluation} has kept {cut.kept} of {cut.of}, "
                f"threshold {score_text(cut.threshold)}"
            )
    if not over:
        return ""
    if status.failure is not None:
        raise CommandError(end_words(name, status), Exit.FAILED)
    if event == "cut":
        raise CommandError(f"{name} is over, and was not cut", Exit.FAILED)
    return end_words(name, status)


def look_into(folder: Path) -> Source:
    """A run on this machine, by its folder."""
    # A record that was there and is gone ends the wait another way than one that never was.
    known = False

    async def look() -> tuple[SeedSweep, bool]:
        nonlocal known
        try:
            sweep = read_sweep(folder)
        except RecordError as error:
            raise CommandError(str(error), Exit.FAILED if known else Exit.BAD_INPUT) from error
        known = True
        return sweep, sweep.status is not None and sweep.status.over

    return look
