"""The curve over budgets, as in the last figure of Dodge et al. (2020): what a cut gains over as many full runs."""

import io
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seedsweep.codes import bad_input
from seedsweep.new_file import write_new
from seedsweep.report.words import metric_words
from seedsweep.science.stopping.planning import Estimate
from seedsweep.studies.plan.answer import Answer

_BLUE, _GREY = "#1f6fb2", "#6b7280"


def write_figure(answer: Answer, path: Path) -> None:
    """Draw the curve where no file is.

    Raises:
        CommandError: there is no cut to draw, the file is there already, or it cannot be written.
    """
    if all(planned.cut is None for planned in answer.curve):
        raise bad_input("--figure: there is no cut to draw for budgets of 1 full run: give a history of more runs")
    kind = path.suffix.lower().removeprefix(".")
    with mpl.rc_context():
        # Whatever style this machine's user has set, the same answer gives the same figure.
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "seedsweep", "font.size": 10})
        mpl.rcParams["text.parse_math"] = False
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        _draw(figure.add_subplot(), answer)
        out = io.BytesIO()
        when = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        figure.savefig(out, format=kind, dpi=200, metadata=when)
    write_new("--figure", path, out.getvalue())


def _draw(axes: Axes, answer: Answer) -> None:
    reductions = {p.budget: p.cut.reduction for p in answer.curve if p.cut is not None and p.cut.reduction is not None}
    gains = {p.budget: p.cut.gain for p in answer.curve if p.cut is not None}
    # Where the metric has a best value it is the paper's measure, in percent; else the metric's unit.
    points = {b: _percent(reduction) for b, reduction in reductions.items()} if reductions else gains
    budgets = list(points)
    axes.axhline(0, color=_GREY, lw=1)
    low, high = [points[b].low for b in budgets], [points[b].high for b in budgets]
    axes.fill_between(budgets, low, high, color=_BLUE, alpha=0.15, lw=0, label="95 % of splits by seed")
    axes.plot(budgets, [points[b].mean for b in budgets], color=_BLUE, lw=1.5)
    for pays, fill, words in ((True, _BLUE, "a cut is sure to pay"), (False, "white", "train all fully")):
        at = [p.budget for p in answer.curve if p.cut is not None and p.budget in points and p.cut.pays is pays]
        if at:
            axes.plot(at, [points[b].mean for b in at], "o", color=_BLUE, mfc=fill, ms=5, label=words)
    metric = metric_words(answer.histories[0].sweep.spec.trainer, None)
    axes.set_xlabel("budget, in full runs")
    axes.set_ylabel("relative error reduction, %" if reductions else f"gain in {metric}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)


def _percent(estimate: Estimate) -> Estimate:
    return Estimate(100 * estimate.mean, 100 * estimate.low, 100 * estimate.high)
