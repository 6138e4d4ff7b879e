"""What a kubelet serves of containers' logs, for all fake nodes at one address."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from cluster.controlplane import ControlPlane
from host.listening import serving


@asynccontextmanager
async def serving_logs(control_plane: ControlPlane, log: str) -> AsyncIterator[list[str]]:
    """Within this context every container has printed `log`; yields the pods that were asked for, by name."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.match_info["pod"])
        lines = log.splitlines(keepends=True)[-int(request.query.get("tailLines", "0")) :]
        return web.Response(text="".join(lines)[: int(request.query["limitBytes"])])

    app = web.Application()
    app.add_routes([web.get("/containerLogs/{namespace}/{pod}/{container}", answer)])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificates = control_plane.folder / "certificates"
    tls.load_cert_chain(certificates / "apiserver.crt", certificates / "apiserver.key")
    host = control_plane.network.host
    address = {"addresses": [{"type": "InternalIP", "address": host}]}
    async with serving(web.AppRunner(app), host, tls) as port:
        try:
            await _tell_nodes(control_plane, {**address, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}})
            yield asked
        finally:
            await _tell_nodes(control_plane, {"addresses": None, "daemonEndpoints": None})


async def _tell_nodes(control_plane: ControlPlane, status: dict[str, object]) -> None:
    _, nodes = await asyncio.to_thread(control_plane.request, "GET", "/api/v1/nodes")
    for node in nodes["items"]:
        path = f"/api/v1/nodes/{node['metadata']['name']}/status"
        code, answer = await asyncio.to_thread(control_plane.request, "PATCH", path, {"status": status})
        assert code == 200, answer
