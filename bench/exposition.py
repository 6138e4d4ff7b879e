"""What an answer of the operator's /metrics costs: one sweep of 2,100 episodes, and 100 and 1,000 sweeps.

    python bench/exposition.py

The bars: at most 50 ms of processor time and 2 MB for the sweep of 2,100 episodes. Exits with 1 where one is missed.
"""

import statistics
import sys
import time
from pathlib import Path

from prometheus_client import REGISTRY, generate_latest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "monitoring"))

import machine
from inputs import records
from metrics_page import collector_of

WEIGHT_INITS, DATA_ORDERS, ROUNDS = 50, 42, 20
MAX_MILLISECONDS, MAX_MEGABYTES = 50.0, 2.0


def main() -> int:
    """Print what each costs; 1 where a bar is missed."""
    print(machine.described())
    status = records.finished(WEIGHT_INITS, DATA_ORDERS).status
    good = True
    for sweeps in (1, 100, 1000):
        collector = collector_of(*[status] * sweeps)
        REGISTRY.register(collector)
        spent = []
        for _ in range(ROUNDS):
            began = time.process_time()
            body = generate_latest()
            spent.append(1000 * (time.process_time() - began))
        REGISTRY.unregister(collector)
        milliseconds, megabytes = statistics.median(spent), len(body) / 1e6
        print(f"{sweeps} sweeps of {WEIGHT_INITS * DATA_ORDERS} episodes: {milliseconds:.1f} ms, {megabytes:.3f} MB")
        if sweeps == 1:
            good = milliseconds <= MAX_MILLISECONDS and megabytes <= MAX_MEGABYTES
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
