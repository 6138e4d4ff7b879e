"""100 episodes on 4, 16 and 64 GPUs, in simulated time: steps against the ideal, and the time it takes against a bound.

    python bench/scarce_gpus.py [--seeds 3]

The engine decides as ever; its world is the simulator of the tests. An episode takes 600 s on an average GPU, with 30
evaluations; 10 s from a place to the first step, 5 s until a checkpoint of each evaluation is durable, metrics read
every 15 s, 2 s from news to what is done about it. Curves as of `cluster.simulator`: one seed in eight never learns.

Steps: trained by all attempts, over t step(e) + p (S - step(e)); without storage over p step(e) more.
Makespan: until the last GPU is free, over max(work / k, ceil(t / k) f s + (1 - f) s), with s the 600 s of an average
GPU; without storage survivors need s instead of (1 - f) s. No scheduler can do without the start-up of each attempt
and the writing of its last checkpoint, so the same is also given with these 15 s in the bound.
Preempted: each attempt with a chance of 1 in 4, at a moment drawn from its whole length.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import machine
from cluster.simulator.script import generated_curve
from engine.cases import Case, Truth, make_sweep
from engine.fate import Hazards, Tempo
from engine.outcome import assert_right_outcome
from engine.simulator import simulate
from seedsweep.api.episode import EpisodeId

T, EVALUATIONS, STEPS = 100, 30, 600
PACE = 20
SECONDS = PACE * EVALUATIONS
TEMPO = Tempo(
    pace=(PACE, PACE), warm=(10, 10), every=(1,), lag=(5,), grace=(5, 5), scrape=(15, 15), turn=2, doze=0, gated=0.0
)
GPUS = (4, 16, 64)
CUTS = ((10, 30), (5, 20), (20, 50))
"""p, and f in percent."""
SPREADS = (0.0, 0.2)
PREEMPTED = 0.25
BARS = {0.0: 1.03, PREEMPTED: 1.10}
MAKESPAN_BAR = 1.15


@dataclass(frozen=True, slots=True)
class Setting:
    """One sweep on one cluster."""

    gpus: int
    cut: tuple[int, int]
    spread: float
    preempted: float
    resumable: bool
    declared: bool
    """Whether `parallelism` says how few GPUs there are; else it asks for one an episode."""
    seed: int


@dataclass(slots=True)
class Found:
    """What came of it. Shares are of all GPU seconds until the end."""

    setting: Setting
    steps: float
    """Trained, over the ideal."""
    makespan: float
    """Over the bound."""
    with_starts: float
    """The same, where the bound has each attempt's start-up and the writing of its last checkpoint in it."""
    preemptions: int
    parts: dict[str, float] = field(default_factory=dict)
    """What the steps beyond the ideal, and the GPU seconds beyond the work, were spent on."""


def run(setting: Setting) -> Found:
    """Play it through; its outcome must be the fault-free one."""
    case = _case(setting)
    hazards = Hazards(
        gpus=setting.gpus,
        spread=setting.spread,
        preempted=setting.preempted,
        resumable=setting.resumable,
        tempo=TEMPO,
    )
    world = simulate(case, hazards, setting.seed)
    assert_right_outcome(world)
    cost, accounts = world.status.cost, world.accounts
    p = setting.cut[0]
    mark = case.marks[0][0]
    ideal = case.steps_planned() + (0 if setting.resumable else p * case.step(mark))
    attempts = [a for status in world.records.values() for a in status.attempts if a.start_time is not None]
    all_seconds = setting.gpus * accounts.trained_until
    unheld = all_seconds - accounts.gpu_seconds
    return Found(
        setting=setting,
        steps=sum(world.watch.trained.values()) / ideal,
        makespan=accounts.trained_until / _bound(setting, mark / EVALUATIONS, 0),
        with_starts=accounts.trained_until / _bound(setting, mark / EVALUATIONS, TEMPO.warm[0] + TEMPO.lag[0]),
        preemptions=sum(attempt.reason == "Interrupted" for attempt in attempts),
        parts={
            "overshoot": cost.overshoot_steps / ideal,
            "repeated": cost.wasted_steps / ideal,
            "start-up": TEMPO.warm[0] * len(attempts) / all_seconds,
            "idle, work ready": accounts.idle.gpu_seconds / all_seconds,
            "idle, no work": (unheld - accounts.idle.gpu_seconds) / all_seconds,
        },
    )


def _bound(setting: Setting, fraction: float, extra: float) -> float:
    """max(work / k, ceil(t / k) f s + (1 - f) s), with so many more seconds for each attempt."""
    first = fraction * SECONDS + extra
    second = (1 - fraction if setting.resumable else 1) * SECONDS + extra
    work = T * first + setting.cut[0] * second
    return max(work / setting.gpus, math.ceil(T / setting.gpus) * first + second)


def _case(setting: Setting) -> Case:
    shift = 1000 * setting.seed
    episodes = [EpisodeId(shift + i // 10, shift + i % 10) for i in range(T)]
    keep, percent = setting.cut
    sweep = make_sweep(
        list(episodes),
        EVALUATIONS,
        {"rungs": [{"atPercent": percent, "keep": keep}]},
        parallelism=setting.gpus if setting.declared else T,
        waitForCapacitySeconds=60,
    )
    curves = {episode: generated_curve(episode, EVALUATIONS) for episode in episodes}
    return Case(sweep, EVALUATIONS, STEPS, {e: Truth(c.scores, c.losses) for e, c in curves.items()})


def show(title: str, found: Iterable[Found], steps_bar: float | None) -> None:
    """A table by the number of GPUs: median and worst of all cuts, speeds and seeds."""
    bar = f", bar {steps_bar:.2f}" if steps_bar is not None else ""
    print(f"{title} (steps{bar}; makespan, bar {MAKESPAN_BAR:.2f}; median and worst of each)")
    found = list(found)
    for gpus in GPUS:
        mine = [f for f in found if f.setting.gpus == gpus]
        steps, spans = [f.steps for f in mine], [f.makespan for f in mine]
        starts = [f.with_starts for f in mine]
        parts = {name: statistics.median(f.parts[name] for f in mine) for name in mine[0].parts}
        print(
            f"  {gpus:2} GPUs: steps {statistics.median(steps):.3f} {max(steps):.3f}, "
            f"makespan {statistics.median(spans):.3f} {max(spans):.3f}, "
            f"with starts counted in {statistics.median(starts):.3f} {max(starts):.3f}, "
            f"preemptions {statistics.median(f.preemptions for f in mine):.0f}; "
            + ", ".join(f"{name} {100 * share:.1f} %" for name, share in parts.items())
        )
        worst = max(mine, key=lambda f: f.makespan)
        print(f"     worst makespan: keep, percent {worst.setting.cut}, spread {worst.setting.spread}", end="; ")
        worst = max(mine, key=lambda f: f.steps)
        print(f"worst steps: {worst.setting.cut}, {worst.setting.spread}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    print(machine.described())
    variants = [
        ("declared, storage", True, True),
        ("not declared, storage", False, True),
        ("declared, no storage", True, False),
        ("not declared, no storage", False, False),
    ]
    with ProcessPoolExecutor(2) as pool:
        for (name, declared, resumable), preempted in product(variants, BARS):
            settings = [
                Setting(gpus, cut, spread, preempted, resumable, declared, seed)
                for gpus, cut, spread, seed in product(GPUS, CUTS, SPREADS, seeds)
            ]
            bar = BARS[preempted]
            show(f"{name}, {'preempted' if preempted else 'not preempted'}", pool.map(run, settings), bar)


if __name__ == "__main__":
    main()
