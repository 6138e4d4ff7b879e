"""Labels in a column beside a plot, each with a line to the point that it names: none covers another."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_SIZE = 0.9
"""Of the font of the figure."""
_SPACING = 1.3
"""Of a label's own size."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is said of a point."""

    text: str
    at: tuple[float, float]
    """In the plot's own numbers."""
    color: str
    bold: bool = False


def write_labels(figure: Figure, axes: Axes, labels: Sequence[Label]) -> None:
    """Write them to the right of finished axes, in the order of their points; call it last.

    The line to a point beyond the axes ends at their edge.
    """
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    size = _SIZE * mpl.rcParams["font.size"]
    height = axes.get_position().height * figure.get_figheight() * 72
    low, high = axes.get_ylim()
    wanted = [(label.at[1] - low) / (high - low) for label in labels]
    for label, y in zip(labels, spread(wanted, _SPACING * size / height), strict=True):
        axes.annotate(
            label.text,
            (label.at[0], min(max(label.at[1], low), high)),
            xytext=(1.03, y),
            textcoords="axes fraction",
            va="center",
            color=label.color,
            fontsize=size,
            fontweight="bold" if label.bold else "normal",
            arrowprops={
                "arrowstyle": "-",
                "color": label.color,
                "lw": 0.6,
                "shrinkA": 2,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places between 0 and 1, at least `gap` apart and in the order wanted, near where they are wanted.

    More than fit at that distance stand as far apart as there is room for.
    """
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    gap = min(gap, 1 / (len(wanted) - 1)) if len(wanted) > 1 else gap
    placed: list[float] = []
    for i in order:
        placed.append(max(0.0, wanted[i], placed[-1] + gap if placed else 0.0))
    ceiling = 1.0
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    found = [0.0] * len(wanted)
    for i, y in zip(order, placed, strict=True):
        found[i] = y
    return found
