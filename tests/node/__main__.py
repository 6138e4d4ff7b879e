"""A real node by hand: `python -m node images` builds what runs on it, `python -m node up` runs one until Ctrl-C."""

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path

from cluster import binaries
from cluster.controlplane import ControlPlane
from node import debian, images
from node.machine import USERS, Node
from node.network import NodeNetwork, run_inside

NEXT = """
The node is up, until Ctrl-C, in a network of its own. Elsewhere, to go there:

  nsenter --net --mount --target $(pgrep --parent {outer} unshare)
  export KUBECONFIG={kubeconfig} PATH={tools}:$PATH

Then follow docs/install.md: both images are on the node.
"""


def main() -> int:
    """Parse the command line and do what it says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m node", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("images", help="build both images, and say how large they are")
    up = commands.add_parser("up", help="run a node with both images until Ctrl-C")
    up.add_argument("--gpus", type=int, default=4, help="that it pretends to have")
    inside = commands.add_parser("inside", help="what `up` runs in the node's network")
    inside.add_argument("gpus", type=int)
    inside.add_argument("outer", type=int)
    inside.add_argument("archives", type=Path, nargs="+")
    given = parser.parse_args()
    if given.command == "inside":
        _run(given.gpus, given.outer, given.archives)
        return 0
    try:
        debian.ensure()
        archives = images.archives()
        binaries.find()
    except (debian.LackingError, binaries.BuildError) as error:
        print(f"no node here: {error}", file=sys.stderr)
        return 1
    if given.command == "up":
        return run_inside("-m", "node", "inside", str(given.gpus), str(os.getpid()), *map(str, archives))
    for name, size in sorted(images.sizes().items()):
        print(f"{name}\t{size}")
    return 0


def _run(gpus: int, outer: int, archives: list[Path]) -> None:
    # As Ctrl-C: what was started is ended, and its folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        ControlPlane(USERS, network=NodeNetwork()) as control_plane,
        Node(control_plane, gpus=gpus) as node,
    ):
        node.load(archives)
        tools = ":".join(str(path.parent) for path in binaries.find(["kubectl", "helm"]).values())
        print(NEXT.format(outer=outer, kubeconfig=control_plane.kubeconfig(), tools=tools), flush=True)
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
