"""A network, and processes and mounts, that hold nothing but one node and its cluster, and vanish with it."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster.binaries import MODULES

TESTS = MODULES.parents[1]
ADDRESS = "198.51.100.1"
"""The node's own. Set aside for documentation: no machine has it."""

POD_ADDRESSES = "10.244.0.0/24"

# Pods' addresses exist in here only. The way out leads nowhere: nothing that is sent leaves this network.
_NETWORK = f"ip link set lo up && ip addr add {ADDRESS}/32 dev lo && ip route add default dev lo"
_ENTER = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]


class NodeNetwork:
    """The network as a control plane sees it: an address that pods reach, too."""

    host = ADDRESS
    pods = POD_ADDRESSES

    def close(self) -> None:
        """Nothing to give back."""


def run_inside(*command: str) -> int:
    """Run a command in a network of its own, with this Python; its exit code. Needs root.

    When it ends, so does whatever it has started: pods, too, which are nobody's children. Only then can their files
    be removed, as their mounts are gone.
    """
    # Not below /tmp, which may be memory.
    folder = Path(tempfile.mkdtemp(prefix="seedsweep-node-", dir="/var/tmp"))
    paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": paths}
    try:
        enter = [*_ENTER, f'{_NETWORK} && exec "$@"', "sh"]
        return subprocess.run([*enter, sys.executable, *command], env=environment, check=False).returncode
    finally:
        shutil.rmtree(folder)
        _forget_groups()


def _forget_groups() -> None:
    """Remove the control groups of pods that are no more: no kubelet is left to do it."""
    for pod in Path("/sys/fs/cgroup").glob("*/kubepods/**/pod*"):
        for group in [*sorted(pod.rglob("*/"), reverse=True), pod]:
            # One with a process in it belongs to somebody else.
            with contextlib.suppress(OSError):
                group.rmdir()
