"""What large studies cost the operator: one sweep of 100, 1,000, 2,100 and 10,000 episodes, the most there may be; and
1,000 sweeps of 10, nearly all of which wait for a GPU.

    python bench/large_sweeps.py [10x10 | 100x100 | 100*5x4 | at-rest ...]

100*5x4 are 100 sweeps of 20.

The bars: all complete; the operator's memory stays within 512 MB; no turn of its event loop takes 150 ms of processor
time; an episode of the largest sweep takes at most 1.2 times the processor time of one of 100; the losers of a cut are
deleted within two scrape intervals of the last rung score, beside the deletions themselves; at most 5.5 writes an
episode without Events; and where nearly all sweeps wait, the operator takes 15 % of a core.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import suppress

import psutil

import machine
from on_cluster import OPERATOR, SWEEPS, ControlPlane, Script, audit, cluster, completed, operator, sweep, trainers

SECONDS, INTERVAL = 12.0, 15
"""An evaluation takes so long, and metrics are read so often."""
SLOW_FROM, SLOWER = 2000, 5
"""With so many episodes all is so many times as slow: the machine has to carry their simulated trainers as well."""
EVALUATIONS, RUNG = 7, 2
"""Of each episode, and those after which the cut is made."""
MAX_MEGABYTES, MAX_TURN_SECONDS, MAX_WRITES = 512, 0.15, 5.5
AT_WORK = ("10x10", "25x40", "50x42", "100x100")
AT_REST = "at-rest"
WITHIN_SECONDS = 3600.0
WAITING, REST_SECONDS = 1000, 120.0


async def watch_process(process: psutil.Process, samples: list[tuple[float, float, int]]) -> None:
    """Time, CPU seconds and bytes of memory, every second."""
    while True:
        times = process.cpu_times()
        samples.append((time.monotonic(), times.user + times.system, process.memory_info().rss))
        await asyncio.sleep(1)


async def study(plane: ControlPlane, process: psutil.Process, grid: str) -> None:
    """Run the sweeps of a grid at once, and print what they cost."""
    weight_inits, data_orders = map(int, grid.rpartition("*")[2].split("x"))
    names = [f"large-{i}" for i in range(int(grid.partition("*")[0]) if "*" in grid else 1)]
    episodes = len(names) * weight_inits * data_orders
    pace = SLOWER if episodes >= SLOW_FROM else 1
    script = Script(evaluations=EVALUATIONS, seconds=SECONDS * pace, spread=0.2)
    samples: list[tuple[float, float, int]] = []
    async with trainers(plane, script) as playing:
        sampling = asyncio.create_task(watch_process(process, samples))
        for name in names:
            keep = weight_inits * data_orders // 10
            body = sweep(name, weight_inits, data_orders, keep=keep, interval=INTERVAL * pace)
            await asyncio.to_thread(plane.create, SWEEPS, body)
        for name in names:
            await completed(plane, name, WITHIN_SECONDS)
        sampling.cancel()
    writes, largest, deleted = read_audit(plane)
    in_all = samples[-1][1] - samples[0][1]
    print(f"{grid}, {episodes} episodes: all complete in {samples[-1][0] - samples[0][0]:.0f} s")
    print(f"  memory at most {max(rss for _, _, rss in samples) / 1e6:.0f} MB (bar {MAX_MEGABYTES})")
    print(f"  processor {in_all:.0f} s, {1000 * in_all / episodes:.1f} ms an episode")
    print(f"  largest object {largest / 1000:.0f} kB")
    print(f"  writes an episode {sum(writes.values()) / episodes:.2f} (bar {MAX_WRITES}): {dict(writes)}")
    if len(names) == 1:
        attempts = playing.record.attempts.values()
        visible = max(attempt.visible[RUNG - 1] for attempt in attempts if len(attempt.visible) >= RUNG)
        delay = sorted(deleted)[episodes - episodes // 10 - 1] - visible
        print(f"  {delay:.0f} s from the last rung score to the last loser's deletion, read every {INTERVAL * pace} s")
    for name in names:
        await asyncio.to_thread(plane.request, "DELETE", f"{SWEEPS}/{name}")


def read_audit(plane: ControlPlane) -> tuple[Counter[str], int, list[float]]:
    """The operator's writes by their kind, bytes of the largest object, and when pods were deleted.

    Event by event: the log of 10,000 episodes has half a gigabyte.
    """
    writes: Counter[str] = Counter()
    largest, deleted = 0, []
    for event in audit.read(plane.folder / "audit.jsonl"):
        if event.user != OPERATOR or event.verb not in ("create", "update", "patch", "delete") or event.code >= 300:
            continue
        if event.resource == "events":
            continue
        writes[f"{event.verb} {event.resource}"] += 1
        if event.answer is not None:
            largest = max(largest, len(json.dumps(event.answer)))
        if (event.verb, event.resource) == ("delete", "pods"):
            deleted.append(event.at.timestamp())
    return writes, largest, deleted


def at_work(grid: str) -> None:
    """One study on a control plane of its own."""
    with cluster(nodes=24, gpus_per_node=500) as plane:
        report = plane.folder / "holds.json"
        with operator(plane, report) as process:
            asyncio.run(study(plane, process, grid))
        holds = json.loads(report.read_text())
    turn, callback = 1000 * holds["turn"], 1000 * holds["callback"]
    print(f"  longest turn of the event loop {turn:.0f} ms (bar {1000 * MAX_TURN_SECONDS:.0f})")
    print(f"    of {holds['callbacks']} callbacks; the longest took {callback:.0f} ms: {holds['callback of']}")
    print(f"  collecting garbage {holds['collections']:.1f} s in all, {1000 * holds['collection']:.0f} ms at most")


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
    print(machine.described())
    for chosen in sys.argv[1:] or [*AT_WORK, AT_REST]:
        if chosen != AT_REST:
            at_work(chosen)
            continue
        with cluster(nodes=1, gpus_per_node=100) as plane, operator(plane) as process:
            asyncio.run(rest(plane, process))


if __name__ == "__main__":
    main()
