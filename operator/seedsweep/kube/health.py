"""The operator's own port: whether it lives, what it has done, and sweeps as they stand this moment."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from time import monotonic
from types import TracebackType

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from seedsweep.api.status import EpisodeCounts
from seedsweep.api.sweep import API_VERSION
from seedsweep.kube.client import Api, ApiError
from seedsweep.kube.clock import now
from seedsweep.kube.freshness import Freshness
from seedsweep.kube.sweeps import Sweeps
from seedsweep.live import dump_observation

_log = logging.getLogger(__name__)


class Server:
    """Serves /healthz, /metrics and /v1/namespaces/NAMESPACE/sweeps/NAME. A context manager."""

    def __init__(
        self, port: int, sweeps: Sweeps, api: Api, namespaces: Sequence[str], freshness: Freshness, check_seconds: float
    ) -> None:
        """`check_seconds`: between two lists of sweeps that their watch is compared with."""
        self._port = port
        self._sweeps = sweeps
        self._api = api
        self._namespaces = namespaces
        self._freshness = freshness
        self._check_seconds = check_seconds
        self._collector = SweepsCollector(sweeps)
        self._runner: web.AppRunner | None = None
        self._checking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Server":
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._health),
                web.get("/metrics", self._metrics),
                web.get("/v1/namespaces/{namespace}/sweeps/{name}", self._live),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, port=self._port).start()
        REGISTRY.register(self._collector)
        self._checking = asyncio.create_task(self._check_forever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        REGISTRY.unregister(self._collector)
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        overdue = self._freshness.overdue(monotonic())
        if overdue:
            return web.Response(status=503, text=f"watches are stuck: {overdue} objects changed and were never shown\n")
        return web.Response(text="ok\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _live(self, request: web.Request) -> web.Response:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        world = self._sweeps.find(namespace, name)
        if world is not None:
            # What the last turn saw, with what it made of it: who watches needs no plan of their own.
            seen = replace(world.seen, status=world.status)
            return web.Response(body=dump_observation(seen, now()), content_type="application/json")
        return web.Response(status=404, text=f"no sweep {name} is under way in {namespace}\n")

    async def _check_forever(self) -> None:
        """Compare what the watch of sweeps has shown with lists; pods are compared when a sweep lists them."""
        while True:
            await asyncio.sleep(self._check_seconds)
            paths = [f"/apis/{API_VERSION}/namespaces/{n}/seedsweeps" for n in self._namespaces]
            try:
                for path in paths or [f"/apis/{API_VERSION}/seedsweeps"]:
                    async for item in self._api.list(path):
                        metadata = item["metadata"]
                        self._freshness.listed(metadata["uid"], int(metadata["resourceVersion"]), monotonic())
            except ApiError as error:
                # Nothing is known of watches while the API server is away.
                _log.warning("sweeps cannot be listed: %s", error)


class SweepsCollector(Collector):
    """What is known about sweeps, collected when it is asked for."""

    def __init__(self, sweeps: Sweeps) -> None:
        self._sweeps = sweeps

    def collect(self) -> Iterable[Metric]:
        """A sample per sweep and kind; a sweep that is over keeps its last ones until it is deleted."""
        labels = ["namespace", "sweep"]
        phases = GaugeMetricFamily(
            "seedsweep_sweep_phase", "1 for the phase the sweep is in.", labels=[*labels, "phase"]
        )
        episodes = GaugeMetricFamily("seedsweep_episodes", "Episodes by state.", labels=[*labels, "state"])
        steps = GaugeMetricFamily("seedsweep_steps", "Optimizer steps, spent and saved.", labels=[*labels, "kind"])
        seconds = GaugeMetricFamily("seedsweep_gpu_seconds", "GPU seconds, spent and saved.", labels=[*labels, "kind"])
        best = GaugeMetricFamily("seedsweep_best_score", "The best validation score so far.", labels=labels)
        interruptions = CounterMetricFamily(
            "seedsweep_interruptions", "Attempts that were interrupted, by what.", labels=[*labels, "kind"]
        )
        for home, status in self._sweeps.statuses():
            where = [home.namespace, home.name]
            phases.add_metric([*where, status.phase], 1)
            for state in EpisodeCounts.model_fields:
                episodes.add_metric([*where, state], getattr(status.counts, state))
            for kind in ("useful", "overshoot", "wasted", "audit", "saved"):
                steps.add_metric([*where, kind], getattr(status.cost, f"{kind}_steps"))
            seconds.add_metric([*where, "spent"], status.cost.gpu_seconds)
            seconds.add_metric([*where, "saved"], status.cost.saved_gpu_seconds)
            for count in status.interruptions:
                interruptions.add_metric([*where, count.kind], count.attempts)
            if status.best is not None:
                best.add_metric(where, status.best.score)
        return [phases, episodes, steps, seconds, interruptions, best]
