"""From `kubectl apply` to 500 pods: the operator, Kubernetes' own indexed Job, and a bare client, on one control plane.

    python bench/pod_creation.py

Bars: at least 10 times as fast as the Job with the controller manager's default limits (20 requests a second), no
slower than with 1,000 a second, and at least 0.6 of what a client does that POSTs the same pods 64 at a time. For
a pod the operator, which also judges, watches and records, takes at most 3 times the client's processor time, until
all pods run. A client that watches its pods, too, and only parses what it is sent, shows how little that can be.
"""

import asyncio
import copy
import json
import statistics
import time
from datetime import datetime
from functools import partial

import aiohttp
import psutil

import machine
from on_cluster import (
    NAMESPACE,
    PODS,
    SWEEPS,
    ControlPlane,
    Object,
    all_at_once,
    cluster,
    operator,
    raw_client,
    sweep,
    wait_for,
)

PODS_WANTED = 500
RUNS = 3
OPERATORS_CPU, CLIENTS_CPU = "operator's processor", "client's processor"
WATCHERS_CPU = "processor of a client that watches"
SETTLED_SECONDS = 2.0
"""Once all pods run, the operator has taken in what the watch shows of them after so long."""


def pods_created(plane: ControlPlane, since: int) -> list[datetime]:
    """When each pod was created; a trial by dry run creates none."""
    wanted = ("create", "pods", "", 201)
    events = [e for e in plane.audit(since) if (e.verb, e.resource, e.subresource, e.code) == wanted]
    return [e.at for e in events if not e.name.endswith("-probe")]


def seconds_to_all(plane: ControlPlane, since: int, resource: str) -> float:
    """From the POST of a resource to that of the last pod, by the API server's own log."""
    wait_for(lambda: len(pods_created(plane, since)) == PODS_WANTED)
    begun = next(e.at for e in plane.audit(since) if (e.verb, e.resource) == ("create", resource))
    return (max(pods_created(plane, since)) - begun).total_seconds()


def clear(plane: ControlPlane) -> None:
    """Delete all pods and wait until they are gone."""
    plane.request("DELETE", PODS, {"gracePeriodSeconds": 0})
    wait_for(lambda: not plane.request("GET", PODS)[1]["items"])


def by_operator(plane: ControlPlane, process: psutil.Process, run: int) -> tuple[float, float, Object]:
    """Seconds, the operator's seconds of processor, and one of its pods."""
    since, before = plane.audit_position(), _processor_seconds(process)
    plane.create(SWEEPS, sweep(f"bench-{run}", 25, 20, keep=50))
    seconds = seconds_to_all(plane, since, "seedsweeps")
    wait_for(lambda: all(pod["status"]["phase"] == "Running" for pod in plane.request("GET", PODS)[1]["items"]))
    time.sleep(SETTLED_SECONDS)
    processor = _processor_seconds(process) - before
    pod = plane.request("GET", f"{PODS}/bench-{run}-wi0-do0")[1]
    plane.request("DELETE", f"{SWEEPS}/bench-{run}")
    clear(plane)
    return seconds, processor, pod


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def by_job(plane: ControlPlane, run: int, pod: Object) -> float:
    """Seconds of an indexed Job of the same pods."""
    since = plane.audit_position()
    path = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
    spec = {
        "completions": PODS_WANTED,
        "parallelism": PODS_WANTED,
        "completionMode": "Indexed",
        "template": {"metadata": {"labels": {"of": "job"}}, "spec": pod["spec"]},
    }
    plane.create(path, {"metadata": {"name": f"job-{run}"}, "spec": spec})
    seconds = seconds_to_all(plane, since, "jobs")
    plane.request("DELETE", f"{path}/job-{run}", {"propagationPolicy": "Background"})
    clear(plane)
    return seconds


async def by_client(plane: ControlPlane, pod: Object) -> tuple[float, float]:
    """Seconds of a client that does nothing else, and its seconds of processor."""
    bodies = _bodies(pod)
    async with raw_client(plane) as session:
        before = time.process_time()
        seconds = await all_at_once([partial(session.post, PODS, json=body) for body in bodies])
        return seconds, time.process_time() - before


async def by_watching_client(plane: ControlPlane, pod: Object) -> float:
    """Seconds of processor of a client that also watches its pods until all of them run."""
    bodies = _bodies(pod)
    async with raw_client(plane) as session:
        before = time.process_time()
        async with session.get(PODS) as response:
            version = (await response.json())["metadata"]["resourceVersion"]
        watching = asyncio.create_task(_watch_until_all_run(session, version))
        await all_at_once([partial(session.post, PODS, json=body) for body in bodies])
        await watching
        return time.process_time() - before


async def _watch_until_all_run(session: aiohttp.ClientSession, version: str) -> None:
    running = set()
    async with session.get(PODS, params={"watch": "true", "resourceVersion": version}) as response:
        async for line in response.content:
            shown = json.loads(line)["object"]
            if shown["status"]["phase"] == "Running":
                running.add(shown["metadata"]["uid"])
            if len(running) == PODS_WANTED:
                return


def _bodies(pod: Object) -> list[Object]:
    bodies = []
    for i in range(PODS_WANTED):
        body = copy.deepcopy(pod)
        body["metadata"] = {"name": f"bare-{i}", "labels": pod["metadata"]["labels"]}
        bodies.append(body)
    return bodies


def _template(pod: Object) -> Object:
    """A pod as it was before the API server and the scheduler filled it in."""
    spec = {k: v for k, v in pod["spec"].items() if k not in ("nodeName", "serviceAccount", "serviceAccountName")}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": pod["metadata"]["labels"]}, "spec": spec}


def measure(controller_qps: float) -> dict[str, float]:
    """Medians of all contestants on one control plane, taking turns; of processor time where the name says so."""
    contestants = ("operator", "Job", "client", OPERATORS_CPU, CLIENTS_CPU, WATCHERS_CPU)
    seconds: dict[str, list[float]] = {who: [] for who in contestants}
    with cluster(nodes=8, gpus_per_node=64, controller_qps=controller_qps) as plane:
        for run in range(RUNS):
            with operator(plane) as process:
                ours, processor, pod = by_operator(plane, process, run)
            template = _template(pod)
            seconds["operator"].append(ours)
            seconds[OPERATORS_CPU].append(processor)
            seconds["Job"].append(by_job(plane, run, template))
            client, processor = asyncio.run(by_client(plane, template))
            seconds["client"].append(client)
            seconds[CLIENTS_CPU].append(processor)
            clear(plane)
            seconds[WATCHERS_CPU].append(asyncio.run(by_watching_client(plane, template)))
            clear(plane)
    return {who: statistics.median(found) for who, found in seconds.items()}


def main() -> None:
    print(machine.described())
    for qps in (20.0, 1000.0):
        found = measure(qps)
        times = ", ".join(f"{who} {seconds:.2f} s" for who, seconds in found.items())
        print(f"{PODS_WANTED} pods, controller manager at {qps:.0f} requests a second: {times} (medians of {RUNS})")
        print(f"  as fast as the Job: {found['Job'] / found['operator']:.1f} times")
        print(f"  as fast as the client: {found['client'] / found['operator']:.2f} times")
        for who in (OPERATORS_CPU, WATCHERS_CPU):
            print(f"  {who}, of the client's: {found[who] / found[CLIENTS_CPU]:.1f} times")


if __name__ == "__main__":
    main()
