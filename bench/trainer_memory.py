"""What it brings that a training process keeps the memory it frees (determinism/memory.py of the trainer); CPU, glibc.

    python bench/trainer_memory.py [--shape minilm|base|large] [--pairs N]

The same episode, with checkpoints, in processes of their own, with and without it in turn: each process's processor
time, and the most memory it held.
"""

import argparse
import multiprocessing
import resource
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from threading import Event
from unittest.mock import patch

import machine
from random_model import SHAPES, make
from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism import fingerprint, memory
from seedsweep_trainer.inputs import prepare_inputs
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.training.loop import train


def episode(config: FineTuning, kept: bool) -> tuple[float, float]:
    """Seconds of the processor, and MiB held at most."""
    with tempfile.TemporaryDirectory() as folder:
        attempt = Attempt("bench", 0, 0, config, checkpoints=str(folder))
        before = resource.getrusage(resource.RUSAGE_SELF)
        with patch.object(fingerprint, "keep_freed_memory", memory.keep_freed_memory if kept else lambda: None):
            train(attempt, Reporter(), Event())
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=list(SHAPES), default="minilm")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    print(machine.described())
    turns = [kept for i in range(options.pairs) for kept in ((True, False), (False, True))[i % 2]]
    with tempfile.TemporaryDirectory() as folder:
        config = make(Path(folder), options.shape, 320, 128).model_copy(update={"epochs": 1})
        # Forked processes find it in memory.
        with prepare_inputs(config, storage=None):
            pass
        with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
            found = list(pool.imap(partial(episode, config), turns, chunksize=1))
    print(f"{options.shape}, {options.pairs} episodes each")
    for kept, name in ((True, "kept"), (False, "given back")):
        seconds, held = zip(*(result for turn, result in zip(turns, found, strict=True) if turn is kept), strict=True)
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(f"{name:10} {median(seconds):.2f} s of the processor ({spread}), at most {max(held):.0f} MiB")


if __name__ == "__main__":
    main()
