"""The recorded curves that the comparison replays: reading them, drawing from them, and making the file.

    seedsweep run curves.yaml && python bench/compare_curves.py runs/curves > bench/curves/quickstart-10x10-later.csv

The file's header says how the curves were made. One row is one evaluation of one fully trained episode.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / "curves" / "quickstart-10x10-later.csv"
SPREAD = 0.2
"""Of the logarithm of the episodes' paces: a fifth, as between nodes of one kind."""


@dataclass(frozen=True)
class Curves:
    """Fully trained episodes: `seeds` (n, 2) of weight-init and data-order seeds, `scores` and `losses` (n, E)."""

    seeds: np.ndarray
    scores: np.ndarray
    losses: np.ndarray
    steps: tuple[int, ...]
    """The optimizer step that each evaluation follows; the last is S."""

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def evaluations(self) -> int:
        """E."""
        return int(self.scores.shape[1])

    def take(self, chosen: Sequence[int] | np.ndarray) -> "Curves":
        """Those episodes, in that order."""
        return Curves(self.seeds[chosen], self.scores[chosen], self.losses[chosen], self.steps)


@dataclass(frozen=True)
class Draw:
    """What every method is given alike: episodes in the order of their start, and how fast each would train."""

    curves: Curves
    paces: np.ndarray
    """Time from one evaluation to the next, by episode; only their ratios matter."""
    number: int

    def shuffled(self, rng: np.random.Generator, first: int) -> "Draw":
        """The same first episodes in another order, each at another pace."""
        return Draw(self.curves.take(rng.permutation(first)), random_paces(rng, first), self.number)


def draw(curves: Curves, rng: np.random.Generator, number: int) -> Draw:
    """All episodes in random order; a method that starts t of them takes the first t."""
    return Draw(curves.take(rng.permutation(len(curves))), random_paces(rng, len(curves)), number)


def random_paces(rng: np.random.Generator, count: int) -> np.ndarray:
    """Log-normal, so that no two episodes ever report at the same moment."""
    return np.exp(rng.normal(0.0, SPREAD, count))


def read(path: Path = FILE) -> Curves:
    """The curves of a file; lines that begin with # are its header."""
    by_episode: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    with path.open() as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            curve = by_episode.setdefault((int(row["weight_init"]), int(row["data_order"])), [])
            # Undefined scores, and losses and steps that nobody told, are empty fields.
            step, score, loss = (float(row[name] or "nan") for name in ("step", "score", "loss"))
            curve.append((step, score, loss))
    full = max(map(len, by_episode.values()))
    curves = {seeds: curve for seeds, curve in by_episode.items() if len(curve) == full}
    table = np.array(list(curves.values()))
    return Curves(
        np.array(list(curves)), table[:, :, 1], table[:, :, 2], tuple(map(int, np.nan_to_num(table[0, :, 0])))
    )


def compact(folder: Path) -> Iterator[str]:
    """The rows of a run folder's curves.csv without the names, in the order of the seeds."""
    with (folder / "curves.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda r: tuple(int(r[name]) for name in _ORDER))
    yield ",".join(_COLUMNS)
    for row in rows:
        yield ",".join(row[name] for name in _COLUMNS)


_ORDER = ("weight_init", "data_order", "evaluation")
_COLUMNS = ("weight_init", "data_order", "step", "score", "loss")


if __name__ == "__main__" and len(sys.argv) == 2:
    print("\n".join(compact(Path(sys.argv[1]))))
