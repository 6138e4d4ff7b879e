"""Densities of the best and the worst seed of either kind, as Dodge et al. (2020) draw them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from seedsweep.api.status import SweepStatus
from seedsweep.report.figures.axes import frame
from seedsweep.report.figures.drawing import Drawing, Palette, is_narrow
from seedsweep.report.figures.grid_figure import seed_grid
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import Withheld
from seedsweep.report.table import Table
from seedsweep.report.words import metric_words
from seedsweep.science.seeds.grid import extremes

DENSITIES = "Densities of the best and the worst seed"
FEWEST = 5
"""Scores of a seed: fewer have no shape."""
_KINDS = ("weight-init", "data-order")


@dataclass(frozen=True, slots=True)
class Extreme:
    """The scores of the best or the worst seed of a kind."""

    kind: str
    seed: int
    best: bool
    scores: NDArray[np.float64]


def densities_figure(record: Record) -> Drawing | None:
    """A panel for each kind of seed; None for a record that does not tell which seed matters."""
    found = _extremes(record)
    if not found or _fewest(found) < FEWEST:
        return None
    metric = metric_words(record.sweep.spec.trainer, record.sweep.status)

    def paint(figure: Figure, palette: Palette) -> None:
        shape = (2, 1) if is_narrow(figure) else (1, 2)
        for axes, kind in zip(figure.subplots(*shape, sharex=True), _KINDS, strict=True):
            frame(axes, palette)
            axes.grid(visible=False)
            for extreme in (each for each in found if each.kind == kind):
                _density(axes, extreme, palette.best if extreme.best else palette.bad)
            axes.set_title(f"{kind} seeds", color=palette.ink, fontsize="medium")
            axes.set_xlabel(f"best validation {metric}", color=palette.ink)
            axes.set_yticks([])
            axes.legend(frameon=False, labelcolor=palette.ink, fontsize="small")

    words = ", ".join(f"{_name(each)} with a mean of {np.mean(each.scores):.4f}" for each in found)
    rows = [(each.kind, each.seed, "best" if each.best else "worst", float(s)) for each in found for s in each.scores]
    table = Table("densities", ("kind", "seed", "rank", "score"), [*rows])
    return Drawing("densities", "Scores of the best and the worst seed", f"{words}.", paint, (table,), (9.6, 3.9), 6.4)


def no_densities(record: Record) -> Withheld | None:
    """Why there are none, where it is told which seed matters."""
    found = _extremes(record)
    if not found or _fewest(found) >= FEWEST:
        return None
    why = f"a seed has {_fewest(found)} scores. Run a grid of {FEWEST} x {FEWEST} or more seeds to get it."
    return Withheld(DENSITIES, why)


def _extremes(record: Record) -> list[Extreme]:
    grid = seed_grid(record)
    status = record.sweep.status or SweepStatus()
    if status.design != "full" or grid is None:
        return []
    try:
        return list(_of_grid(grid.scores, (grid.weight_inits, grid.data_orders), record.sweep.spec.trainer.maximize))
    except ValueError:
        # Too few scores; "which seed matters" says so.
        return []


def _of_grid(
    scores: NDArray[np.float64], seeds: tuple[tuple[int, ...], tuple[int, ...]], maximize: bool
) -> Iterator[Extreme]:
    for kind, names, rows in zip(_KINDS, seeds, (scores, scores.T), strict=True):
        for best, row in zip((True, False), extremes(rows, maximize=maximize), strict=True):
            yield Extreme(kind, names[row], best, rows[row][np.isfinite(rows[row])])


def _fewest(found: list[Extreme]) -> int:
    return min(len(each.scores) for each in found)


def _name(extreme: Extreme) -> str:
    return f"{'best' if extreme.best else 'worst'} {extreme.kind} seed {extreme.seed}"


def _density(axes: Axes, extreme: Extreme, color: str) -> None:
    """A Gaussian kernel density with Scott's bandwidth (scipy's default), over a tick for every score."""
    scores = extreme.scores
    label = f"{'best' if extreme.best else 'worst'}: seed {extreme.seed}, n = {len(scores)}"
    axes.plot(scores, np.zeros_like(scores), "|", color=color, markersize=12)
    if float(np.ptp(scores)) > 1e-9 * max(1.0, float(np.abs(scores).max())):
        kernel = stats.gaussian_kde(scores)
        margin = 3 * float(np.sqrt(kernel.covariance[0, 0]))
        at = np.linspace(scores.min() - margin, scores.max() + margin, 200)
        axes.plot(at, kernel(at), color=color, lw=2, label=label)
        axes.fill_between(at, kernel(at), color=color, alpha=0.15, lw=0)
    else:
        axes.axvline(scores[0], color=color, lw=2, label=f"{label}, all alike")
