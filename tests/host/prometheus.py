"""Prometheus and promtool: the machine's own, or unpacked once from Debian's package into the cache."""

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from cluster.binaries import cache
from host.needs import lack
from host.ports import free_port

PACKAGE = "prometheus"
GIVE_UP_AFTER = 120
READY_WITHIN = 120.0


def find(program: str) -> str:
    """The path of `prometheus` or `promtool`; without one the test is skipped, or fails where CI requires it."""
    if own := shutil.which(program):
        return own
    cached = cache() / PACKAGE / "usr" / "bin" / program
    if not cached.exists():
        _unpack(cached.parents[2])
    return str(cached)


def _unpack(target: Path) -> None:
    """Needs no root and starts no service, unlike an installation."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        lack(PACKAGE, "prometheus and promtool, and no apt-get to get them")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=target.parent) as partial:
        done = _run(["apt-get", "--quiet", "download", PACKAGE], partial)
        if done.returncode == 0:
            (package,) = Path(partial).glob("*.deb")
            done = _run(["dpkg-deb", "--extract", str(package), f"{partial}/root"], partial)
        if done.returncode:
            lack(PACKAGE, f"prometheus: {' '.join(done.stdout.split()[-30:])}")
        if not target.exists():
            Path(partial, "root").rename(target)


def _run(command: list[str], folder: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=GIVE_UP_AFTER,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running server."""

    session: aiohttp.ClientSession
    url: str

    async def query(self, expr: str, at: float | None = None) -> list[Any]:
        """What an expression gives at a moment. Raises ValueError with what Prometheus has against it."""
        return await self._ask("query", {"query": expr, **({} if at is None else {"time": str(at)})})

    async def query_range(self, expr: str, start: float, end: float, step: float) -> list[Any]:
        """What it gives over time."""
        return await self._ask("query_range", {"query": expr, "start": str(start), "end": str(end), "step": str(step)})

    async def label_values(self, series: str, label: str) -> list[str]:
        """The values of a label among series that there are."""
        async with self.session.get(f"{self.url}/api/v1/label/{label}/values", params={"match[]": series}) as answer:
            values: list[str] = (await answer.json())["data"]
            return values

    async def _ask(self, kind: str, parameters: dict[str, str]) -> list[Any]:
        async with self.session.get(f"{self.url}/api/v1/{kind}", params=parameters) as answer:
            said = await answer.json()
        if said["status"] != "success":
            raise ValueError(f"{parameters['query']}: {said['error']}")
        result: list[Any] = said["data"]["result"]
        return result


@asynccontextmanager
async def prometheus(folder: Path, config: Mapping[str, Any]) -> AsyncIterator[Prometheus]:
    """A server with this configuration and its data in this folder, until the end of the context."""
    port = free_port()
    (folder / "prometheus.yaml").write_text(json.dumps(config))
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "--", find("prometheus")),
            *(f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"),
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as session:
            server = Prometheus(session, f"http://127.0.0.1:{port}")
            async with asyncio.timeout(READY_WITHIN):
                while not await _ready(server):
                    assert process.returncode is None, (folder / "prometheus.log").read_text()[-3000:]
                    await asyncio.sleep(0.1)
            yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _ready(server: Prometheus) -> bool:
    with suppress(aiohttp.ClientError):
        async with server.session.get(f"{server.url}/-/ready") as answer:
            return answer.status == 200
    return False
