"""The records that docs/study.md is about: the paper's, those of others, and our own full episodes.

The recorded runs of others are not part of this repository: their folder is `SEEDSWEEP_SEED_RUNS`, or
../shared/data/seeds beside the checkout. Our own are in bench/curves.

    python bench/study_records.py A.parquet B.parquet    # adds exported sweeps to bench/curves/glue-minilm.parquet
"""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compare_curves import read as read_csv
from stopping_pays import EVALUATIONS, RECIPES, SCORES, constant_answer

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
HERE = Path(__file__).parent
OWN = HERE / "curves" / "glue-minilm.parquet"
QUICKSTART = {
    "quickstart, earlier": HERE / "curves" / "quickstart-10x10.csv",
    "quickstart, later": HERE / "curves" / "quickstart-10x10-later.csv",
}
QUICKSTART_CONSTANT = 0.5025
"""On its 400 validation sentences, as the quickstart prints it."""
TASKS = ("mrpc", "rte", "sst")
"""Of the paper, those whose best scores were found; CoLA's were not."""
PAPER_CONSTANT = {"mrpc": (279 / 408 + 2 * 279 / (279 + 408)) / 2, "rte": 146 / 277, "sst": 444 / 872}
"""Scores of a constant answer on GLUE's development sets, by their published labels; MRPC's is the mean of accuracy and
F1."""
KNOWN_TO = 0.0008
"""By how much a score of MRPC may be off, which was read back from the colours of a figure."""


BERT_EPOCH_ENDS = (3, 7, 10)
"""Those nearest: ten evaluations fall into three epochs."""
THOUSAND_EPOCH_ENDS = (4, 7, 10)
MINILM_EPOCH_ENDS = (5, 10)


@dataclass(frozen=True)
class Runs:
    """Whole runs of one task by one recipe, one a row."""

    name: str
    scores: Floats
    """(runs, evaluations); NaN where undefined."""
    losses: Floats | None
    seeds: Integers
    """(runs, 2): weight-init and data-order seed; equal where one seed drives both."""
    constant: float
    """Score of a constant answer."""
    epoch_ends: tuple[int, ...]
    """The evaluations, counted from 1, that an evaluation an epoch would have been."""
    tests: Floats | None = None
    """Score of each run's last weights on other data."""

    @property
    def best(self) -> Floats:
        """Best score of each run; a constant answer's where none is defined."""
        return best_at(self, range(self.scores.shape[1]))

    @property
    def shared(self) -> bool:
        """Whether runs share seeds, as cells of a grid do."""
        return any(len(np.unique(axis)) < len(axis) for axis in self.seeds.T)

    def grid(self) -> Floats:
        """Best scores, weight-init seeds by data-order seeds; NaN where there is no run.

        Raises:
            ValueError: no two runs share a seed.
        """
        if not self.shared:
            raise ValueError(f"{self.name}: each run has seeds of its own, so there is no grid")
        places = [np.unique(axis, return_inverse=True) for axis in self.seeds.T]
        grid = np.full((len(places[0][0]), len(places[1][0])), np.nan)
        grid[places[0][1], places[1][1]] = self.best
        return grid


def best_at(runs: Runs, evaluations: Iterable[int]) -> Floats:
    """Best score of each run at these evaluations, counted from 0; a constant answer's where none is defined."""
    chosen = runs.scores[:, list(evaluations)]
    found: Floats = np.where(np.isfinite(chosen), chosen, -np.inf).max(axis=1)
    return np.where(np.isfinite(found), found, runs.constant)


def by_first_seed(runs: Runs) -> dict[int, float]:
    """Mean best score by the first seed."""
    names, place = np.unique(runs.seeds[:, 0], return_inverse=True)
    return {int(name): float(runs.best[place == i].mean()) for i, name in enumerate(names)}


def rows_of(path: Path, **having: str) -> list[dict[str, str]]:
    """The rows of a CSV file in which these columns have these values."""
    with path.open() as file:
        return [row for row in csv.DictReader(file) if all(row[name] == value for name, value in having.items())]


def paper_grid(folder: Path, task: str) -> Floats:
    """The paper's best validation scores: weight-init seeds, best first, by data-order seeds, worst first.

    The seeds' numbers are lost: only their ranks are known.
    """
    rows = rows_of(folder / "dodge2020" / "best_validation.csv", task=task)
    places = np.array([(int(row["init_rank_best_first"]), int(row["order_rank_worst_first"])) for row in rows])
    grid = np.full(places.max(axis=0) + 1, np.nan)
    grid[places[:, 0], places[:, 1]] = [float(row["best_val_score"]) for row in rows]
    return grid


def bert_large(folder: Path) -> list[Runs]:
    """Two tasks by three recipes, 50 seeds each; one seed drives both."""
    found = []
    for task, score in SCORES.items():
        path = folder / "bertlarge" / f"{task}.csv"
        test = score.removeprefix("val_")
        for recipe, words in RECIPES.items():
            rows = rows_of(path, recipe=recipe)
            seeds, scores, losses = _by_run(rows, ("seed", "seed"), score)
            # `best_test_...` is of the last step, too, and differs by two examples at most.
            test_of = {int(row["seed"]): float(row[f"last_test_{test}"]) for row in rows}
            tests = np.array([test_of[seed] for seed in seeds[:, 0].tolist()])
            constant, _ = constant_answer(path, task)
            found.append(Runs(f"{task}, {words}", scores, losses, seeds, constant, BERT_EPOCH_ENDS, tests))
    return found


def tang_seeds(folder: Path) -> tuple[dict[int, float], dict[int, float]]:
    """BERT-large on SST-2 by Tang et al. (2020): accuracy by seed, at learning rates of 3e-5 and of 4e-5."""
    found = []
    for rate in ("3e-05", "4e-05"):
        with (folder / "tang2020" / f"blarge-sst2-{rate}.tsv").open() as file:
            rows = [row for row in csv.DictReader(file, delimiter="\t") if row["set_type"] == "dev"]
        found.append({int(row["--seed"]): float(row["acc"]) for row in rows})
    return found[0], found[1]


def thousand(folder: Path, recipe: str = "not_debiased") -> list[Runs]:
    """BERT-large on 1,000 examples, three tasks by one recipe: five seeds, each on five training subsets.

    The second "seed" is the training subset; the first drives initialisation and order.
    """
    found = []
    for task, score in {**SCORES, "CoLA": "val_mcc"}.items():
        rows = rows_of(folder / "lowres" / "curves.csv", task=task, train_size="1000", recipe=recipe)
        seeds, scores, losses = _by_run(rows, ("seed", "subset"), score)
        constant = 0.0 if task == "CoLA" else constant_answer(folder / "bertlarge" / f"{task}.csv", task)[0]
        name = f"{task}, 1,000 examples"
        found.append(Runs(name, scores, losses, seeds, constant, THOUSAND_EPOCH_ENDS))
    return found


def _by_run(rows: Sequence[dict[str, str]], keys: tuple[str, str], score: str) -> tuple[Integers, Floats, Floats]:
    """The seeds, scores and losses of each run, its first EVALUATIONS."""
    by_run: dict[tuple[int, ...], list[dict[str, str]]] = {}
    for row in rows:
        by_run.setdefault(tuple(int(row[key]) for key in keys), []).append(row)
    runs = [sorted(own, key=lambda row: int(row["eval_index"]))[:EVALUATIONS] for own in by_run.values()]
    scores, losses = (
        np.array([[float(row[name] or "nan") for row in own] for own in runs]) for name in (score, "val_loss")
    )
    return np.array(list(by_run)), scores, losses


def quickstart() -> list[Runs]:
    """The two recorded grids of the quickstart: 10 x 10 seeds each, film sentences, five evaluations an epoch."""
    found = []
    for name, path in QUICKSTART.items():
        curves = read_csv(path)
        found.append(Runs(name, curves.scores, curves.losses, curves.seeds, QUICKSTART_CONSTANT, MINILM_EPOCH_ENDS))
    return found


def own(path: Path = OWN) -> list[Runs]:
    """Our own episodes of MiniLM: a task and a recipe each, named as their sweeps are up to the second hyphen."""
    from pyarrow import parquet

    by_run: dict[str, dict[tuple[int, int], list[Mapping[str, float | None]]]] = {}
    baselines: dict[str, float] = {}
    for row in parquet.read_table(path).to_pylist():
        name = cell_of(row["sweep"])
        baselines[name] = row["baseline"]
        by_run.setdefault(name, {}).setdefault((row["weight_init"], row["data_order"]), []).append(row)
    found = []
    for name, episodes in sorted(by_run.items()):
        planned = max(map(len, episodes.values()))
        whole = {seeds: curve for seeds, curve in episodes.items() if len(curve) == planned}
        scores, losses = (_curves(whole.values(), column) for column in ("score", "loss"))
        found.append(Runs(name, scores, losses, np.array(list(whole)), baselines[name], MINILM_EPOCH_ENDS))
    return found


def cell_of(sweep: str) -> str:
    """`mrpc, stable` of mrpc-stable-a."""
    return ", ".join(sweep.split("-")[:2])


def _curves(episodes: Iterable[Sequence[Mapping[str, float | None]]], column: str) -> Floats:
    ordered = [sorted(curve, key=lambda row: row["evaluation"] or 0) for curve in episodes]
    return np.array([[np.nan if row[column] is None else row[column] for row in curve] for curve in ordered])


def add(paths: Sequence[Path], to: Path = OWN) -> int:
    """Add exported sweeps to the table of our own; returns how many rows it then has.

    Raises:
        ValueError: an episode is there already.
    """
    import pyarrow as pa
    from pyarrow import parquet

    tables = [parquet.read_table(path) for path in ([to] if to.exists() else []) + list(paths)]
    table = pa.concat_tables(tables).sort_by([(name, "ascending") for name in ("sweep", "episode", "evaluation")])
    keys = [(cell_of(row["sweep"]), row["episode"], row["evaluation"]) for row in table.to_pylist()]
    if len(set(keys)) < len(keys):
        raise ValueError("an episode is there twice: add only sweeps of other seeds")
    parquet.write_table(table, to, compression="zstd")
    return len(keys)


if __name__ == "__main__":
    print(f"{OWN} has {add([Path(name) for name in sys.argv[1:]])} evaluations")
