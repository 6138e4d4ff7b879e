"""The test cluster by hand: `python -m cluster build` makes its programs, `python -m cluster up` runs one."""

import argparse
import contextlib
import signal
import sys
import time

from cluster import binaries
from cluster.controlplane import PROGRAMS, ControlPlane
from cluster.fleet import Fleet
from cluster.objects import install_kinds

NEXT = """
The cluster is up, until Ctrl-C. Elsewhere, each terminal with

  export KUBECONFIG={kubeconfig} PATH={tools}:$PATH

  .venv/bin/seedsweep operator                              # the operator
  PYTHONPATH=tests .venv/bin/python -m cluster.simulator    # plays the trainers of all pods
  kubectl apply -f examples/quickstart.yaml
  kubectl get ssw,epi,cuts,pods
"""


def main() -> int:
    """Parse the command line and do what it says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build the programs that are missing, and say where they are")
    build.add_argument("names", nargs="*", choices=[*binaries.TOOLS, []], help="default: all")
    up = commands.add_parser("up", help="run a control plane and a fleet of fake GPU nodes until Ctrl-C")
    up.add_argument("--nodes", type=int, default=8)
    up.add_argument("--gpus-per-node", type=int, default=8)
    given = parser.parse_args()
    try:
        if given.command == "build":
            for name, path in binaries.find(given.names or binaries.TOOLS).items():
                print(f"{name}\t{path}")
        else:
            _run(given.nodes, given.gpus_per_node)
    except binaries.BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(nodes: int, gpus_per_node: int) -> None:
    # As Ctrl-C: what was started is ended, and its folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    binaries.find([*PROGRAMS, "kwok"])
    begun = time.monotonic()
    with (
        contextlib.suppress(KeyboardInterrupt),
        ControlPlane() as control_plane,
        Fleet(control_plane, nodes=nodes, gpus_per_node=gpus_per_node),
    ):
        kubeconfig = control_plane.kubeconfig()
        install_kinds(control_plane)
        print(f"{nodes} nodes with {gpus_per_node} GPUs each, in {time.monotonic() - begun:.1f} s")
        print(NEXT.format(kubeconfig=kubeconfig, tools=control_plane.kubectl.parent), flush=True)
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
