"""Axes of the figures that show statistics."""

from matplotlib.axes import Axes

from seedsweep.report.figures.drawing import Palette


def frame(axes: Axes, palette: Palette) -> None:
    """A line below, faint ones across, no box."""
    axes.set_facecolor("none")
    axes.grid(axis="y", color=palette.line, lw=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(palette.ink)
    axes.tick_params(colors=palette.ink, length=0)
