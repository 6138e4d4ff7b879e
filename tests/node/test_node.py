"""The journey on a real node, in a network, and among processes and mounts, that hold nothing else."""

import os
from pathlib import Path

import pytest

from cluster import binaries
from cluster.controlplane import PROGRAMS
from host import prometheus
from host.needs import lack
from node import debian, images, machine
from node.network import run_inside

JOURNEY = Path(__file__).with_name("journey.py")


@pytest.mark.timeout(2400)
def test_from_an_empty_cluster_to_a_winner(monkeypatch: pytest.MonkeyPatch):
    if "CI" in os.environ and "node" not in os.environ.get("SEEDSWEEP_REQUIRE", "").split(","):
        # How fast the base's torch is differs by two orders of magnitude with the BLAS and the processor.
        pytest.skip("a real node is not asked of this CI: SEEDSWEEP_REQUIRE does not name node")
    try:
        debian.ensure()
        binaries.find([*PROGRAMS, *machine.PROGRAMS, "helm"])
    except (debian.LackingError, binaries.BuildError) as error:
        lack("node", f"node: {error}")
    # Nothing can be had from inside.
    prometheus.find("prometheus")
    try:
        archives = images.archives()
    except debian.LackingError as error:
        lack("node", f"base for the images: {error}")
    monkeypatch.setenv("SEEDSWEEP_ARCHIVES", os.pathsep.join(map(str, archives)))
    options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=1800"]
    assert run_inside("-m", "pytest", *options, str(JOURNEY)) == 0
