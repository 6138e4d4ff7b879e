"""SeedSweep's cut beside the schedulers of Ray Tune and the pruners of Optuna, on the same recorded curves.

    pip install '.[bench]' && python bench/compare_peers.py [--rows rows.csv] [--processes 2]

Prints the tables of docs/comparison.md, which says how they are made. Takes about ten minutes on two cores.
"""

import argparse
import csv
import logging
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from compare_curves import FILE, read


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, default=FILE)
    parser.add_argument("--rows", type=Path, help="where to write every replay")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--splits", type=int)
    options = parser.parse_args()
    missing = [name for name in ("ray", "optuna") if find_spec(name) is None]
    if missing:
        print(f"not compared: {' and '.join(missing)} must be installed (pip install '.[bench]')")
        return 0
    _quiet()
    # These need the peers.
    from compare_order import spreads
    from compare_study import BUDGETS, SPLITS, Row, study
    from compare_tables import print_orders, print_scores

    curves = read(options.curves)
    print(f"{len(curves)} curves; ray {version('ray')}, optuna {version('optuna')}", flush=True)
    rows: list[Row] = []
    with ProcessPoolExecutor(options.processes, initializer=_quiet) as pool:
        for budget in BUDGETS:
            for found in pool.map(partial(study, curves, budget), range(options.splits or SPLITS)):
                rows += found
                print(f"{budget} full runs, split {found[0].split} is done", file=sys.stderr, flush=True)
            print_scores([row for row in rows if row.budget == budget], curves)
            if options.rows is not None:
                _write(options.rows, rows)
        for budget, spread in zip(BUDGETS, pool.map(partial(spreads, curves), BUDGETS), strict=True):
            print_orders(budget, spread)
    return 0


def _quiet() -> None:
    logging.getLogger("ray").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=FutureWarning)


def _write(path: Path, rows: Sequence[object]) -> None:
    records = [asdict(row) for row in rows]  # type: ignore[call-overload]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


if __name__ == "__main__":
    sys.exit(main())
