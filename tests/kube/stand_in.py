"""A stand-in for an API server that answers everything alike, and a kubeconfig that names it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer


@dataclass
class StandIn:
    """A running one; the next answers are as its fields say."""

    server: BaseTestServer
    status: int = 200
    body: Any = None

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")


@asynccontextmanager
async def standing_in() -> AsyncIterator[StandIn]:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(found.body, status=found.status)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        found = StandIn(server)
        yield found


def write_kubeconfig(path: Path, url: str) -> None:
    content = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
    }
    path.write_text(json.dumps(content))
