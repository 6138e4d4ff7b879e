"""Play the trainers of every sweep on a test cluster: `python -m cluster.simulator --kubeconfig F`."""

import argparse
import asyncio
import contextlib

from kubernetes.aio.config import new_client_from_config

from cluster.simulator.script import Script
from cluster.simulator.simulator import simulate


def main() -> None:
    defaults = Script(seconds=2.0)
    parser = argparse.ArgumentParser(prog="python -m cluster.simulator", description=__doc__)
    parser.add_argument("--kubeconfig", help="default: KUBECONFIG, or ~/.kube/config")
    parser.add_argument("--evaluations", type=int, default=defaults.evaluations, help="of an episode")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="an evaluation takes on average")
    given = parser.parse_args()
    script = Script(evaluations=given.evaluations, seconds=given.seconds)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_play(given.kubeconfig, script))


async def _play(kubeconfig: str | None, script: Script) -> None:
    client = await new_client_from_config(kubeconfig)  # type: ignore[no-untyped-call]
    async with client, simulate(client, script):
        print("Playing the trainers of all sweeps. Ctrl-C ends it.", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
