"""`seedsweep watch`, `wait`, `fetch` and `report` as they are typed; `wait` and `report` know both worlds."""

import re
from pathlib import Path
from typing import Annotated, cast

import typer

from seedsweep.codes import CommandError, Exit, bad_input
from seedsweep.web.options import Web, WebPort

WATCH_HELP = """
Show a sweep in a cluster as it runs, until it is over.

The view comes from the operator, through the API server's service proxy. Without that right or without an operator, it
shows what is on record. Ctrl-C ends the view, never the sweep.

Exit codes: 0 complete; 1 the sweep failed, was deleted or not accepted, or the API server stays unreachable; 2 nothing
to watch, or the page's port is taken; 130 interrupted.
"""

WAIT_HELP = """
Wait until a sweep is complete or has its first cut, and print one line. For scripts.

TARGET is the NAME of a sweep in a cluster (or sweep/NAME), or, if it contains a /, the folder of a run on this machine
(./NAME). An interrupted run is not over: the command waits until someone resumes it. In a cluster you need the right to
get SeedSweeps; the operator's service is not used.

Exit codes: 0 complete, or the cut is made; 1 that can no longer happen: the sweep failed, was deleted or not accepted,
or is over without a cut; or the API server stays unreachable; 2 no such sweep or folder, no right to read it, or no cut
in its spec; 124 timed out; 130 interrupted.
"""

FETCH_HELP = """
Download the winner of a sweep in a cluster, ready for from_pretrained, and the sweep's record.

DIR then has the same contents as the folder of `seedsweep run`: best/, sweep.json, episodes/, cuts/, curves.csv,
attempts/ and, if `seedsweep report` is installed, report.html. DIR appears only when it is complete; the same command
resumes an interrupted download. A storage at a URI is read from here with your own credentials. A claim is read through
the API server from a small pod in the sweep's namespace, which is created, read (pods/proxy) and deleted with your own
rights.

Exit codes: 0 fetched; 1 the connection broke, or the data are damaged; 2 nothing to fetch, no right to fetch it, or DIR
is not empty; 130 interrupted.
"""

REPORT_HELP = """
Write the report of runs, or of a sweep in a cluster: report.html, and in report/ its figures and numbers.

RUN is the folder of a run, or sweep/NAME for a sweep in a cluster, whose record so far is downloaded to NAME-report.
(A folder of your own called sweep is ./sweep.) The data that compare models example by example come from the sweep's
storage, as in `seedsweep fetch`; if it cannot be read, the report is made without them. The page is self-contained and
readable without scripts; figures are PNG, SVG and PDF, the numbers behind them CSV and JSON. Files of an earlier report
are replaced.

Exit codes: 0 written; 1 a folder cannot be written, or the API server stays unreachable; 2 bad input. With several
RUNs, all possible reports are written.
"""

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the SeedSweep.")]
_Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", metavar="NAME", help="Its namespace.", show_default="that of the kubeconfig's context"
    ),
]


def watch_command(
    name: _Name,
    namespace: _Namespace = None,
    operator: Annotated[
        str,
        typer.Option(
            metavar="SERVICE",
            help="The operator's service, as NAMESPACE/NAME:PORT.",
            show_default="seedsweep-operator in seedsweep-system, port http",
        ),
    ] = "seedsweep-system/seedsweep-operator:http",
    web: Web = False,
    web_port: WebPort = None,
) -> None:
    """Watch a sweep in a cluster."""
    from rich.console import Console

    from seedsweep.cluster.observer import Service
    from seedsweep.cluster.watch import Request, watch_sweep
    from seedsweep.web.page import live_page

    request, console = Request(name, namespace, Service.parse(operator)), Console()
    with live_page(web, web_port, console) as page:
        code = watch_sweep(request, console, page)
    raise typer.Exit(code)


def _event(text: str) -> str:
    if text not in ("complete", "cut"):
        raise bad_input(f"--for: {text[:60]!r} is not known: give complete or cut")
    return text


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?", text)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found is not None else (0, 0, 0)
    if (total := 3600 * hours + 60 * minutes + seconds) == 0:
        raise bad_input(
            f"--timeout: {text[:60]!r} is no time above 0: give hours, minutes or seconds, like 2h, 90m, 30s"
        )
    return float(total)


def wait_command(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="NAME of a SeedSweep, or folder of a run.")],
    event: Annotated[
        str, typer.Option("--for", parser=_event, metavar="complete|cut", help="What to wait for.")
    ] = "complete",
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=_seconds, metavar="TIME", help="Give up after this time, like 2h, 90m or 30s.", show_default="never"
        ),
    ] = None,
    namespace: _Namespace = None,
) -> None:
    """Wait for a sweep."""
    from rich.console import Console

    from seedsweep.cluster.wait import Event, Request, wait

    raise typer.Exit(wait(Request(target, cast(Event, event), timeout, namespace), Console()))


def fetch_command(
    name: _Name,
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder to create; new or empty.")],
    namespace: _Namespace = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help="Image of SeedSweep's trainer, to serve a claim if the sweep's image lacks it.",
            show_default="the sweep's",
        ),
    ] = None,
) -> None:
    """Fetch the winner of a sweep in a cluster."""
    from rich.console import Console

    from seedsweep.cluster.fetch import Request, fetch_sweep

    raise typer.Exit(fetch_sweep(Request(name, namespace, to, image), Console()))


def report_command(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Folders of runs, or sweep/NAME.")],
    namespace: _Namespace = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the sweep's record and report.", show_default="NAME-report"),
    ] = None,
) -> None:
    """Write reports."""
    from rich.console import Console

    from seedsweep.report.command import write_reports
    from seedsweep.report.record import IN_CLUSTER

    if to is not None and [run.startswith(IN_CLUSTER) for run in runs] != [True]:
        raise CommandError("--to: goes with one sweep/NAME; the report of a folder is written into it", Exit.BAD_INPUT)

    console = Console(stderr=True)

    def fetch(name: str) -> Path:
        from rich.text import Text

        from seedsweep.cluster.record import bring_record

        return bring_record(name, namespace, to, lambda said: console.print(Text(said, style="dim"), soft_wrap=True))

    write_reports(runs, fetch, console)
