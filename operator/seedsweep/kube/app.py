"""The operator: kopf watches sweeps, a watch of our own their pods, and both wake; what to do is decided elsewhere.

No finalizers, no daemons, no annotations: a sweep can be deleted while no operator runs.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import kopf

from seedsweep.api.sweep import API_VERSION
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import PAGE
from seedsweep.kube.events.recorder import Recorder
from seedsweep.kube.events.webhook import Webhook
from seedsweep.kube.pods.manifest import PodSettings
from seedsweep.kube.process.garbage import short_collections
from seedsweep.kube.process.log import SweepLog, set_up_logging
from seedsweep.kube.process.log_format import LogFormat
from seedsweep.kube.process.loop_lag import measure_loop_lag
from seedsweep.kube.process.metrics import TASK_RESTARTS
from seedsweep.kube.scraping.prometheus import PrometheusServer
from seedsweep.kube.scraping.scraper import Scraper
from seedsweep.kube.server import Health, Server
from seedsweep.kube.startup import listen, open_cluster
from seedsweep.kube.supervise import supervised
from seedsweep.kube.sweeps.fleet import Fleet
from seedsweep.kube.sweeps.sweep import Shared
from seedsweep.kube.watching.freshness import Freshness, compare_with_lists
from seedsweep.kube.watching.pods import PodWatch
from seedsweep.kube.watching.watches import Backoffs, Watches
from seedsweep.version import __version__

_log = logging.getLogger(__name__)

PATIENCE_DIVISOR = 10
"""A watch may lag behind a list for this part of the time between two lists."""
IDLE_SECONDS = 0.2
"""For which kopf waits for another event of an object before it forgets this one."""
ENDS_WITHIN_SECONDS = 30.0
"""After that kopf ends the process, whatever still runs."""
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
    log_format: LogFormat = LogFormat.TEXT
    webhook: str | None = None
    """URL that is told the end of every sweep. A secret."""
    prometheus: PrometheusServer | None = None
    """What has scraped the trainers, and is asked in their place."""


class Operator:
    """The operator's parts, and what the watches hand to them."""

    def __init__(self, options: Options) -> None:
        self.watches = Watches(self._wake_sweeps)
        self._options = options
        self._sweeps: Fleet | None = None

    async def start(self, stack: AsyncExitStack, listening: socket.socket) -> None:
        """Start all parts; they end with the stack. Raises CommandError where there is no cluster to work for."""
        options = self._options
        api = await open_cluster(stack)
        recorder = Recorder(api)
        # In reverse: when all else has ended, what it has told is posted.
        stack.push_async_callback(recorder.flush)
        _spawn(stack, "events", recorder.post_forever)
        _spawn(stack, "loop lag", measure_loop_lag)
        scraper = await stack.enter_async_context(Scraper(self._read_news, prometheus=options.prometheus))
        freshness = Freshness(patience=options.relist_seconds / PATIENCE_DIVISOR)
        webhook = Webhook(options.webhook) if options.webhook is not None else None
        if webhook is not None:
            _spawn(stack, "webhook", webhook.post_forever)
        shared = Shared(api, options.pods, scraper, recorder, freshness, self.watches, options.relist_seconds)
        sweeps = Fleet(shared, webhook)
        list_sweeps = partial(sweeps.compare, options.namespaces)
        compare = partial(compare_with_lists, list_sweeps, freshness, options.relist_seconds)
        _spawn(stack, "comparison with lists", compare)
        await stack.enter_async_context(Server(listening, sweeps, Health(freshness, self.watches)))
        stack.push_async_callback(sweeps.close)
        self._sweeps = sweeps
        for namespace in options.namespaces or (None,):
            _spawn(stack, "watch of pods", PodWatch(self.watches, namespace, self._saw_pod).run)

    def register(self, registry: kopf.OperatorRegistry, stop: Callable[[], Awaitable[None]]) -> None:
        """Tell kopf what to watch, and what to end with it: what it finds running after that it cancels."""

        async def clean_up(**_: Any) -> None:
            self.watches.ending = True
            await stop()

        kopf.on.login(registry=registry)(self.watches.log_in)
        kopf.on.cleanup(registry=registry)(clean_up)
        kopf.on.event(GROUP, VERSION, "seedsweeps", registry=registry)(self._saw_sweep)

    def episodes(self) -> int:
        """How many are under way."""
        return self._sweeps.episodes() if self._sweeps is not None else 0

    def _wake_sweeps(self) -> None:
        if self._sweeps is not None:
            self._sweeps.wake_all()

    def _read_news(self, uid: str) -> None:
        if self._sweeps is not None:
            self._sweeps.read_news(uid)

    async def _saw_sweep(self, event: Any, **_: Any) -> None:
        assert self._sweeps is not None  # kopf watches once all parts have started
        _take_in(self._sweeps.saw_sweep, event)

    def _saw_pod(self, event: Any) -> None:
        assert self._sweeps is not None  # pods are watched once there is somebody to see them
        _take_in(self._sweeps.saw_pod, event)


class _NoEssence(kopf.DiffBaseStorage):
    """Nothing is compared to what was handled last: to copy every object for that takes most of an event's time."""

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
    settings.watching.chunk_size = PAGE
    # Until then an object's worker holds on to its last body.
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.networking.error_backoffs = Backoffs()
    # A node's kubelet would wait no longer.
    settings.process.ultimate_exiting_timeout = ENDS_WITHIN_SECONDS


def run_operator(options: Options) -> Exit:
    """Run until SIGTERM or SIGINT, or until it cannot go on, which the last line of the log explains."""
    set_up_logging(options.log_format)
    try:
        with listen(options.port) as listening:
            asyncio.run(_operate(options, listening))
    except CommandError as error:
        _log.error("seedsweep operator: %s", error)
        return Exit(error.code)
    return Exit.COMPLETE


async def _operate(options: Options, listening: socket.socket) -> None:
    operator, registry, settings = Operator(options), kopf.OperatorRegistry(), kopf.OperatorSettings()
    configure(settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(short_collections(operator.episodes))
        await operator.start(stack, listening)
        operator.register(registry, stack.aclose)
        _log.info("seedsweep operator %s: %s", __version__, _describe(options))
        try:
            await kopf.operator(
                registry=registry,
                settings=settings,
                clusterwide=not options.namespaces,
                namespaces=list(options.namespaces),
                standalone=True,
            )
        except Exception as error:
            raise _ended(operator.watches, error) from error
        finally:
            await operator.watches.close()
        _log.info("seedsweep operator ends, as it was told")


def _describe(options: Options) -> str:
    watched = f"namespaces {', '.join(options.namespaces)}" if options.namespaces else "all namespaces"
    pods = options.pods
    return (
        f"watches {watched}; port {options.port}; lists every {options.relist_seconds:.0f} s; "
        f"service accounts for episodes: {', '.join(sorted(pods.service_accounts)) or 'none'}; "
        f"housekeeping image for other trainers: {pods.housekeeping_image or 'none'}; "
        f"webhook: {'none' if options.webhook is None else 'told when a sweep ends'}; "
        f"trainers' metrics: from {'their pods' if options.prometheus is None else options.prometheus.url}"
    )


def _ended(watches: Watches, error: Exception) -> CommandError:
    """Why kopf gave up."""
    remedy = "the operator ends, and has to be started again"
    if watches.troubles:
        return CommandError(f"{'; '.join(watches.troubles)}; {remedy}", Exit.FAILED)
    # Nobody thought of it, so that it is told with where it happened.
    _log.error("the watch of SeedSweeps ended by an error", exc_info=error)
    return CommandError(f"the watch of SeedSweeps has ended; {remedy}", Exit.FAILED)


def _take_in(taker: Callable[..., None], event: Any) -> None:
    """Hand on what a watch shows. An error in that is ours, and no reason to lose what comes next."""
    body = event["object"]
    try:
        taker(body, deleted=event["type"] == "DELETED")
    except Exception:
        TASK_RESTARTS.labels("watch").inc()
        metadata = body.get("metadata") or {}
        log = SweepLog(_log, str(metadata.get("namespace")), str(metadata.get("name")))
        log.exception("what the watch shows of this %s could not be taken in", body.get("kind", "object"))


def _spawn(stack: AsyncExitStack, kind: str, work: Callable[[], Awaitable[None]]) -> None:
    """Have something done until the stack ends."""
    stack.push_async_callback(_cancel, asyncio.create_task(supervised(kind, work), name=kind))


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
