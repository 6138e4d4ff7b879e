"""The command line."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

import seedsweep
from seedsweep.api.core.volumes import Resources
from seedsweep.api.episode import EpisodeId
from seedsweep.api.reading.parse import InvalidSweepError
from seedsweep.codes import CommandError
from seedsweep.exchange import commands as exchange
from seedsweep.kube.process.log import LogFormat
from seedsweep.report.record import RecordError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

EXTRAS = {"kopf": "operator", "kubernetes": "operator", "pyarrow": "tables"}
"""Packages that only some commands need, and the extra that has them."""

_RUN_HELP = """
Train a sweep on this machine, or go on with one that was interrupted.

One episode trains on each GPU, or without GPUs on as many cores as an episode has threads. Relative paths in FILE
start from its folder. Ctrl-C stops, the same command goes on.

Exit codes: 0 complete; 1 the sweep failed, or its folder cannot be written any more; 2 bad input, nothing was started;
130 interrupted. With --episode: 0 the same curve, 1 another, or none.
"""


def _version(asked: bool) -> None:
    if asked:
        print(f"seedsweep {seedsweep.__version__}")
        raise typer.Exit


@app.callback(help="Fine-tune with many seeds, stop the losers early, keep the best and report honest statistics.")
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    del version


def _seeds(text: str) -> EpisodeId:
    try:
        weight_init, data_order = map(int, text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not WI,DO: two seeds, like 3,7") from None
    return EpisodeId(weight_init, data_order)


@app.command(help=_RUN_HELP)
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SeedSweep in YAML.")],
    out: Annotated[Path | None, typer.Option(help="The run's folder.", show_default="runs/NAME")] = None,
    parallelism: Annotated[
        int | None, typer.Option(min=1, help="Train at most so many episodes at once.", show_default=False)
    ] = None,
    episode: Annotated[
        EpisodeId | None,
        typer.Option(
            parser=_seeds,
            metavar="WI,DO",
            help="Only train this episode again, fully and apart, and compare its curve to the record bit for bit.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a sweep or a single episode of it."""
    from seedsweep.local import rerun, run

    request = run.Request(file, out, parallelism)
    console = Console()
    raise typer.Exit(
        rerun.rerun_episode(request, episode, console) if episode is not None else run.run_sweep(request, console)
    )


@app.command(help="Write report.html in the folder of a run again.")
def report(directory: Annotated[Path, typer.Argument(metavar="DIR", help="The run's folder.")]) -> None:
    """Write the report."""
    from seedsweep.local.run import write_report

    write_report(directory)
    print(directory / "report.html")


app.command("import", help=exchange.IMPORT_HELP)(exchange.import_command)
app.command("export", help=exchange.EXPORT_HELP)(exchange.export_command)


def _quantities(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(",")]
    found = {name: amount for name, _, amount in parts}
    try:
        TypeAdapter(Resources).validate_python(found)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is not NAME=QUANTITY,...: like cpu=500m,memory=2Gi") from None
    return found


def _check_namespaces(names: Sequence[str]) -> None:
    for name in names:
        if re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) is None:
            raise typer.BadParameter(f"{name!r} is not the name of a namespace", param_hint="--namespace")


_HOUSEKEEPING_REQUESTS = "cpu=500m,memory=2Gi"

_OPERATOR_HELP = """
Watch SeedSweeps on a cluster and carry them out: what the operator's image runs.

The cluster is the one it runs in, else that of KUBECONFIG. Serves /healthz, /metrics and a live view of every sweep.

Exit codes: 0 ended by SIGTERM or SIGINT; 1 it cannot start or go on, which the last line of its log explains; 2 bad
input, or no cluster.
"""


@app.command(help=_OPERATOR_HELP)
def operator(
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            help="Watch this namespace; may be given again.", show_default="all", envvar="SEEDSWEEP_NAMESPACES"
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of health, metrics and the live view.")] = 8080,
    service_account: Annotated[
        list[str] | None,
        typer.Option(help="A service account that episodes may run as; may be given again.", show_default="none"),
    ] = None,
    housekeeping_image: Annotated[
        str | None,
        typer.Option(
            help="Of SeedSweep's trainer, for the storage of trainers that are not ours.",
            show_default="none: their storage is left as it is",
            envvar="SEEDSWEEP_HOUSEKEEPING_IMAGE",
        ),
    ] = None,
    housekeeping_requests: Annotated[
        dict[str, str],
        typer.Option(parser=_quantities, metavar="NAME=QUANTITY,...", help="What a housekeeping pod asks for."),
    ] = _HOUSEKEEPING_REQUESTS,  # type: ignore[assignment]
    housekeeping_seconds: Annotated[
        int, typer.Option(min=1, help="How long a housekeeping pod may take, waiting included.")
    ] = 3600,
    relist_seconds: Annotated[
        float, typer.Option(min=1, help="Between two lists that show what a watch has lost.")
    ] = 300.0,
    log_format: Annotated[
        LogFormat, typer.Option(help="Lines for people, or a JSON object a line for programs.")
    ] = LogFormat.TEXT,
) -> None:
    """Run the operator until SIGTERM or SIGINT."""
    from seedsweep.kube import app as kube
    from seedsweep.kube.pods.manifest import PodSettings

    _check_namespaces(namespace or ())
    settings = PodSettings(
        frozenset(service_account or ()), housekeeping_image, housekeeping_requests, housekeeping_seconds
    )
    options = kube.Options(tuple(namespace or ()), port, settings, relist_seconds, log_format)
    raise typer.Exit(kube.run_operator(options))


_WATCH_HELP = """
Show a sweep in a cluster as it runs, until it is over.

As its operator sees it, through the API server's proxy to services; where that right or the operator is missing, as it
is on record. Ctrl-C ends the view, never the sweep.

Exit codes: 0 complete; 1 the sweep failed, was deleted or not accepted, or the API server stays away; 2 nothing to
watch; 130 interrupted.
"""


@app.command(help=_WATCH_HELP)
def watch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the SeedSweep.")],
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Where it is.", show_default="that of the kubeconfig's context"),
    ] = None,
    operator: Annotated[
        str, typer.Option(metavar="NAMESPACE/SERVICE:PORT", help="The service of the operator.")
    ] = "seedsweep-system/seedsweep-operator:http",
) -> None:
    """Watch a sweep in a cluster."""
    from seedsweep.cluster import observer
    from seedsweep.cluster import watch as kube

    try:
        request = kube.Request(name, namespace, observer.Service.parse(operator))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--operator") from None
    raise typer.Exit(kube.watch_sweep(request, Console()))


_FETCH_HELP = """
Bring the winner of a sweep in a cluster, ready for from_pretrained, and the sweep's record.

DIR is then what `seedsweep run` leaves: best/, sweep.json, episodes/, cuts/, curves.csv and, where seedsweep[report] is
installed, report.html. It is there whole or not at all; the same command goes on with what was interrupted. Weights
behind a URI are read from here with your own credentials. Weights in a claim are read through the API server from a
small pod in the sweep's namespace, which your own rights create, read (pods/proxy) and delete.

Exit codes: 0 fetched; 1 the way there broke, or what is there is broken; 2 nothing to fetch, no right to, or DIR is not
empty; 130 interrupted.
"""


@app.command(help=_FETCH_HELP)
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the SeedSweep.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make; new or empty.")],
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Where it is.", show_default="that of the kubeconfig's context"),
    ] = None,
) -> None:
    """Fetch the winner of a sweep in a cluster."""
    from seedsweep.cluster import fetch as kube

    raise typer.Exit(kube.fetch_sweep(kube.Request(name, namespace, to), Console()))


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `seedsweep`: bad input is said plainly, without a traceback."""
    from seedsweep.local.rundir import RunDirectoryError

    try:
        app(arguments)
    except (InvalidSweepError, RecordError, RunDirectoryError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except CommandError as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        print(f"{error.name} is not installed: pip install 'seedsweep[{extra}]'", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
