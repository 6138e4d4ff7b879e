"""What holds for all tests."""

import gc
from collections.abc import Iterator

import psutil
import pytest

WORKER_BYTES = 3 << 30
"""What a worker takes: torch, a control plane, and trainers of its own."""


def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: more than there are cores, as most tests of the operator wait; fewer where memory is short."""
    fitting = psutil.virtual_memory().available // WORKER_BYTES
    return max(1, min((psutil.cpu_count() or 1) + 2, fitting))


@pytest.fixture(autouse=True, scope="module")
def _nothing_left_open() -> Iterator[None]:
    """A module that leaves a socket, a file or a task open fails itself.

    Else whichever test the garbage collector next runs in pays for it.
    """
    yield
    gc.collect()
