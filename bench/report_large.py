"""What the report of a large study costs: 2,100 episodes of 30 evaluations, all trained fully, and with a cut.

    python bench/report_large.py

The bars: at most 20 s of processor time, at most 1 GB of memory, a page of at most 5 MB. Exits with 1 where one is
missed.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import machine
from inputs import records

COMMAND = Path(sys.executable).with_name("seedsweep")
WEIGHT_INITS, DATA_ORDERS, EVALUATIONS, STEPS = 50, 42, 30, 3000
MAX_SECONDS, MAX_GIGABYTES, MAX_MEGABYTES = 20.0, 1.0, 5.0


def longer(record: records.Record) -> records.Record:
    """The same record with whole curves of 30 evaluations, and best scores of these."""
    for i, episode in enumerate(record.episodes):
        if len(episode.status.scores) == records.EVALUATIONS:
            scores = records.curve(i, EVALUATIONS)
            status = episode.status.evolve(scores=scores, best=records.best_of(scores, EVALUATIONS))
            record.episodes[i] = episode.evolve(status=status)
    best = {e.spec.id: e.status.best for e in record.episodes if e.status.best is not None}
    winner = max(best, key=lambda e: best[e].score)
    found = record.status.best
    assert found is not None
    found = found.evolve(
        episode=winner.name,
        weight_init=winner.weight_init,
        data_order=winner.data_order,
        score=best[winner].score,
        evaluation=best[winner].evaluation,
    )
    return record.with_status(evaluations=EVALUATIONS, steps=STEPS, best=found)


def main() -> None:
    print(machine.described())
    missed, spent = False, 0.0
    for name, record in (
        ("all trained fully", records.fully_trained(WEIGHT_INITS, DATA_ORDERS)),
        ("with a cut", records.finished(WEIGHT_INITS, DATA_ORDERS)),
    ):
        with tempfile.TemporaryDirectory() as made:
            folder = records.write(Path(made), longer(record))
            begun = time.monotonic()
            subprocess.run([COMMAND, "report", folder], check=True, capture_output=True)
            wall = time.monotonic() - begun
            page = (folder / "report.html").stat().st_size / 1e6
            files = sum(path.stat().st_size for path in (folder / "report").iterdir()) / 1e6
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds, gigabytes = used.ru_utime + used.ru_stime - spent, used.ru_maxrss / 1e6
        spent += seconds
        missed |= seconds > MAX_SECONDS or gigabytes > MAX_GIGABYTES or page > MAX_MEGABYTES
        print(f"{len(record.episodes):,} episodes, {name}:")
        print(f"  {seconds:.1f} s of processor time (bar {MAX_SECONDS:.0f}), {wall:.1f} s in all")
        print(f"  memory at most {gigabytes:.2f} GB (bar {MAX_GIGABYTES:.0f})")
        print(f"  page {page:.1f} MB (bar {MAX_MEGABYTES:.0f}), figures and numbers {files:.1f} MB")
    sys.exit(missed)


if __name__ == "__main__":
    main()
