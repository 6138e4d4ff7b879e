"""Processes that end with the runner, whatever ends it: our own trainer by a fork server, others under a guard.

A guard is a process that runs end_with_parent.py. Server and guards read a pipe that only the runner writes to, and
end what they started at its end.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from seedsweep.local.processes import end_with_parent
from seedsweep.local.processes.environment import TRAINER

_CLOSE_SECONDS = 5.0


class Running(Protocol):
    """A process that was launched."""

    async def wait(self) -> int | None:
        """Its exit code, 128 + N where signal N ended it; None where it vanished without one."""
        ...

    def terminate(self) -> None:
        """Ask it to end (SIGTERM); nothing where it has ended."""
        ...

    def kill(self) -> None:
        """End it now, with all that it started."""
        ...


class Launcher(Protocol):
    """Starts processes that end with this one."""

    async def launch(self, command: Sequence[str], variables: Mapping[str, str], log: Path) -> Running:
        """Start a command with these variables beside this process's own; its output goes to `log`.

        Raises OSError where it cannot be started.
        """
        ...

    async def close(self) -> None:
        """End whatever is left."""
        ...


class RunningCommand:
    """A command in a process group of its own, under a guard."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def wait(self) -> int | None:
        """See Running."""
        return await self._process.wait()

    def terminate(self) -> None:
        """See Running."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """See Running: the guard, which must outlive the command, is told by the end of its input."""
        assert self._process.stdin is not None  # a pipe was asked for
        self._process.stdin.close()


class CommandLauncher:
    """Starts commands of any kind."""

    def __init__(self, folder: Path, lock: int) -> None:
        """Commands run in `folder`; guards hold the descriptor `lock` until everything has ended."""
        self._folder = folder
        self._lock = lock
        self._started: list[RunningCommand] = []

    async def launch(self, command: Sequence[str], variables: Mapping[str, str], log: Path) -> RunningCommand:
        """See Launcher."""
        with _appending(log) as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", end_with_parent.__file__, *command),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env={**os.environ, "PATH": _own_path(), **variables},
                # Ctrl-C in the terminal is for the runner, which decides what becomes of its processes.
                start_new_session=True,
                pass_fds=(self._lock,),
            )
        started = RunningCommand(process)
        self._started.append(started)
        return started

    async def close(self) -> None:
        """See Launcher."""
        for started in self._started:
            started.kill()
        await asyncio.gather(*(started.wait() for started in self._started))


def _own_path() -> str:
    """PATH with this interpreter's folder first: `python` in a command has the packages that SeedSweep has."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


class ForkedTrainer:
    """An attempt that the fork server forked."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._pid: int | None = None
        self._asked: signal.Signals | None = None
        self._ended: asyncio.Future[int | None] = loop.create_future()

    async def wait(self) -> int | None:
        """See Running."""
        return await asyncio.shield(self._ended)

    def terminate(self) -> None:
        """See Running."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """See Running."""
        self._signal(signal.SIGKILL)

    def began(self, pid: int) -> None:
        """The server has forked it."""
        self._pid = pid
        if self._asked is not None:
            self._signal(self._asked)

    def end(self, code: int | None) -> None:
        """The server has reaped it, or is gone."""
        if not self._ended.done():
            self._ended.set_result(code if code is None or code >= 0 else 128 - code)

    def lose_server(self, code: int | None) -> None:
        """Its server ended with this code: what had not begun ended with it, the rest may not go on unseen."""
        self.kill()
        self.end(code if self._pid is None else None)

    def _signal(self, number: signal.Signals) -> None:
        if self._pid is None:
            self._asked = number
        elif not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)


class ForkLauncher:
    """Starts our own trainer in milliseconds: forks of one process that has imported everything already."""

    def __init__(self, environment: Mapping[str, str], log: Path, lock: int) -> None:
        """`environment` is what must stand before the imports; the server prints to `log` and holds `lock`."""
        self._environment = environment
        self._log = log
        self._lock = lock
        self._server: asyncio.subprocess.Process | None = None
        self._children: dict[str, ForkedTrainer] = {}
        self._listener: asyncio.Task[None] | None = None

    async def launch(self, command: Sequence[str], variables: Mapping[str, str], log: Path) -> ForkedTrainer:
        """See Launcher; only commands of our own trainer."""
        if self._listener is None or self._listener.done():
            await self._start()
        assert self._server is not None
        assert self._server.stdin is not None  # a pipe was asked for
        key = str(uuid.uuid4())
        child = self._children[key] = ForkedTrainer()
        arguments = list(command[len(TRAINER) :])
        request = {"id": key, "env": dict(variables), "stdout": str(log), "arguments": arguments}
        self._server.stdin.write(json.dumps(request).encode() + b"\n")
        return child

    async def close(self) -> None:
        """See Launcher."""
        if self._server is not None and self._listener is not None:
            assert self._server.stdin is not None  # a pipe was asked for
            self._server.stdin.close()
            try:
                await asyncio.wait_for(self._listener, _CLOSE_SECONDS)
            except TimeoutError:
                # It still imports, or hangs; what it forked ends with it.
                self._server.kill()
                await self._server.wait()

    async def _start(self) -> None:
        with _appending(self._log) as output:
            self._server = await asyncio.create_subprocess_exec(
                *(*TRAINER, "warm"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                env={**os.environ, **self._environment},
                start_new_session=True,
                pass_fds=(self._lock,),
            )
        self._listener = asyncio.create_task(self._listen(self._server))

    async def _listen(self, server: asyncio.subprocess.Process) -> None:
        assert server.stdout is not None  # a pipe was asked for
        async for line in server.stdout:
            told = json.loads(line)
            if "pid" in told:
                self._children[told["id"]].began(told["pid"])
            else:
                self._children.pop(told["id"]).end(told["exit"])
        code = await server.wait()
        orphans, self._children = self._children, {}
        for child in orphans.values():
            child.lose_server(code)


def _appending(log: Path) -> BinaryIO:
    return log.open("ab")
