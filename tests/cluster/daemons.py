"""The cluster's processes: started with a log each, killed together, and never left behind."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TAIL_LINES = 15

# Marked to die with its parent; and where that was killed before the mark, its child has another one by now.
DIE_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"']


class DaemonError(Exception):
    """A daemon ended or did not become ready; the message ends with the tail of its log."""


class Daemons:
    """Long-running processes by name, with their logs in one folder.

    The kernel kills a child marked with a parent-death signal when the *thread* that started it ends: one thread
    starts them all and lives as long as this object, so a caller's thread pool may come and go, and a test run
    that is killed takes its cluster with it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="daemons")
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str]) -> None:
        """Start a process; its output is appended to NAME.log."""
        self._running[name] = self._starter.submit(self._spawn, name, command).result()

    def kill(self, name: str) -> None:
        """End a process as a power cut would, and wait until it is gone."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def check(self, name: str) -> None:
        """Raise DaemonError if a process has ended."""
        code = self._running[name].poll()
        if code is not None:
            raise DaemonError(f"{name} ended with code {code}:\n{self.tail(name)}")

    def tail(self, name: str) -> str:
        """The last lines of a process's log."""
        lines = (self._folder / f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def pids(self) -> dict[str, int]:
        """The process ids of what runs, by name."""
        return {name: process.pid for name, process in self._running.items()}

    def close(self) -> None:
        """Kill everything, the last started first."""
        for name in reversed(list(self._running)):
            self.kill(name)
        self._starter.shutdown()

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*DIE_WITH_PARENT, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C meant for us is not theirs
            )
