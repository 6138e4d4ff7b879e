"""The trainer on a GPU: speed beside a bare loop and transformers.Trainer, episodes an hour, equal bits.

    python bench/trainer_cuda.py [--shapes base large] [--at-once 1 2 3 4] [--rounds N]
    python bench/trainer_cuda.py --dry        a tiny shape, to see that it runs; the same where there is no GPU

Examples are as many and as long as RTE's, with made-up words. Each line is printed as soon as it is known.
- speed: steps a second of the three programs that take turns (see trainer_speed.py), without and with storage.
- episodes an hour: so many at once on one GPU, each in a process of its own, once all have loaded their model.
- equal bits: the curves of all episodes of one pair of seeds, alone and beside others.
"""

import argparse
import hashlib
import multiprocessing
import struct
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Event
from typing import Any

import torch

import machine
from random_model import SHAPES, make
from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism.fingerprint import fingerprint, prepare_torch
from seedsweep_trainer.inputs import load_data
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.training.loop import train
from seedsweep_trainer.training.timetable import Timetable
from trainer_speed import EVALUATION, TRAINING, WHOLE, race
from turns import speed

RTE = (2490, 277)
MEDIAN_WORDS = 55
EPISODES_EACH = 2
"""Of each process: the first one pays for what a process pays once, and is not counted."""


class _Begins(Reporter):
    """Waits for the other processes before the first step, and notes the time."""

    def __init__(self, together: Barrier) -> None:
        super().__init__()
        self._together = together
        self.since = 0.0

    def planned(self, **plan: Any) -> None:
        """The model is loaded, and the first step comes next."""
        super().planned(**plan)
        self._together.wait()
        self.since = time.perf_counter()


def episodes(config: FineTuning, together: Barrier, results: Any) -> None:
    """Train the same episode again and again in this process; tells seconds and curve of the last one."""
    for _ in range(EPISODES_EACH):
        with tempfile.TemporaryDirectory() as folder:
            reporter = _Begins(together)
            train(Attempt("bench", 0, 1, config, rungs=(9,), checkpoints=folder), reporter, Event())
            seconds = time.perf_counter() - reporter.since
    results.put((seconds, curve(reporter)))


def curve(reporter: Reporter) -> str:
    """A digest of all scores and losses."""
    message = reporter.message
    values = (*message.scores, *(message.losses or ()))
    return hashlib.sha256(struct.pack(f"<{len(values)}d", *values)).hexdigest()[:16]


def at_once(config: FineTuning, count: int) -> tuple[float, set[str]]:
    """Episodes an hour with so many processes on one GPU, and their curves."""
    context = multiprocessing.get_context("spawn")
    together, results = context.Barrier(count), context.Queue()
    processes = [context.Process(target=episodes, args=(config, together, results)) for _ in range(count)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return 3600 * count / max(seconds for seconds, _ in found), {digest for _, digest in found}


def compare(config: FineTuning, rounds: int, steps: int) -> None:
    """Print steps a second, and ours relative to the others."""
    for storage in (False, True):
        seconds = race(config, rounds, storage)
        pace = {name: rounds * steps / sum(kinds[WHOLE if storage else TRAINING]) for name, kinds in seconds.items()}
        kinds = (WHOLE,) if storage else (TRAINING, EVALUATION, WHOLE)
        print(
            "with storage:" if storage else "without:", {name: f"{found:.2f} steps/s" for name, found in pace.items()}
        )
        for other in ("bare", "Trainer"):
            for kind in kinds:
                ratio, low, high = speed(seconds["ours"][kind], seconds[other][kind])
                print(f"  {other:8} {kind:14} {ratio:.3f} of its speed (95 %: {low:.3f} to {high:.3f})", flush=True)


def main() -> int:
    """Print the tables; 1 where two curves of one episode differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=["base", "large"])
    parser.add_argument("--at-once", nargs="+", type=int, default=[1, 2, 3, 4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="a tiny shape and few examples")
    options = parser.parse_args()
    print(machine.described())
    dry = options.dry or not torch.cuda.is_available()
    sizes, shapes = ((64, 32), ["tiny"]) if dry else (RTE, options.shapes)
    equal = True
    for shape in shapes:
        with tempfile.TemporaryDirectory() as folder:
            config = make(Path(folder), shape, *sizes, median=MEDIAN_WORDS)
            if dry:
                config = config.model_copy(update={"evaluations_per_epoch": 4})
            one_epoch = config.model_copy(update={"epochs": 1})
            print(f"{shape}: {fingerprint(config, prepare_torch(config))}", flush=True)
            steps = Timetable.of(one_epoch, len(load_data(config)[1].train)).steps
            curves: set[str] = set()
            # Before this process takes memory of the GPU.
            for count in options.at_once:
                hourly, found = at_once(config, count)
                curves |= found
                print(f"  {count} at once: {hourly:.1f} episodes an hour", flush=True)
            equal &= len(curves) == 1
            print(f"  curves: {'all equal in every bit' if len(curves) == 1 else f'{len(curves)} different ones'}")
            compare(one_epoch, options.rounds, steps)
    if not torch.cuda.is_available():
        print("no GPU: these figures are the processor's")
    return int(not equal)


if __name__ == "__main__":
    sys.exit(main())
