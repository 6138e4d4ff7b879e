"""A stand-in for the API server with one sweep and its record, for those who come to read it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import ApiClient, Configuration

from inputs import records
from seedsweep.api.cut import Cut
from seedsweep.api.episode import Episode
from seedsweep.cluster.observer import Service
from seedsweep.kube.apiserver.client import ONCE, Api
from seedsweep.kube.objects import names

OPERATOR = Service("seedsweep-system", "seedsweep-operator", "http")
UID = "uid-of-rte"
KEY = "word"
Object = dict[str, Any]
FORBIDDEN = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no right to services/proxy"}


def body_of(record: records.Record, **update: object) -> Object:
    """The sweep as the API server has it, with parts of its status replaced."""
    sweep = record.with_status(**update).sweep if update else record.sweep
    found: Object = sweep.model_dump(mode="json", by_alias=True, exclude_none=True)
    found["metadata"] |= {"namespace": "nlp", "uid": UID, "resourceVersion": "7", "generation": 1, "managedFields": []}
    return found


def running(record: records.Record, live_key: str | None = KEY) -> Object:
    return body_of(record, phase="Running", completion_time=None, conditions=[], best=None, live_key=live_key)


def owned(found: Episode | Cut) -> Object:
    item: Object = found.model_dump(mode="json", by_alias=True, exclude_none=True)
    item["metadata"] |= {"resourceVersion": "3", "ownerReferences": [names.owner_reference("rte", UID)]}
    return item


@dataclass
class Cluster:
    """What the stand-in serves; the last of `sweeps` stays, the ones before it are served once each."""

    sweeps: list[Object | int] = field(default_factory=list)
    """An HTTP status in place of an object is an error."""
    others: Sequence[str] = ()
    episodes: Sequence[Episode] = ()
    cuts: Sequence[Cut] = ()
    operator: list[bytes | Object | None] = field(default_factory=lambda: [FORBIDDEN])
    """Answers of the operator's service, in the same way; an object is a refusal by the API server, None its own."""
    keys: list[str | None] = field(default_factory=list)
    """What the operator's service was asked with."""
    lists: int = 0
    tokens: set[str] = field(default_factory=set)

    async def sweep(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization", ""))
        found = self.sweeps.pop(0) if len(self.sweeps) > 1 else self.sweeps[0]
        if isinstance(found, int):
            return web.json_response(
                {"kind": "Status", "reason": "NotFound", "message": f"it is {found}"}, status=found
            )
        return web.json_response(found)

    async def live(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("X-SeedSweep-Key"))
        found = self.operator.pop(0) if len(self.operator) > 1 else self.operator[0]
        if isinstance(found, bytes):
            return web.Response(body=found, content_type="application/json")
        if found is None:
            return web.Response(status=403, text="Send the header X-SeedSweep-Key")
        return web.json_response(found, status=found["code"])

    async def list(self, request: web.Request) -> web.Response:
        self.lists += 1
        self.tokens.add(request.headers.get("Authorization", ""))
        items: dict[str, list[Object]] = {
            "seedsweeps": [{"metadata": {"name": name}} for name in self.others],
            "episodes": [owned(episode) for episode in self.episodes],
            "cuts": [owned(cut) for cut in self.cuts],
        }
        return web.json_response({"metadata": {}, "items": items[request.match_info["plural"]]})

    def app(self) -> web.Application:
        app = web.Application()
        collection = "/apis/seedsweep.io/v1alpha1/namespaces/nlp"
        app.add_routes(
            [
                web.get(f"{collection}/seedsweeps/rte", self.sweep),
                web.get(f"{collection}/{{plural}}", self.list),
                web.get(f"{OPERATOR.proxy}/v1/namespaces/nlp/sweeps/rte", self.live),
            ]
        )
        return app


def finished_cluster(**given: Any) -> Cluster:
    record = records.finished()
    return Cluster(episodes=record.episodes, cuts=record.cuts, **{"sweeps": [body_of(record)], **given})


@asynccontextmanager
async def served(cluster: Cluster) -> AsyncIterator[Api]:
    """The stand-in, as a client sees it."""
    async with (
        TestServer(cluster.app()) as server,
        ApiClient(Configuration(host=str(server.make_url("")).rstrip("/"))) as client,
    ):
        yield Api(client, ONCE)
