"""`python end_with_parent.py COMMAND...`: run a command that ends with whoever started it.

A process of its own, because a runner that is killed can end nothing any more: the runner holds the other end of
standard input, which ends with it. It imports nothing of ours, to start quickly. SIGTERM is passed on to the command's
process group; at the end of standard input, and once the command has ended, everything that is left of it is killed.
The exit code is the command's, 128 + N where signal N ended it.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_NOT_STARTED = 127


def main(command: list[str]) -> int:
    """Run the command to its end, or to the end of standard input."""
    wake, notify = os.pipe()
    for end in (wake, notify):
        os.set_blocking(end, False)
    # Handlers only note what came, and the pipe wakes the loop: a signal at any moment finds the command's pid known.
    signal.set_wakeup_fd(notify, warn_on_full_buffer=False)
    asked: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    _adopt_orphans()
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"cannot start {command[0]!r}: {error.strerror}", file=sys.stderr)
        return _NOT_STARTED
    while child.poll() is None:
        if asked:
            asked.clear()
            _signal_group(child.pid, signal.SIGTERM)
        ready, _, _ = select.select([sys.stdin, wake], [], [])
        if sys.stdin in ready and not os.read(sys.stdin.fileno(), 1):
            break
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)
    _signal_group(child.pid, signal.SIGKILL)
    code = child.wait()
    _end_orphans()
    return code if code >= 0 else 128 - code


def _adopt_orphans() -> None:
    """Become the parent of descendants that leave the process group and outlive theirs, where the system can."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_orphans() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(OSError):
        while pids := children.read_text().split():
            for pid in map(int, pids):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
