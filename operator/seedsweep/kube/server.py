"""The operator's own port: whether it lives, what it has done, and sweeps as they stand this moment."""

import asyncio
import hmac
import socket
from dataclasses import dataclass, replace
from types import TracebackType

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from seedsweep.kube.process.clock import now
from seedsweep.kube.process.live_key import HEADER, live_key
from seedsweep.kube.sweeps.collector import SweepsCollector, WatchesCollector
from seedsweep.kube.sweeps.fleet import Fleet
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
        self._collectors = (SweepsCollector(sweeps), WatchesCollector(health.freshness, health.watches))
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
        for collector in self._collectors:
            REGISTRY.register(collector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for collector in self._collectors:
            REGISTRY.unregister(collector)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        status, text = self._of_operator.report()
        return web.Response(status=status, text=text)

    async def _metrics(self, _: web.Request) -> web.Response:
        # Of 1,000 sweeps it takes a quarter of a second, which the loop must not be held.
        body = await asyncio.to_thread(generate_latest)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _live(self, request: web.Request) -> web.Response:
        world = self._sweeps.find(request.match_info["namespace"], request.match_info["name"])
        # One answer for a wrong word and for no such sweep: who may not read sweeps does not learn which there are.
        uid = world.sweep.metadata.uid if world is not None else None
        given = request.headers.get(HEADER, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, live_key(uid or "").encode()) or world is None:
            return web.Response(status=403, text=_NO_ENTRY)
        # What the last turn saw, with what it made of it: who watches needs no plan of their own.
        seen = replace(world.seen, status=world.status)
        # Of 10,000 episodes these are 14 MB.
        body = await asyncio.to_thread(dump_observation, seen, now())
        return web.Response(body=body, content_type="application/json")
