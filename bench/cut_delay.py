"""From the moment the last rung score can be scraped to the last loser's deletion: 500 episodes, 50 kept.

    python bench/cut_delay.py

The bar: at most one scrape interval + 2 s + 1.25 times what deleting the same pods takes a bare client.
Also the steps that all pods trained against the ideal (t f + p (1 - f)) s, with speeds spread by 20 %.
"""

import asyncio
import copy
import statistics
from datetime import datetime
from functools import partial

import machine
from on_cluster import (
    PODS,
    SWEEPS,
    ControlPlane,
    Object,
    Script,
    all_at_once,
    cluster,
    completed,
    operator,
    raw_client,
    sweep,
    trainers,
    wait_for,
)

INTERVAL = 5
KEEP = 50
RUNS = 3
SCRIPT = Script(evaluations=10, seconds=6.0, spread=0.2)
RUNG = 3


async def one(plane: ControlPlane, run: int) -> Object:
    """One sweep: delay of the cut in seconds, and the steps that were trained beside the ideal."""
    name = f"cut-{run}"
    since = plane.audit_position()
    async with trainers(plane, SCRIPT) as playing:
        await asyncio.to_thread(plane.create, SWEEPS, sweep(name, 25, 20, keep=KEEP, interval=INTERVAL))
        found = await completed(plane, name)
    attempts = playing.record.attempts.values()
    visible = max(attempt.visible[RUNG - 1] for attempt in attempts if len(attempt.visible) >= RUNG)
    deleted = [e.at for e in plane.audit(since) if (e.verb, e.resource, e.code) == ("delete", "pods", 200)]
    after = [moment for moment in deleted if moment.timestamp() > visible]
    cost = found["cost"]
    return {
        "delay": max(after).timestamp() - visible,
        "after": len(after),
        "trained": playing.record.steps_trained,
        "planned": cost["plannedSteps"],
        "seconds": episode_seconds(found),
    }


def episode_seconds(found: Object) -> float:
    """How long the sweep took: its slowest survivor."""
    return (
        datetime.fromisoformat(found["completionTime"]) - datetime.fromisoformat(found["startTime"])
    ).total_seconds()


async def bare_deletes(plane: ControlPlane, count: int) -> float:
    """Seconds that a bare client takes to delete so many of the same pods."""
    pods = (await asyncio.to_thread(plane.request, "GET", PODS))[1]["items"]
    spec = {k: v for k, v in pods[0]["spec"].items() if k not in ("serviceAccount", "serviceAccountName")}
    async with raw_client(plane) as session:
        for i in range(count):
            body: Object = {"metadata": {"name": f"bare-{i}"}, "spec": copy.deepcopy(spec)}
            async with session.post(PODS, json=body) as response:
                response.raise_for_status()
        return await all_at_once(
            [partial(session.delete, f"{PODS}/bare-{i}", json={"gracePeriodSeconds": 1}) for i in range(count)]
        )


def main() -> None:
    print(machine.described())
    with cluster(nodes=8, gpus_per_node=64) as plane, operator(plane):
        found = []
        for run in range(RUNS):
            found.append(asyncio.run(one(plane, run)))
            if run == 0:
                bare = asyncio.run(bare_deletes(plane, 500 - KEEP))
            plane.request("DELETE", f"{SWEEPS}/cut-{run}")
            wait_for(lambda: not plane.request("GET", PODS)[1]["items"])
    delays = [result["delay"] for result in found]
    bar = INTERVAL + 2 + 1.25 * bare
    print(f"last rung score to last loser's deletion, 500 episodes, {KEEP} kept, scraped every {INTERVAL} s:")
    print(f"  median {statistics.median(delays):.2f} s, worst {max(delays):.2f} s of {RUNS}; bar {bar:.2f} s")
    print(f"  deletions after that moment: {', '.join(str(result['after']) for result in found)}")
    print(f"  {500 - KEEP} deletions by a bare client: {bare:.2f} s")
    for result in found:
        ratio = result["trained"] / result["planned"]
        allowed = 1.01 + 2.5 * statistics.median(delays) / result["seconds"]
        print(f"  steps trained {result['trained']} of ideal {result['planned']}: {ratio:.3f}; bar {allowed:.3f}")


if __name__ == "__main__":
    main()
