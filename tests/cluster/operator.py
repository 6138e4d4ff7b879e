"""The operator as its image runs it: a process with a kubeconfig, started, killed and started again."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from cluster.controlplane import ControlPlane
from cluster.rights import USER

READY_WITHIN = 180.0
ENDS_WITHIN = 90.0
"""Seconds: what does not end by itself, kopf ends after 30."""


class OperatorError(Exception):
    """The operator ended, or did not become ready; the message ends with its log."""


@dataclass
class Operator:
    """One operator of some namespaces; `kubeconfig` names the API server it sees."""

    kubeconfig: Path
    namespaces: Sequence[str]
    port: int
    log: Path
    relist_seconds: float = 300.0
    options: tuple[str, ...] = ()
    """Further ones of its command line."""
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it answers. Raises OperatorError."""
        arguments = [f"--namespace={namespace}" for namespace in self.namespaces]
        arguments += ["--port", str(self.port), "--relist-seconds", str(self.relist_seconds), *self.options]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *(sys.executable, "-m", "seedsweep.kube", *arguments),
                env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not await self.answers():
                    if self._process.returncode is not None:
                        raise OperatorError(f"it ended with code {self._process.returncode}:\n{self.log.read_text()}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise OperatorError(f"it does not answer after {READY_WITHIN:.0f} s:\n{self.log.read_text()}") from None

    async def answers(self) -> bool:
        """Whether it says that it is well."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}/healthz") as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def metrics(self) -> str:
        """What it says about itself."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}/metrics") as answer,
        ):
            return await answer.text()

    async def ended(self) -> int:
        """Wait until it has ended by itself; its exit code. Raises TimeoutError."""
        assert self._process is not None  # it was started
        async with asyncio.timeout(ENDS_WITHIN):
            return await self._process.wait()

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and wait until it has. Raises TimeoutError, and kills it, where it does not."""
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.returncode is None:
            process.send_signal(how)
        try:
            async with asyncio.timeout(ENDS_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise


def kubeconfig_through(control_plane: ControlPlane, url: str, path: Path) -> Path:
    """A kubeconfig of the operator's user that names another address, such as a proxy's."""
    content = json.loads(control_plane.kubeconfig(USER).read_text())
    content["clusters"][0]["cluster"] = {"server": url}
    path.write_text(json.dumps(content))
    return path


@asynccontextmanager
async def operating(operator: Operator) -> AsyncIterator[Operator]:
    """An operator that has been started, and is killed at the end."""
    try:
        await operator.start()
        yield operator
    finally:
        await operator.kill()
