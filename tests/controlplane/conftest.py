"""A real control plane with a fleet of fake GPU nodes, one a test process, and a namespace for every test."""

import itertools
import os
from collections.abc import Iterator

import pytest

from cluster import binaries
from cluster.controlplane import PROGRAMS, ControlPlane
from cluster.fleet import Fleet
from cluster.objects import Store, install_kinds
from host.needs import lack

# Without rights of their own: a test binds what it wants to show.
USERS: dict[str, list[str]] = {"operator": [], "viewer": [], "author": []}

NEEDED = {"programs": [*PROGRAMS, "kwok"], "queue_programs": ["kueue", "helm"]}
"""Programs by the fixture that stands for them."""
MISSING = pytest.StashKey[dict[str, str]]()
"""By the same: why they are not there."""

_numbers = itertools.count(1)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before any test's time runs, with the progress in sight."""
    if session.config.option.collectonly:
        return
    used = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    missing = session.config.stash[MISSING] = {}
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        for fixture, names in NEEDED.items():
            try:
                binaries.find(names if fixture in used else ())
            except binaries.BuildError as error:
                missing[fixture] = str(error)


@pytest.fixture(scope="session")
def programs(pytestconfig: pytest.Config) -> None:
    """What a control plane is made of is there."""
    if (why := pytestconfig.stash[MISSING].get("programs")) is not None:
        lack("controlplane", f"test cluster: {why}")


@pytest.fixture(scope="session")
def queue_programs(pytestconfig: pytest.Config) -> None:
    """What Kueue is made of is there."""
    if (why := pytestconfig.stash[MISSING].get("queue_programs")) is not None:
        lack("kueue", f"Kueue: {why}")


@pytest.fixture(scope="package")
def control_plane(programs: None) -> Iterator[ControlPlane]:
    """The test process's control plane: 8 nodes with 8 GPUs each, `admin`, and the users in USERS."""
    with ControlPlane(USERS) as running, Fleet(running):
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own, deleted afterwards, not waited for."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    control_plane.create_namespace(name)
    yield name
    control_plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="package")
def kinds(control_plane: ControlPlane) -> None:
    """SeedSweeps, Episodes and Cuts, as they are published."""
    install_kinds(control_plane)


@pytest.fixture
def store(control_plane: ControlPlane, kinds: None, namespace: str) -> Store:
    """Objects of our kinds in the test's namespace."""
    return Store(control_plane, namespace)
