"""The figures of a report, in the order in which it has them."""

from seedsweep.report.beside import Beside
from seedsweep.report.figures.curve_figures import curves_figure, finalists_figure
from seedsweep.report.figures.densities import densities_figure
from seedsweep.report.figures.drawing import Drawing
from seedsweep.report.figures.grid_figure import grid_figure
from seedsweep.report.figures.losses import losses_figure
from seedsweep.report.figures.tuning import tuning_figure
from seedsweep.report.record import Record


def figures_of(record: Record, known: Beside) -> list[Drawing]:
    """Those that this record has; a template finds each under `figures.NAME`."""
    drawings = (
        curves_figure(record),
        losses_figure(record, known),
        finalists_figure(record),
        grid_figure(record),
        tuning_figure(record),
        densities_figure(record),
    )
    return [drawing for drawing in drawings if drawing is not None]
