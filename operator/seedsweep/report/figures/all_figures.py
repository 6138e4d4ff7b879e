"""The figures of a report, in the order in which it has them."""

from collections.abc import Callable

from seedsweep.report.figures.curve_figures import curves_figure, finalists_figure
from seedsweep.report.figures.densities import densities_figure
from seedsweep.report.figures.drawing import Drawing
from seedsweep.report.figures.grid_figure import grid_figure
from seedsweep.report.figures.tuning import tuning_figure
from seedsweep.report.record import Record

FIGURES: tuple[Callable[[Record], Drawing | None], ...] = (
    curves_figure,
    finalists_figure,
    grid_figure,
    tuning_figure,
    densities_figure,
)
"""Each draws a record, or is not for it. A template finds its figure under `figures.NAME`, where it is there."""


def figures_of(record: Record) -> list[Drawing]:
    """Those that this record has."""
    return [drawing for draw in FIGURES if (drawing := draw(record)) is not None]
