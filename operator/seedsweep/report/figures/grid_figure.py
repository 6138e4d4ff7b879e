"""The grid of seeds as a heat map, with the means of its rows and columns."""

import math
from dataclasses import dataclass
from itertools import repeat

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from seedsweep.engine.layout import Layout
from seedsweep.report.figures.drawing import NARROW, Area, Drawing, Palette, is_narrow
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import Analysis, analyses, share_no_seed
from seedsweep.report.statistics.by_seeds import scores_by_seeds, seed_axes
from seedsweep.report.table import Table, Value
from seedsweep.report.visible import robust_range
from seedsweep.report.words import metric_words, score_text

MOST_CELLS = 10_000
WITH_NUMBERS = (30, 12)
"""Rows and columns, whose cells have room for a number."""
_LEVELS = 10
_LABELLED, _LABELLED_NARROW = 25, 9
"""Seeds of an axis, at most."""
_NUMBER_INCHES = 0.44
"""Of the narrowest cell that has room for a number."""
_SCALE_INCHES = 0.5
_SMALL = 0.8
"""Of the font of the figure."""
_GAP = 0.4
"""Between the cells and the means of their rows and columns, in cells."""


@dataclass(frozen=True, slots=True)
class SeedGrid:
    """A score for each pair of seeds."""

    weight_inits: tuple[int, ...]
    data_orders: tuple[int, ...]
    scores: NDArray[np.float64]
    """(weight-init seeds, data-order seeds); NaN where there is none."""
    analysis: Analysis
    """What the scores are."""
    means: tuple[NDArray[np.float64], NDArray[np.float64]]
    """Of the scores of each weight-init seed, and of each data-order seed; NaN where there are none."""

    @property
    def missing(self) -> int:
        """Cells without a score."""
        return int(np.isnan(self.scores).sum())


def no_grid(record: Record) -> str:
    """Why the seeds of a record make no heat map; empty where they do."""
    layout = Layout.of(record.sweep)
    shape = [len(seeds) for seeds in seed_axes(layout)]
    if share_no_seed(layout.episodes):
        return "each episode has seeds of its own"
    if min(shape) < 2:
        return "all episodes share one of the seeds"
    if shape[0] * shape[1] > MOST_CELLS:
        return f"{shape[0]:,} by {shape[1]:,} seeds are more than can be told apart"
    if len(layout.sizes) > 1:
        return "brackets are cut at different evaluations, so that their scores do not compare"
    return "" if analyses(record) else "no episode has a score that the statistics count yet"


def seed_grid(record: Record) -> SeedGrid | None:
    """The scores that the statistics are of, by their seeds; None where there is no grid."""
    if no_grid(record):
        return None
    layout, [analysis] = Layout.of(record.sweep), analyses(record)
    scores = scores_by_seeds(layout, analysis)
    return SeedGrid(*seed_axes(layout), scores, analysis, (_means(scores), _means(scores.T)))


def grid_figure(record: Record) -> Drawing | None:
    """The heat map; None where there is no grid."""
    grid = seed_grid(record)
    if grid is None:
        return None
    rows, columns = grid.scores.shape
    maximize, words = record.sweep.spec.trainer.maximize, metric_words(record.sweep.spec.trainer, record.sweep.status)

    def paint(figure: Figure, palette: Palette) -> None:
        # Cells keep their shape, and what lies around them keeps close to them.
        figure.set_layout_engine("compressed")
        heat = _Heat.of(figure, palette, grid, maximize)
        heat.paint()
        heat.paint_scale(f"validation {words}", maximize)

    cell, narrow = _cell_size(rows, columns), _cell_size(rows, columns, narrow=True)
    size = (min(9.6, (columns + 1 + _GAP) * cell[0] + 2.4), max(2.4, (rows + 1 + _GAP) * cell[1] + 0.9))
    narrow_height = (rows + 1 + _GAP) * narrow[1] + 1.6
    said = f"Validation {words} by {rows} weight-init seeds and {columns} data-order seeds: {grid.analysis.source}."
    return Drawing("grid", "Scores by seeds", said, paint, _tables(grid), size, narrow_height, areas=_areas(grid))


@dataclass(frozen=True, slots=True)
class _Heat:
    """The heat map being painted: a cell at column x, row y, and the means beyond a gap."""

    figure: Figure
    axes: Axes
    palette: Palette
    grid: SeedGrid
    norm: BoundaryNorm
    colors: Colormap

    @classmethod
    def of(cls, figure: Figure, palette: Palette, grid: SeedGrid, maximize: bool) -> "_Heat":
        known = grid.scores[np.isfinite(grid.scores)].tolist()
        low, high = robust_range(known, maximize=maximize) or (0.0, 1.0)
        edges = np.linspace(low, high if high > low else low + 1e-9, _LEVELS + 1)
        colors = mpl.colormaps["cividis" if maximize else "cividis_r"].resampled(_LEVELS)
        axes = figure.add_subplot(facecolor="none")
        return cls(figure, axes, palette, grid, BoundaryNorm(edges, _LEVELS, clip=True), colors)

    def paint(self) -> None:
        """The cells and the means."""
        grid, ink, axes, narrow = self.grid, self.palette.ink, self.axes, is_narrow(self.figure)
        rows, columns = grid.scores.shape
        width, height = _cell_size(rows, columns, narrow=narrow)
        numbers = has_numbers(rows, columns) and width >= _NUMBER_INCHES
        self._cells((0, 0), grid.scores, numbers)
        self._cells((columns + _GAP, 0), grid.means[0][:, None], numbers)
        self._cells((0, rows + _GAP), grid.means[1][None, :], numbers)
        axes.set(xlim=(0, columns + 1 + _GAP), ylim=(rows + 1 + _GAP, 0), aspect=height / width, anchor="W")
        axes.set_xlabel("data-order seed", color=ink)
        axes.set_ylabel("weight-init seed", color=ink)
        axes.set_xticks(*_ticks(grid.data_orders, _LABELLED_NARROW if narrow else _LABELLED))
        axes.set_yticks(*_ticks(grid.weight_inits, _LABELLED))
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, labelcolor=ink)

    def paint_scale(self, metric: str, maximize: bool) -> None:
        """What the colours mean: beside the cells, or below where there is no room."""
        figure, mappable, ink = self.figure, ScalarMappable(self.norm, self.colors), self.palette.ink
        below = is_narrow(figure)
        share = _SCALE_INCHES / (figure.get_figheight() if below else figure.get_figwidth())
        where, room, shape = ("bottom", 0.06, 30) if below else ("right", 0.03, 20)
        scale = figure.colorbar(mappable, ax=self.axes, location=where, pad=room, fraction=share, aspect=shape)
        edges = self.norm.boundaries[:: _LEVELS // 2].tolist()
        worst, words = 0 if maximize else -1, [score_text(edge) for edge in edges]
        scores = self.grid.scores
        if np.nanmin(scores) < edges[0] or np.nanmax(scores) > edges[-1]:
            words[worst] += "\nor worse" if below else " or worse"
        scale.set_ticks(edges, labels=words)
        scale.minorticks_off()
        scale.outline.set_visible(False)
        scale.ax.tick_params(color=self.palette.line, labelcolor=ink)
        scale.set_label(metric, color=ink)

    def _cells(self, corner: tuple[float, float], scores: NDArray[np.float64], numbers: bool) -> None:
        """Cells of size 1 from a corner on, a shape for each colour; hatched where there is no score."""
        left, top = corner
        known = np.isfinite(scores)
        levels = np.where(known, self.norm(np.where(known, scores, 0.0)), -1)
        for level in np.unique(levels).tolist():
            shapes = [Path(_corners(left + j, top + i), closed=True) for i, j in np.argwhere(levels == level)]
            color = self.colors(level)
            style = {"facecolor": color, "edgecolor": color, "lw": 0.3}
            if level < 0:
                style = {"facecolor": "none", "edgecolor": self.palette.lost, "hatch": "////", "lw": 0}
            self.axes.add_patch(PathPatch(Path.make_compound_path(*shapes), **style))
        if numbers:
            for i, j in np.argwhere(known):
                self._number((left + j + 0.5, top + i + 0.5), float(scores[i, j]))

    def _number(self, at: tuple[float, float], score: float) -> None:
        red, green, blue, _ = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in self.colors(self.norm(score))
        )
        # The one that contrasts more: by the relative luminance of WCAG 2 both contrast alike at 0.179.
        ink = "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "white"
        self.axes.text(
            *at, score_text(score), color=ink, ha="center", va="center", fontsize=_SMALL * mpl.rcParams["font.size"]
        )


def _corners(x: float, y: float) -> list[tuple[float, float]]:
    return [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)]


def has_numbers(rows: int, columns: int) -> bool:
    """Whether cells are few enough for numbers in them, where their width allows it."""
    return rows <= WITH_NUMBERS[0] and columns <= WITH_NUMBERS[1]


def _cell_size(rows: int, columns: int, *, narrow: bool = False) -> tuple[float, float]:
    """Width and height in inches: squares, or with numbers in them twice as wide as high, as large as fits."""
    width = min(0.8, (NARROW - 1.0 if narrow else 7.2) / (columns + 1 + _GAP))
    height = width / 2 if has_numbers(rows, columns) and width >= _NUMBER_INCHES else width
    return width, min(height, 10 / (rows + 1 + _GAP))


def _ticks(seeds: tuple[int, ...], most: int) -> tuple[list[float], list[str]]:
    """Where seeds stand, and the mark for the means; of many seeds, some."""
    shown = range(0, len(seeds), -(-len(seeds) // most))
    places = [i + 0.5 for i in shown] + [len(seeds) + _GAP + 0.5]
    return places, [*(str(seeds[i]) for i in shown), "mean"]


def _means(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(scores)
    n = known.sum(axis=1)
    return np.where(n > 0, np.where(known, scores, 0.0).sum(axis=1) / np.maximum(n, 1), math.nan)


def _known(score: float) -> float | None:
    return score if math.isfinite(score) else None


def _areas(grid: SeedGrid) -> list[Area]:
    """Of each cell and mean, with what is said of it."""
    rows, columns = grid.scores.shape
    found = []
    for i, w in enumerate(grid.weight_inits):
        mean = score_text(_known(grid.means[0][i]))
        found.append(Area(f"mean-wi{w}", (columns + _GAP, i), f"mean of weight-init seed {w}: {mean}"))
        for j, d in enumerate(grid.data_orders):
            found.append(Area(f"cell-wi{w}-do{d}", (j, i), f"wi{w}-do{d}: {score_text(_known(grid.scores[i, j]))}"))
    for j, d in enumerate(grid.data_orders):
        mean = score_text(_known(grid.means[1][j]))
        found.append(Area(f"mean-do{d}", (j, rows + _GAP), f"mean of data-order seed {d}: {mean}"))
    return found


def _tables(grid: SeedGrid) -> tuple[Table, ...]:
    cells: list[tuple[Value, ...]] = [
        (f"wi{w}-do{d}", w, d, float(grid.scores[i, j]))
        for i, w in enumerate(grid.weight_inits)
        for j, d in enumerate(grid.data_orders)
    ]
    means: list[tuple[Value, ...]] = []
    for kind, seeds, axis in (("weight_init", grid.weight_inits, 0), ("data_order", grid.data_orders, 1)):
        n = np.isfinite(grid.scores).sum(axis=1 - axis).tolist()
        means += zip(repeat(kind), seeds, n, grid.means[axis].tolist(), strict=False)
    return (
        Table("grid", ("episode", "weight_init", "data_order", "score"), cells),
        Table("grid_means", ("kind", "seed", "n", "mean"), means),
    )
