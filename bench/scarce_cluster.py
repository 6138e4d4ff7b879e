"""100 episodes on 4, 16 and 64 GPUs of the test cluster: steps and time against the ideal, latencies included.

    python bench/scarce_cluster.py [--gpus 4 16 64] [--found-out]

Simulated trainers behind kwok pods, storage, 10 kept at 30 %, speeds of episodes spread by 20 %, metrics read every
second. An episode takes 20 s only: what a pod costs beyond its training (its creation, the scheduler, the end that must
be seen) is the same as for one of an hour, and weighs the more. So it is also given in seconds.

`--found-out`: the sweep asks for a GPU an episode, and 2 s pass before pods that find none show how many there are.
"""

import argparse
import asyncio
import math
import statistics

import machine
from on_cluster import SWEEPS, ControlPlane, Object, Script, cluster, completed, operator, sweep, trainers

T, KEEP, EVALUATIONS, SECONDS = 100, 10, 20, 20.0
SCRIPT = Script(evaluations=EVALUATIONS, seconds=SECONDS / EVALUATIONS, spread=0.2)
FRACTION = 0.3
STEPS_BAR, MAKESPAN_BAR = 1.03, 1.15


async def one(plane: ControlPlane, gpus: int, *, found_out: bool) -> tuple[Object, float, int, list[float]]:
    """Status, seconds from the first trainer's start to the last one's end, steps trained, and gaps between attempts.

    A gap is the time that a GPU is without a trainer although one is still to start, by the order of ends and starts.
    """
    name = f"scarce-{gpus}"
    wanted = sweep(name, 10, T // 10, keep=KEEP, interval=1)
    wanted["spec"] |= {"parallelism": T if found_out else gpus, "storage": {"uri": "memory://here"}}
    wanted["spec"]["waitForCapacitySeconds"] = 2
    wanted["spec"]["trainer"]["evaluations"] = EVALUATIONS
    async with trainers(plane, SCRIPT) as playing:
        await asyncio.to_thread(plane.create, SWEEPS, wanted)
        found = await completed(plane, name, within=1200.0)
        attempts = sorted(playing.record.attempts.values(), key=lambda attempt: attempt.began)
        ends = sorted(attempt.ended for attempt in attempts if attempt.ended is not None)
        gaps = [after.began - end for end, after in zip(ends, attempts[gpus:], strict=False)]
        return found, ends[-1] - attempts[0].began, playing.record.steps_trained, gaps


def bound(gpus: int) -> float:
    """max(work / k, ceil(t / k) f s + (1 - f) s)."""
    work = (T * FRACTION + KEEP * (1 - FRACTION)) * SECONDS
    return max(work / gpus, (math.ceil(T / gpus) * FRACTION + 1 - FRACTION) * SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpus", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--found-out", action="store_true")
    options = parser.parse_args()
    print(machine.described())
    for gpus in options.gpus:
        with cluster(nodes=gpus, gpus_per_node=1) as plane, operator(plane):
            found, took, trained, gaps = asyncio.run(one(plane, gpus, found_out=options.found_out))
        cost = found["cost"]
        print(f"{T} episodes on {gpus} GPUs, {KEEP} kept at {FRACTION:.0%}:")
        print(f"  steps trained, over the ideal: {trained / cost['plannedSteps']:.3f}; bar {STEPS_BAR}")
        print(f"  of them overshoot {cost['overshootSteps']}, repeated {cost['wastedSteps']}")
        print(f"  makespan {took:.1f} s, over the bound: {took / bound(gpus):.3f}; bar {MAKESPAN_BAR}")
        print(
            f"  from an end to the next start on a GPU: median {statistics.median(gaps):.2f} s, worst {max(gaps):.2f} s"
        )


if __name__ == "__main__":
    main()
