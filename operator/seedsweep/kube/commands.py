"""`seedsweep operator` as it is typed."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from seedsweep.codes import CommandError, Exit
from seedsweep.kube.process.log_format import LogFormat

OPERATOR_HELP = """
Watch SeedSweeps on a cluster and carry them out. The operator's image runs this command.

The cluster is the one it runs in, else that of KUBECONFIG. Serves /healthz, /metrics and a live view of every sweep.

Exit codes: 0 ended by SIGTERM or SIGINT; 1 cannot start or continue, for the reason in the last line of its log; 2 bad
input, or no cluster.
"""


def _namespace(text: str) -> str:
    if re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", text) is None:
        remedy = "give at most 63 lowercase letters, digits and hyphens"
        raise CommandError(f"--namespace: {text!r} is not the name of a namespace: {remedy}", Exit.BAD_INPUT)
    return text


def _quantities(text: str) -> dict[str, str]:
    from pydantic import TypeAdapter, ValidationError

    from seedsweep.api.core.volumes import Resources

    parts = [part.partition("=") for part in text.split(",")]
    found = {name: amount for name, _, amount in parts}
    try:
        TypeAdapter(Resources).validate_python(found)
    except ValidationError:
        message = f"--housekeeping-requests: {text!r} is not NAME=QUANTITY,...: give amounts, like cpu=500m,memory=2Gi"
        raise CommandError(message, Exit.BAD_INPUT) from None
    return found


def _webhook(text: str) -> str:
    from seedsweep.kube.events.webhook import parse_webhook

    return _parsed("--webhook", parse_webhook, text)


def _prometheus(text: str) -> str:
    from seedsweep.kube.scraping.prometheus import parse_prometheus

    return _parsed("--prometheus", parse_prometheus, text)


def _parsed(option: str, parse: Callable[[str], str], text: str) -> str:
    try:
        return parse(text)
    except ValueError as error:
        raise CommandError(f"{option}: {error}", Exit.BAD_INPUT) from None


def operator_command(
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            parser=_namespace,
            metavar="NAMESPACE",
            help="Watch this namespace; may be repeated.",
            show_default="all",
            envvar="SEEDSWEEP_NAMESPACES",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=1, max=65535, help="Port of health, metrics and the live view.")
    ] = 8080,
    service_account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A service account that episodes may run as; may be repeated.", show_default="none"
        ),
    ] = None,
    housekeeping_image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help="Image of SeedSweep's trainer, for housekeeping in sweeps with another trainer.",
            show_default="none: their storage is left as it is",
            envvar="SEEDSWEEP_HOUSEKEEPING_IMAGE",
        ),
    ] = None,
    housekeeping_requests: Annotated[
        str, typer.Option(metavar="REQUESTS", help="Requests of a housekeeping pod, as NAME=QUANTITY,...")
    ] = "cpu=500m,memory=2Gi",
    housekeeping_seconds: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="How long a housekeeping pod may take, including the wait.")
    ] = 3600,
    relist_seconds: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=1, help="Time between two lists, which find what a watch has missed."),
    ] = 300.0,
    webhook: Annotated[
        str | None,
        typer.Option(
            parser=_webhook,
            metavar="URL",
            help='Post {"text": ...} there when a sweep ends, as for Slack. The variable hides it from process lists.',
            show_default="none",
            envvar="SEEDSWEEP_WEBHOOK",
        ),
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option(
            parser=_prometheus,
            metavar="URL",
            help="Read trainers' metrics from this Prometheus, which has scraped them.",
            show_default="from the pods themselves",
        ),
    ] = None,
    prometheus_token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the bearer token for it.", show_default="none"),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option(metavar="text|json", help="Lines for people, or one JSON object per line for programs.")
    ] = LogFormat.TEXT,
) -> None:
    """Run the operator until SIGTERM or SIGINT."""
    from seedsweep.kube import app
    from seedsweep.kube.pods.manifest import PodSettings
    from seedsweep.kube.scraping.prometheus import PrometheusServer

    settings = PodSettings(
        frozenset(service_account or ()), housekeeping_image, _quantities(housekeeping_requests), housekeeping_seconds
    )
    if prometheus_token_file is not None and prometheus is None:
        message = "--prometheus-token-file is given without --prometheus: give both, or neither"
        raise CommandError(message, Exit.BAD_INPUT)
    server = PrometheusServer(prometheus, prometheus_token_file) if prometheus is not None else None
    options = app.Options(tuple(namespace or ()), port, settings, relist_seconds, log_format, webhook, server)
    raise typer.Exit(app.run_operator(options))
