"""What large studies cost the operator: 2,100 episodes in one sweep, and 100 sweeps of 20, scraped every 15 s.

    python bench/large_sweeps.py

The bar: both complete, and the operator's memory stays within 250 MB. Also its CPU, the largest object, and the writes
to the API server per episode without Events.
"""

import asyncio
import json
import time
from collections import Counter

import psutil

from on_cluster import OPERATOR, SWEEPS, ControlPlane, Script, cluster, completed, operator, sweep, trainers

SCRIPT = Script(evaluations=10, seconds=12.0, spread=0.2)
MAX_MEGABYTES = 250


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
    print(f"  CPU {100 * cpu:.0f} % of a core in the middle half, {samples[-1][1] - samples[0][1]:.0f} s in all")
    print(f"  largest object {largest / 1000:.0f} kB")
    print(f"  writes an episode {sum(writes.values()) / episodes:.2f}: {dict(writes)}")
    for name in names:
        await asyncio.to_thread(plane.request, "DELETE", f"{SWEEPS}/{name}")


def main() -> None:
    with cluster(nodes=12, gpus_per_node=250) as plane:
        for sizes in ([(50, 42)], [(5, 4)] * 100):
            with operator(plane) as process:
                asyncio.run(study(plane, process, sizes))


if __name__ == "__main__":
    main()
