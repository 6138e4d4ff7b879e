"""The comparison itself: seeds that choose, seeds that judge, the same draws for every method, at equal steps.

A split halves the weight-init seeds (even splits) or the data-order seeds (odd ones). On the first half the number of
episodes of every setting is chosen so that its mean cost is nearest to the budget, and, of the settings that may be
tuned, the one that found the best scores. The second half is looked at once: its draws are the replays that count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compare_curves import Curves, Draw, draw
from compare_methods import Setting, documented, tunable

BUDGETS = (4, 8)
"""Full runs."""
WORKERS = (1, 4, 16)
TUNED_WITH = 4
"""Workers in the replays that choose a setting; the number of episodes is chosen for each number of workers."""
SPLITS = 8
DRAWS = 25
"""Of each second half: 200 in all."""
COSTING, CHOOSING = 4, 16
"""Draws of the first half from which a number of episodes and a setting are chosen."""
LARGEST_SHARE = 4
"""A setting is not chosen by draws of more than one in so many of the curves: where nearly all are started, every draw
finds their best, whatever the setting is worth elsewhere."""


@dataclass(frozen=True)
class Row:
    """One replay that counts."""

    split: int
    draw: int
    budget: int
    workers: int
    tuned: bool
    method: str
    setting: str
    episodes: int
    found: float
    steps: float


def halves(curves: Curves, split: int) -> tuple[Curves, Curves]:
    """The episodes of five random seeds of one kind, and those of the other five."""
    of_kind = curves.seeds[:, split % 2]
    seeds = np.random.default_rng([1, split]).permutation(np.unique(of_kind))
    first = np.isin(of_kind, seeds[: len(seeds) // 2])
    return curves.take(np.flatnonzero(first)), curves.take(np.flatnonzero(~first))


def study(curves: Curves, budget: int, split: int) -> list[Row]:
    """All replays of one split with one budget."""
    first, second = halves(curves, split)
    choosing = draws(first, [2, split], CHOOSING)
    settings = [(False, setting) for setting in documented(budget)]
    settings += [(True, setting) for setting in tune(tunable(budget), choosing, budget * curves.steps[-1])]
    rows = []
    for tuned, setting in settings:
        for workers in WORKERS:
            episodes = afford(setting, choosing[:COSTING], budget * curves.steps[-1], workers)
            for drawn in draws(second, [3, split], DRAWS):
                found = setting.run(drawn, episodes, workers)
                identity = (split, drawn.number, budget, workers, tuned, setting.method, setting.words)
                rows.append(Row(*identity, episodes, found.found, found.steps))
    return rows


def draws(curves: Curves, seed: Sequence[int], count: int) -> list[Draw]:
    """Independent draws."""
    rng = np.random.default_rng(seed)
    return [draw(curves, rng, number) for number in range(count)]


def tune(settings: Sequence[Setting], choosing: Sequence[Draw], steps: int) -> list[Setting]:
    """Of each method the setting that finds the best score on average, the first of equals.

    One that starts too large a share of the curves is not looked at, but where a method has none else: then its
    smallest is taken.
    """
    most = len(choosing[0].curves) // LARGEST_SHARE
    best: dict[str, tuple[float, Setting]] = {}
    for setting in settings:
        episodes = afford(setting, choosing[:COSTING], steps, TUNED_WITH)
        if episodes <= most:
            worth = float(np.mean([setting.run(drawn, episodes, TUNED_WITH).found for drawn in choosing]))
        else:
            worth = -float(episodes)  # below any score
        if setting.method not in best or worth > best[setting.method][0]:
            best[setting.method] = (worth, setting)
    return [setting for _, setting in best.values()]


def afford(setting: Setting, choosing: Sequence[Draw], steps: int, workers: int) -> int:
    """The number of episodes whose mean cost is nearest to so many steps; scores play no part."""

    def over(episodes: int) -> float:
        return float(np.mean([setting.run(drawn, episodes, workers).steps for drawn in choosing])) - steps

    high = min(len(choosing[0].curves), setting.most or len(choosing[0].curves))
    # Fewer than the least are never tried; their cost only guides the first guess.
    below, above = (setting.least - 1, -steps * (1 - (setting.least - 1) / high)), (high, over(high))
    if above[1] <= 0:
        return high
    while above[0] - below[0] > 1:
        # Costs grow nearly in proportion: few guesses are needed.
        guess = below[0] + round((above[0] - below[0]) * below[1] / (below[1] - above[1]))
        guess = min(max(guess, below[0] + 1), above[0] - 1)
        cost = over(guess)
        below, above = ((guess, cost), above) if cost <= 0 else (below, (guess, cost))
    return below[0] if below[0] >= setting.least and -below[1] <= above[1] else above[0]
