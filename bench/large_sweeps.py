"""What large studies cost the operator: one sweep of 100, of 2,100 and of 5,000 episodes, the most there may be; 100
sweeps of 20; and 1,000 sweeps of 10, nearly all of which wait for a GPU.

    python bench/large_sweeps.py [at-work | at-rest]

The bars: all complete, the operator's memory stays within 512 MB, and where nearly all wait it takes 15 % of a core.
Also its CPU an episode, the largest object, and the writes to the API server per episode without Events.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import suppress

import psutil

from on_cluster import OPERATOR, SWEEPS, ControlPlane, Script, cluster, completed, operator, sweep, trainers

SCRIPT = Script(evaluations=10, seconds=12.0, spread=0.2)
MAX_MEGABYTES = 512
AT_WORK = ([(10, 10)], [(50, 42)], [(100, 50)], [(5, 4)] * 100)
"""Grids of sweeps that run at once."""
WAITING, REST_SECONDS = 1000, 120.0


async def watch_process(process: psutil.Process, samples: list[tuple[float, float, int]]) -> None:
    """Time, CPU seconds and bytes of memory, every second."""
    while True:
        times = process.cpu_times()
        samples.append((time.monotonic(), times.user + times.system, process.memory_info().rss))
        await asyncio.sleep(1)


async def study(plane: ControlPlane, process: psutil.Process, sizes: list[tuple[int, int]]) -> None:
    """Run sweeps of these grids at once, and print what they cost."""
    since = plane.audit_position()
    samples: list[tuple[float, float, int]] = []
    names = [f"large-{len(sizes)}-{i}" for i in range(len(sizes))]
    async with trainers(plane, SCRIPT):
        sampling = asyncio.create_task(watch_process(process, samples))
        for name, (weight_inits, data_orders) in zip(names, sizes, strict=True):
            keep = weight_inits * data_orders // 10
            await asyncio.to_thread(plane.create, SWEEPS, sweep(name, weight_inits, data_orders, keep=keep))
        for name in names:
            await completed(plane, name)
        sampling.cancel()
    episodes = sum(weight_inits * data_orders for weight_inits, data_orders in sizes)
    events = [e for e in plane.audit(since) if e.user == OPERATOR and e.verb in ("create", "update", "delete")]
    writes = Counter(f"{e.verb} {e.resource}" for e in events if e.resource != "events" and e.code < 300)
    largest = max(len(json.dumps(e.answer)) for e in events if e.answer is not None)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    cpu = (middle[-1][1] - middle[0][1]) / (middle[-1][0] - middle[0][0])
    memory = max(rss for _, _, rss in samples) / 1e6
    print(f"{len(sizes)} sweeps, {episodes} episodes: all complete in {samples[-1][0] - samples[0][0]:.0f} s")
    print(f"  memory at most {memory:.0f} MB (bar {MAX_MEGABYTES})")
    in_all = samples[-1][1] - samples[0][1]
    print(f"  CPU {100 * cpu:.0f} % of a core in the middle half, {1000 * in_all / episodes:.0f} ms an episode in all")
    print(f"  largest object {largest / 1000:.0f} kB")
    print(f"  writes an episode {sum(writes.values()) / episodes:.2f}: {dict(writes)}")
    for name in names:
        await asyncio.to_thread(plane.request, "DELETE", f"{SWEEPS}/{name}")


async def rest(plane: ControlPlane, process: psutil.Process) -> None:
    """Have many sweeps wait for places that nobody gives up, and print what that costs."""
    for i in range(WAITING):
        await asyncio.to_thread(plane.create, SWEEPS, sweep(f"waits-{i}", 10, 1, keep=1))
    deadline = time.monotonic() + 1200
    while (begun := await asyncio.to_thread(_begun, plane)) < WAITING:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{begun} of {WAITING} sweeps have begun")
        await asyncio.sleep(5)
    await asyncio.sleep(60)
    samples: list[tuple[float, float, int]] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_SECONDS):
            await watch_process(process, samples)
    cpu = (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])
    memory = max(rss for _, _, rss in samples) / 1e6
    print(f"{WAITING} sweeps of 10 that wait: CPU {100 * cpu:.0f} % of a core (bar 15)")
    print(f"  memory at most {memory:.0f} MB (bar {MAX_MEGABYTES})")


def _begun(plane: ControlPlane) -> int:
    """How many sweeps have a status."""
    return sum(1 for item in plane.request("GET", SWEEPS)[1]["items"] if item.get("status", {}).get("startTime"))


def main() -> None:
    chosen = sys.argv[1:] or ["at-work", "at-rest"]
    if "at-work" in chosen:
        with cluster(nodes=24, gpus_per_node=250) as plane:
            for sizes in AT_WORK:
                with operator(plane) as process:
                    asyncio.run(study(plane, process, sizes))
    if "at-rest" in chosen:
        with cluster(nodes=1, gpus_per_node=100) as plane, operator(plane) as process:
            asyncio.run(rest(plane, process))


if __name__ == "__main__":
    main()
