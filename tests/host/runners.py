"""`seedsweep run` in a process of its own, to be interrupted and killed."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil

_SEEDSWEEP = "from seedsweep.cli import main; main()"


@contextmanager
def runner(*arguments: str, before: str = "") -> Iterator[subprocess.Popen[str]]:
    """`seedsweep` with these arguments, killed at the end if it still runs; `before` is Python that it runs first."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", f"{before}\n{_SEEDSWEEP}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], word: str, times: int) -> bool:
    """Read on until a word has come so often; whether it has."""
    assert process.stdout is not None
    for line in process.stdout:
        times -= word in line
        if times <= 0:
            return True
    return False


def assert_ended(processes: Sequence[psutil.Process]) -> None:
    """They end; one that only waits to be reaped has. Those that never do end the test's own time."""
    for process in processes:
        # It may also be gone between two looks at it.
        with suppress(psutil.NoSuchProcess):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                psutil.wait_procs([process], timeout=0.1)
