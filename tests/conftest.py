"""What holds for all tests."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _nothing_left_open() -> Iterator[None]:
    """A module that leaves a socket, a file or a task open fails itself.

    Else whichever test the garbage collector next runs in pays for it.
    """
    yield
    gc.collect()
