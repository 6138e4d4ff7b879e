"""`seedsweep watch` of a sweep under way, through a real API server's proxy to the operator's service.

A program of its own, for the network of own_network.py: it plays a sweep and prints what `seedsweep watch` does.
"""

import asyncio
import os
import sys

from cluster.controlplane import ControlPlane
from cluster.fleet import Fleet
from cluster.own_network import ADDRESS
from cluster.rights import USER
from cluster.simulator.script import Script
from cluster.trial import on_trial, sweep_of

HOME, SERVICE = "seedsweep-system", "seedsweep-operator"


def publish(control_plane: ControlPlane, port: int) -> None:
    """The operator's service, as if the operator were a pod of the cluster."""
    control_plane.create_namespace(HOME)
    folder = f"/api/v1/namespaces/{HOME}"
    container = {"name": "operator", "image": "operator:1"}
    # Of a node that does not exist, so that nobody else gives it an address.
    control_plane.create(
        f"{folder}/pods", {"metadata": {"name": "operator"}, "spec": {"nodeName": "none", "containers": [container]}}
    )
    status = {"podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}
    code, answer = control_plane.request("PATCH", f"{folder}/pods/operator/status", {"status": status})
    assert code == 200, answer
    control_plane.create(
        f"{folder}/services", {"metadata": {"name": SERVICE}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    )
    addresses = [{"ip": ADDRESS, "targetRef": {"kind": "Pod", "name": "operator", "namespace": HOME}}]
    subset = {"addresses": addresses, "ports": [{"name": "http", "port": port}]}
    control_plane.create(f"{folder}/endpoints", {"metadata": {"name": SERVICE}, "subsets": [subset]})


async def main() -> int:
    """Play a sweep and watch it; returns the exit code of the watch."""
    with ControlPlane({USER: []}) as control_plane, Fleet(control_plane):
        control_plane.create_namespace("nlp")
        async with on_trial(control_plane, "nlp", Script(seconds=1.0)) as trial:
            publish(control_plane, trial.operator.port)
            await trial.apply(sweep_of())
            watch = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", "from seedsweep.cli import main; main()", "watch", "demo"),
                env=os.environ | {"KUBECONFIG": str(control_plane.kubeconfig(namespace="nlp"))},
            )
            code = await watch.wait()
            answers = [event.code for event in control_plane.audit() if event.subresource == "proxy"]
            print(f"{answers.count(200)} live views")
            return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
