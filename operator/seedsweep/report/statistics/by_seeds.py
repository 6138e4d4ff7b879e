"""Scores by their two seeds."""

import math

import numpy as np
from numpy.typing import NDArray

from seedsweep.engine.layout import Layout
from seedsweep.report.statistics.analysis import Analysis


def seed_axes(layout: Layout) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The weight-init seeds and the data-order seeds of a sweep, each in order."""
    first, second = (tuple(sorted({episode[axis] for episode in layout.episodes})) for axis in (0, 1))
    return first, second


def scores_by_seeds(layout: Layout, analysis: Analysis) -> NDArray[np.float64]:
    """(weight-init seeds, data-order seeds), each in order; NaN where there is no score."""
    axes = seed_axes(layout)
    rows, columns = ({seed: place for place, seed in enumerate(seeds)} for seeds in axes)
    grid = np.full((len(rows), len(columns)), math.nan)
    for episode in layout.episodes:
        score = analysis.by_episode.get(episode.name, math.nan)
        grid[rows[episode.weight_init], columns[episode.data_order]] = score
    return grid
