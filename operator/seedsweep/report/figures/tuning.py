"""What the best of n runs is worth, drawn against what it costs, and within which bands it is known."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from seedsweep.api.status import SweepStatus
from seedsweep.report.facts import steps_trained
from seedsweep.report.figures.axes import frame
from seedsweep.report.figures.drawing import Drawing, Palette, is_narrow
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import Withheld, analyses
from seedsweep.report.statistics.whole import ExpectedBest, expected_of
from seedsweep.report.table import Table, Value
from seedsweep.report.words import metric_words
from seedsweep.science.bands import Band, median_bands

BANDS = "Confidence bands of the best of n runs"
_APART, _APART_NARROW = 1.4, 3.0
"""Ratio of two numbers whose labels do not touch."""


def bands_of(record: Record, expected: ExpectedBest) -> tuple[Band, ...] | Withheld:
    """Bands for whole runs that are independent."""
    if not expected.independent:
        remedy = "Run the sweep with `seeds: {single: {count: N}}`, or with pairs that share no seed, to get them."
        return Withheld(BANDS, f"episodes share seeds, so they are not independent. {remedy}")
    [analysis] = analyses(record)
    return tuple(median_bands(analysis.scores, expected.runs, maximize=record.sweep.spec.trainer.maximize))


def tuning_figure(record: Record) -> Drawing | None:
    """The expected best of n whole runs, by how often they are evaluated; None for a record that does not tell it."""
    expected = expected_of(record)
    if expected is None or len(expected.runs) < 2:
        return None
    found = bands_of(record, expected)
    bands = found if isinstance(found, tuple) else ()
    metric = metric_words(record.sweep.spec.trainer, record.sweep.status)
    curves = {"evaluated as planned": expected.unbiased, **expected.fewer}
    units = _units(record.sweep.status or SweepStatus())

    def paint(figure: Figure, palette: Palette) -> None:
        axes = figure.add_subplot(facecolor="none")
        frame(axes, palette)
        colors = (palette.best, palette.kept, palette.bad)
        for color, (name, values) in zip(colors, curves.items(), strict=False):
            axes.plot(expected.runs, values, color=color, lw=2, marker="o", markersize=4, label=name)
        for side, label in (("low", "95 % band of the median"), ("high", None)):
            edge = [(band.n, bound) for band in bands if (bound := getattr(band, side)) is not None]
            axes.plot(*zip(*edge, strict=True), color=palette.lost, lw=1.2, ls=(0, (4, 2)), label=label)
        axes.set_xscale("log")
        runs = _apart(expected.runs, _APART_NARROW if is_narrow(figure) else _APART)
        axes.set_xticks(runs, ["\n".join(f"{n * each:,.0f}" for each in units.values()) for n in runs])
        axes.minorticks_off()
        axes.set_xlabel("\n".join(units), color=palette.ink)
        axes.set_ylabel(f"best validation {metric}", color=palette.ink)
        axes.legend(frameon=False, labelcolor=palette.ink)

    told = "; ".join(f"{name}: {values[0]:.4f} for one run, {values[-1]:.4f}" for name, values in curves.items())
    words = f"{told} for the best of {expected.runs[-1]:,}."
    tables = (_table(expected, curves, bands, units),)
    return Drawing("tuning", "Expected best of n runs", words, paint, tables, (9.6, 4.4))


def _apart(runs: Sequence[int], ratio: float) -> list[int]:
    """The last of them, and from there down those that are so far apart."""
    found = [runs[-1]]
    for n in reversed(runs[:-1]):
        if n <= found[-1] / ratio:
            found.append(n)
    return found[::-1]


def _units(status: SweepStatus) -> dict[str, float]:
    """What an episode is in each unit; GPU seconds at the rate of all steps that were trained here."""
    trained = steps_trained(status.cost)
    rate = status.cost.gpu_seconds / trained if trained else 0.0
    steps = status.steps or 0
    units = {"episodes": 1.0, "optimizer steps": float(steps), "GPU seconds": rate * steps}
    return {unit: each for unit, each in units.items() if each}


def _table(
    expected: ExpectedBest, curves: Mapping[str, Sequence[float]], bands: Sequence[Band], units: Mapping[str, float]
) -> Table:
    names = [*(unit.replace(" ", "_") for unit in units), *(name.replace(" ", "_") for name in curves), "plug_in"]
    rows: list[tuple[Value, ...]] = [
        (*(n * each for each in units.values()), *(values[i] for values in curves.values()), expected.plug_in[i])
        for i, n in enumerate(expected.runs)
    ]
    if bands:
        names += ["median", "median_low", "median_high"]
        rows = [(*row, band.median, band.low, band.high) for row, band in zip(rows, bands, strict=True)]
    return Table("tuning", tuple(names), rows)
