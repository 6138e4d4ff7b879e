"""The operator: kopf watches and wakes; what to do is decided elsewhere.

No finalizers, no daemons, no annotations: a sweep can be deleted while no operator runs.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import kopf

from seedsweep.api.sweep import API_VERSION
from seedsweep.kube import names
from seedsweep.kube.client import Api, ApiError, connect
from seedsweep.kube.events import Recorder
from seedsweep.kube.freshness import Freshness
from seedsweep.kube.health import Server
from seedsweep.kube.pods import PodSettings
from seedsweep.kube.scraping import Scraper
from seedsweep.kube.sweep import Shared
from seedsweep.kube.sweeps import Sweeps

_log = logging.getLogger(__name__)

PATIENCE_DIVISOR = 10
"""A watch may lag behind a list for this part of the time between two lists."""
GROUP, VERSION = API_VERSION.split("/")


@dataclass(frozen=True, slots=True)
class Options:
    """How the operator was started."""

    namespaces: Sequence[str] = ()
    """Those it watches; empty: all."""
    port: int = 8080
    """Where its health, its metrics and the live view are served."""
    pods: PodSettings = field(default_factory=PodSettings)
    relist_seconds: float = 300.0
    """Between two lists of a sweep's pods, which show what a watch has lost."""


class Operator:
    """The operator's parts, from start-up to the end."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stack = AsyncExitStack()
        self._sweeps: Sweeps | None = None

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Tell kopf what to watch."""
        kopf.on.login(registry=registry)(_login)
        kopf.on.startup(registry=registry)(self._start)
        kopf.on.cleanup(registry=registry)(self._stop)
        kopf.on.event(GROUP, VERSION, "seedsweeps", registry=registry)(self._saw_sweep)
        kopf.on.event("", "v1", "pods", registry=registry, labels={names.LABEL_SWEEP_UID: kopf.PRESENT})(self._saw_pod)

    async def _start(self, settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        api = await self._stack.enter_async_context(connect())
        await _check_kinds(api)
        scraper = await self._stack.enter_async_context(Scraper(self._read_news))
        recorder = Recorder(api)
        self._stack.push_async_callback(_cancel, asyncio.create_task(recorder.post_forever()))
        options = self._options
        freshness = Freshness(patience=options.relist_seconds / PATIENCE_DIVISOR)
        self._sweeps = Sweeps(Shared(api, options.pods, scraper, recorder, freshness, options.relist_seconds))
        server = Server(options.port, self._sweeps, api, options.namespaces, freshness, options.relist_seconds)
        await self._stack.enter_async_context(server)
        self._stack.push_async_callback(self._sweeps.close)

    async def _stop(self, **_: Any) -> None:
        await self._stack.aclose()

    def _read_news(self, uid: str) -> None:
        if self._sweeps is not None:
            self._sweeps.read_news(uid)

    async def _saw_sweep(self, event: Any, **_: Any) -> None:
        assert self._sweeps is not None  # kopf watches once start-up is over
        self._sweeps.saw_sweep(event["object"], deleted=event["type"] == "DELETED")

    async def _saw_pod(self, event: Any, **_: Any) -> None:
        assert self._sweeps is not None  # kopf watches once start-up is over
        self._sweeps.saw_pod(event["object"], deleted=event["type"] == "DELETED")


class _NoEssence(kopf.DiffBaseStorage):
    """Nothing is compared to what was handled last: to copy every pod for that takes kopf most of an event's time."""

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:
        del body, extra_fields
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        del body
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        raise NotImplementedError("no handler of ours leaves anything on an object")


class _NoProgress(kopf.StatusProgressStorage):
    """No handler of ours has progress to keep."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def configure(settings: kopf.OperatorSettings) -> None:
    """Settings of kopf that matter here."""
    settings.posting.enabled = False
    settings.peering.standalone = True
    # Scanning would need the right to list every definition and namespace of the cluster.
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = _NoEssence()
    settings.persistence.progress_storage = _NoProgress()
    # On the server: pods of others never reach us.
    settings.watching.label_selectors["pods"] = names.LABEL_SWEEP_UID
    # One line an event of every pod would drown the rest.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)


def run_operator(options: Options) -> None:
    """Run until SIGTERM or SIGINT, or until kopf cannot go on."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    registry = kopf.OperatorRegistry()
    Operator(options).register(registry)
    kopf.run(
        registry=registry,
        clusterwide=not options.namespaces,
        namespaces=list(options.namespaces),
        standalone=True,
    )


def _login(**context: Any) -> kopf.ConnectionInfo | None:
    """As `client.connect` finds the API server; kopf's own default would import the client's every model.

    In a pod by its address: kopf takes the name, which asks for DNS, and for a network policy that lets DNS pass.
    """
    found = kopf.login_with_service_account(**context)
    if found is None:
        return kopf.login_with_kubeconfig(**context)
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return replace(found, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


async def _check_kinds(api: Api) -> None:
    """End where the cluster has no definitions: kopf would run on, and not notice when they come."""
    try:
        await api.get(f"/apis/{API_VERSION}")
    except ApiError as error:
        if error.status == 404:
            remedy = "apply the chart's definitions (helm show crds CHART | kubectl apply --server-side -f -)"
            raise kopf.PermanentError(f"this cluster knows no SeedSweeps: {remedy}") from None
        _log.warning("whether SeedSweeps are known cannot be told: %s", error)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
