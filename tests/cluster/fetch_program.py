"""`seedsweep fetch` through a real API server's proxy to a pod in which the real `seedsweep-trainer serve` runs.

A program of its own, for the network of own_network.py: it serves the claim from CLAIM, a folder, has the winner
fetched to TO, and prints what the command prints and which pods are left. What lies in CLAIM/attempts becomes what the
sweep's attempts left, whose place has a UID that only the API server gives.
"""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from cluster.controlplane import ControlPlane
from cluster.objects import install_kinds
from cluster.own_network import ADDRESS
from cluster.recorded import Cluster, Object
from inputs import records
from seedsweep.api.sweep import ClaimSource, Storage
from seedsweep.kube.pods.manifest import STORAGE

FOLDER = "nlp/uid/best"
_POLL_SECONDS = 0.1


def stored(record: records.Record) -> records.Record:
    """The record of a sweep whose winner is in a claim."""
    assert record.status.best is not None
    best = record.status.best.evolve(weights=f"persistentVolumeClaim/team:{FOLDER}")
    spec = record.sweep.spec
    storage = Storage(persistent_volume_claim=ClaimSource(claim_name="team"))
    spec = spec.evolve(storage=storage, trainer=spec.trainer.evolve(image="example/trainer:1"))
    return records.Record(record.sweep.evolve(spec=spec), record.episodes, record.cuts).with_status(best=best)


async def play_node(control_plane: ControlPlane, claim: Path) -> None:
    """Run the one pod that comes, as its node would: its command, on its address, with the claim mounted."""
    pods = "/api/v1/namespaces/nlp/pods"
    while True:
        _, found = await asyncio.to_thread(control_plane.request, "GET", pods)
        if found["items"]:
            break
        await asyncio.sleep(_POLL_SECONDS)
    pod: Object = found["items"][0]
    container = pod["spec"]["containers"][0]
    assert container["command"] == ["seedsweep-trainer", "serve"], container["command"]
    arguments = [argument.replace(STORAGE, str(claim)) for argument in container["args"]]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "seedsweep_trainer", "serve", f"--host={ADDRESS}", *arguments
    )
    status = {"phase": "Running", "podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}
    name = pod["metadata"]["name"]
    await asyncio.to_thread(control_plane.request, "PATCH", f"{pods}/{name}/status", {"status": status})
    try:
        await asyncio.Event().wait()
    finally:
        process.terminate()
        await process.wait()


async def main(claim: Path, to: Path) -> int:
    """Record a sweep and fetch its winner; returns the exit code of the fetch."""
    with ControlPlane({}) as control_plane:
        install_kinds(control_plane)
        control_plane.create_namespace("nlp")
        cluster = Cluster(control_plane, "nlp", stored(records.finished()))
        cluster.write()
        cluster.publish()
        (claim / "nlp" / cluster.uid).mkdir()
        (claim / "attempts").rename(claim / "nlp" / cluster.uid / "attempts")
        node = asyncio.create_task(play_node(control_plane, claim))
        fetch = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from seedsweep.cli import main; main()", "fetch", "rte", "--to", str(to)),
            env=os.environ | {"KUBECONFIG": str(control_plane.kubeconfig(namespace="nlp"))},
        )
        code = await fetch.wait()
        node.cancel()
        with suppress(asyncio.CancelledError):
            await node
        _, left = control_plane.request("GET", "/api/v1/namespaces/nlp/pods")
        going = [pod for pod in left["items"] if not pod["metadata"].get("deletionTimestamp")]
        print(f"{len(going)} pods are left")
        return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]))))
