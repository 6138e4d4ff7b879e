"""Made-up arms of which the truth is known, for the size of tests and the coverage of intervals."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
CHANCE_OF_A_FALSE_ALARM = 1e-6


def normal(deviation: float = 1.0) -> Draw:
    return lambda rng, n: deviation * rng.normal(size=n)


def failing(chance: float) -> Draw:
    """This share of runs fails, far below the others; of mean 0."""

    def draw(rng: np.random.Generator, n: int) -> Floats:
        scores: Floats = np.where(rng.random(n) < chance, -2.0, 0.5 * rng.normal(size=n)) + 2 * chance
        return scores

    return draw


def moved(values: Floats, by: float) -> Floats:
    added: Floats = np.add(values, by)
    return added


def grid_seeds(rows: int, columns: int) -> NDArray[np.int64]:
    return np.array([(row, column) for row in range(rows) for column in range(columns)])


def own_seeds(n: int) -> NDArray[np.int64]:
    return np.column_stack([np.arange(n), np.arange(n)])


def assert_no_more_often_than(count: int, of: int, chance: float) -> None:
    """So many are too many to be luck, if each happens with this chance: an exact bound. Seeds are fixed."""
    most = int(stats.binom.isf(CHANCE_OF_A_FALSE_ALARM, of, chance))
    assert count <= most, f"{count} of {of} are more than {most}"
