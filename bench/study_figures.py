"""The figures of docs/study.md, after those of Dodge et al. (2020)."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde

from seedsweep.science.expected import plug_in_expected_best
from study_claims import before_and_after, correlation, correlations, expected
from study_plans import printed
from study_records import TASKS, Floats, Runs, best_at, paper_grid, rows_of
from study_tables import BUDGETS, Reductions

INK, BLUE, ORANGE, GREEN, GREY = "#1d2329", "#0068a8", "#c04c00", "#2a7f3f", "#8a949e"
LINES = 20
"""Curves a panel, drawn at random, as in the paper."""
PANEL = (3.1, 2.4)


def new_figure(panels: int, columns: int) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, whatever style this machine's user has set."""
    columns = min(columns, panels)
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows), layout="constrained", facecolor="white")
    return figure, [figure.add_subplot(rows, columns, 1 + number) for number in range(panels)]


def save(figure: Figure, path: Path) -> None:
    """As SVG or PNG by the name; equal records give equal bytes."""
    vector = path.suffix == ".svg"
    figure.savefig(path, dpi=110, metadata={"Date": None} if vector else {"Software": None})


def plain_style() -> None:
    """Small text, no frame above and to the right."""
    mpl.rcdefaults()
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "seedsweep", "font.size": 8, "lines.linewidth": 1.2})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 8.5})


def draw_expected(records: Sequence[Runs], folder: Path | None) -> Figure:
    """Expected validation performance: the best of n runs, by how often they are evaluated."""
    tasks = TASKS if folder is not None else ()
    figure, axes = new_figure(len(tasks) + len(records), 3)
    for panel, task in zip(axes, tasks, strict=False):
        assert folder is not None
        _expected_of_the_paper(panel, folder, task)
    for panel, runs in zip(axes[len(tasks) :], records, strict=True):
        upto = min(20, len(runs.scores))
        ends = [number - 1 for number in runs.epoch_ends]
        last = [runs.scores.shape[1] - 1]
        curves = {
            f"all {runs.scores.shape[1]} evaluations": (runs.best, BLUE),
            "one an epoch": (best_at(runs, ends), ORANGE),
            "the last alone": (best_at(runs, last), GREEN),
        }
        for words, (values, colour) in curves.items():
            panel.plot(range(1, upto + 1), 100 * expected(values, upto), color=colour, label=words)
        panel.set_title(f"{runs.name} (n = {len(runs.scores)})")
        panel.legend(frameon=False, fontsize=7, loc="lower right")
    for panel in axes:
        panel.set_xlabel("runs")
    axes[0].set_ylabel("expected best score, points")
    return figure


def _expected_of_the_paper(panel: Axes, folder: Path, task: str) -> None:
    scores = paper_grid(folder, task).ravel().tolist()
    runs = range(1, 31)
    found = [100 * plug_in_expected_best(scores, n, design="full", maximize=True) for n in runs]
    panel.plot(runs, found, color=BLUE, label="recorded best scores")
    plans = printed(folder, task)
    panel.plot([p.budget for p in plans], [100 * (p.found - p.gain) for p in plans], ".", color=INK, label="printed")
    panel.set_title(f"paper, {task.upper()} (n = {len(scores)})")
    panel.legend(frameon=False, fontsize=7, loc="lower right")


def draw_grids(grids: dict[str, Floats]) -> Figure:
    """Best score by pair of seeds, rows and columns sorted by their means."""
    figure, axes = new_figure(len(grids), 3)
    for panel, (name, grid) in zip(axes, grids.items(), strict=True):
        rows, columns = np.argsort(-grid.mean(axis=1)), np.argsort(grid.mean(axis=0))
        image = panel.imshow(100 * grid[rows][:, columns], cmap="viridis", aspect="auto", interpolation="nearest")
        figure.colorbar(image, ax=panel)
        panel.set(title=name, xticks=[], yticks=[], xlabel="data orders, best right", ylabel="weight inits, best top")
    return figure


def draw_densities(grids: dict[str, Floats]) -> Figure:
    """Density of the scores of the best and the worst seed of either kind."""
    figure, axes = new_figure(len(grids), 3)
    for panel, (name, grid) in zip(axes, grids.items(), strict=True):
        margin = 0.15 * np.ptp(grid)
        place = np.linspace(np.min(grid) - margin, np.max(grid) + margin, 200)
        for words, own, dash in (("weight init", grid, "-"), ("data order", grid.T, "--")):
            order = own.mean(axis=1).argsort()
            for which, row, colour in (("best", order[-1], BLUE), ("worst", order[0], ORANGE)):
                density = gaussian_kde(own[row])(place)
                panel.plot(100 * place, density / 100, dash, color=colour, label=f"{which} {words}")
        panel.set(title=name, xlabel="best score, points", yticks=[])
        panel.locator_params(axis="x", nbins=6)
    axes[0].legend(frameon=False, fontsize=7)
    return figure


def draw_curves(records: Sequence[Runs]) -> Figure:
    """Validation curves of up to 20 runs each."""
    figure, axes = new_figure(len(records), 3)
    rng = np.random.default_rng(0)
    for panel, runs in zip(axes, records, strict=True):
        chosen = rng.permutation(len(runs.scores))[:LINES]
        at = np.arange(1, runs.scores.shape[1] + 1)
        for row in chosen:
            panel.plot(at, 100 * runs.scores[row], color=BLUE, alpha=0.45, linewidth=0.9)
        panel.axhline(100 * runs.constant, color=GREY, linestyle=":", linewidth=1)
        panel.set(title=f"{runs.name} ({len(chosen)} of {len(runs.scores)})", xticks=at[1::2])
    axes[0].set_ylabel("validation score, points")
    for panel in axes[-3:]:
        panel.set_xlabel("evaluation")
    return figure


def draw_correlations(records: Sequence[Runs]) -> Figure:
    """Rank correlation of the best after i and after j evaluations."""
    figure, axes = new_figure(len(records), 3)
    for panel, runs in zip(axes, records, strict=True):
        size = runs.scores.shape[1] + 0.5
        image = panel.imshow(correlations(runs), vmin=0, vmax=1, cmap="viridis", extent=(0.5, size, size, 0.5))
        panel.set(title=f"{runs.name} (n = {len(runs.scores)})", xlabel="best after j", ylabel="best after i")
        figure.colorbar(image, ax=panel)
    return figure


def draw_with_the_end(records: Sequence[Runs], folder: Path) -> Figure:
    """How the score at an evaluation goes with the last, as printed; and how the best so far goes with the rest."""
    figure, (left, right) = new_figure(2, 2)
    figure.set_size_inches(9.3, 3.4)
    for task, colour in (("mrpc", BLUE), ("rte", ORANGE)):
        rows = rows_of(folder / "dodge2020" / "correlation.csv", task=task, kind="spearman")
        at = [(int(row["eval_index"]) + 1) / int(row["evals"]) for row in rows]
        left.plot(at, [float(row["corr_with_final"]) for row in rows], color=colour, label=f"paper, {task.upper()}")
    colours = mpl.colormaps["tab20"].resampled(20)
    for number, runs in enumerate(records):
        count = runs.scores.shape[1]
        share = np.arange(1, count + 1) / count
        final = np.where(np.isfinite(runs.scores[:, -1]), runs.scores[:, -1], runs.constant)
        now = np.where(np.isfinite(runs.scores), runs.scores, runs.constant)
        left.plot(share, [correlation(now[:, i], final) for i in range(count)], color=GREY, linewidth=0.8, alpha=0.8)
        rest = [correlation(*before_and_after(runs, e)) for e in range(1, count)]
        right.plot(share[:-1], rest, color=colours(number), label=runs.name)
    left.plot([], [], color=GREY, label="other records")
    left.set(title="score at an evaluation with the last score", xlabel="share of the run", ylabel="rank correlation")
    right.set(title="best so far with the best after it", xlabel="share of the run")
    left.legend(frameon=False, fontsize=7, loc="lower right")
    right.legend(frameon=False, fontsize=6.5, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_reductions(found: Reductions, folder: Path | None) -> Figure:
    """Relative error reduction by budget: of the paper's printed plans, and of a cut that nothing was tuned for."""
    figure, (left, right) = new_figure(2, 2)
    figure.set_size_inches(9.3, 3.4)
    if folder is not None:
        for task, colour in zip(TASKS, (BLUE, ORANGE, GREEN), strict=True):
            plans = printed(folder, task)
            left.plot([p.budget for p in plans], [p.reduction for p in plans], color=colour, label=task.upper())
        left.legend(frameon=False)
    colours = mpl.colormaps["tab20"].resampled(20)
    width = 0.7 / max(1, len(found))
    for number, (name, own) in enumerate(found.items()):
        known = [(place, one) for place, one in enumerate(own) if one is not None]
        place = np.array([at for at, _ in known]) + (number - (len(found) - 1) / 2) * width
        middle = [one.value for _, one in known]
        around = np.abs(np.array([one.interval for _, one in known]).T - middle)
        right.errorbar(place, middle, yerr=around, fmt="o", markersize=3, linewidth=1, color=colours(number))
        right.plot([], [], "o", markersize=3, color=colours(number), label=name)
    right.axhline(0, color=GREY, linestyle=":")
    right.set_xticks(range(len(BUDGETS)), [str(budget) for budget in BUDGETS])
    left.set(title="paper: the best of its plans", xlabel="budget, full runs", ylabel="relative error reduction, %")
    right.set(title="a cut at half of the run, p = B/2, 95 % intervals", xlabel="budget, full runs")
    right.legend(frameon=False, fontsize=6.5, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
