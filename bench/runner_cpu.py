"""What the runner itself costs while eight episodes train: CPU seconds as a share of theirs. The bar is 2 %.

    python bench/runner_cpu.py [--seconds 60]

Each episode stands for one core: eight of them use eight CPU seconds a second. They evaluate every half second, far
more often than real ones, and sleep in between, so that the figure does not depend on how many cores there are.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

import machine
from seedsweep.api.reading.parse import load_sweep
from seedsweep.local.directory.run_directory import RunDirectory
from seedsweep.local.machine.places import Place
from seedsweep.local.sweep import Setting, run_to_the_end

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from inputs.fake_sweeps import FakeSweep

EPISODES = 8
EVALUATION_SECONDS = 0.5
BAR = 0.02


def measure(seconds: float, folder: Path, *, terminal: bool) -> float:
    """CPU seconds of this process for each CPU second of the episodes, with or without a terminal to draw on."""
    evaluations = round(seconds / EVALUATION_SECONDS)
    fake = FakeSweep(folder, weight_inits=1, data_orders=EPISODES, evaluations=evaluations, seconds=EVALUATION_SECONDS)
    fake.spec = {"parallelism": EPISODES, "earlyStopping": None}
    file = fake.write()
    directory = RunDirectory(fake.out)
    directory.make()
    places = [Place(i, "core") for i in range(EPISODES)]
    with Path(os.devnull).open("w") as nowhere, directory.lock() as lock:
        console = Console(file=nowhere, force_terminal=terminal, width=120, height=40)
        wall, cpu = time.monotonic(), time.process_time()
        run_to_the_end(load_sweep(file), Setting(file, directory, places), lock, console)
        return (time.process_time() - cpu) / (EPISODES * (time.monotonic() - wall))


def main() -> int:
    """Print both shares; 1 where one is above the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    print(machine.described())
    shares = {}
    for name, terminal in (("in a terminal", True), ("into a file", False)):
        with tempfile.TemporaryDirectory() as folder:
            shares[name] = measure(seconds, Path(folder), terminal=terminal)
        print(f"runner, output {name}: {shares[name]:.2%} of the CPU of {EPISODES} episodes (bar {BAR:.0%})")
    return 0 if max(shares.values()) <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
