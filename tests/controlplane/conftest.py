"""A real control plane with a fleet of fake GPU nodes, one a test process, and a namespace for every test."""

import itertools
import os
from collections.abc import Iterator

import pytest

from cluster import binaries
from cluster.controlplane import PROGRAMS, ControlPlane
from cluster.fleet import Fleet
from cluster.objects import Store, install_kinds
from needs import lack

# Without rights of their own: a test binds what it wants to show.
USERS: dict[str, list[str]] = {"operator": [], "viewer": [], "author": []}

MISSING = pytest.StashKey[str]()

_numbers = itertools.count(1)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before any test's time runs, with the progress in sight."""
    if not any("control_plane" in getattr(item, "fixturenames", ()) for item in session.items):
        return
    if session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            binaries.find([*PROGRAMS, "kwok"])
        except binaries.BuildError as error:
            session.config.stash[MISSING] = str(error)


@pytest.fixture(scope="session")
def programs(pytestconfig: pytest.Config) -> None:
    """What a control plane is made of is there."""
    if MISSING in pytestconfig.stash:
        lack("controlplane", f"test cluster: {pytestconfig.stash[MISSING]}")


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def kinds(control_plane: ControlPlane) -> None:
    """SeedSweeps, Episodes and Cuts, as they are published."""
    install_kinds(control_plane)


@pytest.fixture
def store(control_plane: ControlPlane, kinds: None, namespace: str) -> Store:
    """Objects of our kinds in the test's namespace."""
    return Store(control_plane, namespace)
