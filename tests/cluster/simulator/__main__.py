"""Play the trainers of every sweep on a test cluster: `python -m cluster.simulator --kubeconfig F`."""

import argparse
import asyncio
import contextlib
import tempfile
from pathlib import Path

from kubernetes.aio.config import new_client_from_config

from cluster.simulator.processes import run_trainers
from cluster.simulator.script import Script
from cluster.simulator.simulator import simulate


def main() -> None:
    defaults = Script(seconds=2.0)
    parser = argparse.ArgumentParser(prog="python -m cluster.simulator", description=__doc__)
    parser.add_argument("--kubeconfig", help="default: KUBECONFIG, or ~/.kube/config")
    parser.add_argument("--evaluations", type=int, default=defaults.evaluations, help="of an episode")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="an evaluation takes on average")
    parser.add_argument("--real", action="store_true", help="run them for real, as processes of this machine")
    given = parser.parse_args()
    script = None if given.real else Script(evaluations=given.evaluations, seconds=given.seconds)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="seedsweep-trainers-") as folder:
        asyncio.run(_play(given.kubeconfig, script, Path(folder)))


async def _play(kubeconfig: str | None, script: Script | None, folder: Path) -> None:
    client = await new_client_from_config(kubeconfig)
    async with client, run_trainers(client, folder) if script is None else simulate(client, script):
        print("The trainers of all sweeps are under way. Ctrl-C ends them.", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
