"""The operator's own port: whether it lives, what it has done, and sweeps as they stand this moment."""

import hmac
import socket
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import TracebackType

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from seedsweep.api.status import EpisodeCounts
from seedsweep.kube.clock import now
from seedsweep.kube.fleet import Fleet
from seedsweep.kube.process.livekey import HEADER, live_key
from seedsweep.kube.watching.freshness import Freshness
from seedsweep.kube.watching.watches import Watches
from seedsweep.observation_json import dump_observation

_NO_ENTRY = f"""\
Send the header {HEADER} with status.liveKey of a SeedSweep that is under way, as `seedsweep watch` does:
kubectl get ssw NAME -o jsonpath={{.status.liveKey}}
"""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a restart would mend something."""

    freshness: Freshness
    watches: Watches

    def report(self) -> tuple[int, str]:
        """An HTTP status, and why. An API server that is away, or refuses, is no reason to be restarted."""
        troubles, overdue = self.watches.troubles, self.freshness.overdue()
        if troubles:
            return 200, "".join(f"{trouble}\n" for trouble in troubles)
        if overdue:
            return 503, f"watches are stuck: {overdue} objects changed and were never shown\n"
        return 200, "ok\n"


class Server:
    """Serves /healthz, /metrics and /v1/namespaces/NAMESPACE/sweeps/NAME. A context manager."""

    def __init__(self, listening: socket.socket, sweeps: Fleet, health: Health) -> None:
        self._listening = listening
        self._sweeps = sweeps
        self._of_operator = health
        self._collector = SweepsCollector(sweeps)
        self._runner: web.AppRunner | None = None

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
        await web.SockSite(self._runner, self._listening).start()
        REGISTRY.register(self._collector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        REGISTRY.unregister(self._collector)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        status, text = self._of_operator.report()
        return web.Response(status=status, text=text)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _live(self, request: web.Request) -> web.Response:
        world = self._sweeps.find(request.match_info["namespace"], request.match_info["name"])
        # One answer for a wrong word and for no such sweep: who may not read sweeps does not learn which there are.
        uid = world.sweep.metadata.uid if world is not None else None
        given = request.headers.get(HEADER, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, live_key(uid or "").encode()) or world is None:
            return web.Response(status=403, text=_NO_ENTRY)
        # What the last turn saw, with what it made of it: who watches needs no plan of their own.
        seen = replace(world.seen, status=world.status)
        return web.Response(body=dump_observation(seen, now()), content_type="application/json")


class SweepsCollector(Collector):
    """What is known about sweeps, collected when it is asked for."""

    def __init__(self, sweeps: Fleet) -> None:
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
