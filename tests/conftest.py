"""What holds for all tests."""

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from host.s3 import S3Server

# Also where nothing sets CI: the same inputs every time, and no limit that a busy machine breaks.
settings.load_profile("ci")
# A shell that starts the tests in the background ignores it, for their children too; some tests send it to these.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are cores: a test with a cluster waits for much of its time."""
    return (os.cpu_count() or 2) * 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that need a cluster take longest: where workers share the tests, none of them comes last."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path.parent.name != "controlplane")


def pytest_sessionfinish() -> None:
    """What `_nothing_left_open` has frozen would never be released."""
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="module")
def _nothing_left_open() -> Iterator[None]:
    """A module that leaves a socket, a file or a task open fails itself.

    Else whichever test the garbage collector next runs in pays for it.
    """
    # Libraries and tests are no garbage, and half a second's work to look through. The operator unfreezes them.
    if not gc.get_freeze_count():
        gc.freeze()
    yield
    gc.collect()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One for all tests that leave it running; each uses a folder of its own."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """A real S3 server, whose client this process is."""
    s3_server.set_up(monkeypatch)
    return s3_server
