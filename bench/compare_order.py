"""How far a result hangs on the order of arrival: the same episodes, started in other orders, at other paces."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compare_curves import Curves
from compare_methods import documented
from compare_study import COSTING, WORKERS, afford, draws

SETS, ORDERS = 10, 20
"""200 replays of every method."""


@dataclass(frozen=True)
class Spread:
    """What differs where nothing but the order does; scores as they were recorded."""

    method: str
    setting: str
    workers: int
    episodes: int
    deviation: float
    """Standard deviation of the score found, over the orders of one set, root mean square over the sets."""
    widest: float
    """The largest difference between two orders of one set."""
    other_kept: float
    """Share of orders that kept other episodes than the commonest kept set of their set."""


def spreads(curves: Curves, budget: int) -> list[Spread]:
    """Every documented method, with every number of workers."""
    found = []
    costing = draws(curves, [4], COSTING)
    for setting in documented(budget):
        for workers in WORKERS:
            episodes = afford(setting, costing, budget * curves.steps[-1], workers)
            scores, others = [], []
            for number, drawn in enumerate(draws(curves, [5], SETS)):
                rng = np.random.default_rng([6, number])
                results = []
                for _ in range(ORDERS):
                    order = drawn.shuffled(rng, episodes)
                    result = setting.run(order, episodes, workers)
                    kept = frozenset(tuple(map(int, order.curves.seeds[i])) for i in result.kept)
                    results.append((result.found, kept))
                scores.append([score for score, _ in results])
                others.append(_uncommon([kept for _, kept in results]))
            table = np.array(scores)
            found.append(
                Spread(
                    setting.method,
                    setting.words,
                    workers,
                    episodes,
                    float(np.sqrt(np.mean((table - table[:, :1]).var(axis=1)))),
                    float(np.ptp(table, axis=1).max()),
                    float(np.mean(others)),
                )
            )
    return found


def _uncommon(kept: Sequence[frozenset[tuple[int, ...]]]) -> float:
    return 1 - Counter(kept).most_common(1)[0][1] / len(kept)
