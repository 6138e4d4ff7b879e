"""All curves of a record as one SVG, coloured by the page's style sheet so that it reads in light and dark."""

import html
import io
import math
import re

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seedsweep.api.cut import CutData
from seedsweep.api.episode import Episode
from seedsweep.api.status import SweepStatus
from seedsweep.engine.layout import Layout
from seedsweep.engine.questions.census import step_of
from seedsweep.report.analysis import known_baseline
from seedsweep.report.facts import counting_evaluations
from seedsweep.report.record import Record
from seedsweep.report.words import counted, metric_words, score_text

# Colours that stand for variables of the style sheet: matplotlib knows none, so they are swapped in its output.
INK, FAINT, GRID, KEPT, BEST, BAD = (f"#01020{i}" for i in range(6))
VARIABLES = {INK: "--ink", FAINT: "--lost", GRID: "--line", KEPT: "--kept", BEST: "--best", BAD: "--bad"}

LABELLED_CUTS = 4
"""More labels would take the room of the curves."""
_OUT = ("Failed", "Diverged")


def draw_curves(record: Record) -> str:
    """An `<svg>` element: every episode's validation curve, the cuts, the baseline and the winner."""
    status = record.sweep.status or SweepStatus()
    with mpl.rc_context():
        # Whatever style this machine's user has set, the same record gives the same figure.
        mpl.rcdefaults()
        # Text stays text: it takes the page's font, can be searched and is read aloud.
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "seedsweep", "font.size": 11})
        # A metric's name is text, whatever signs are in it.
        mpl.rcParams["text.parse_math"] = False
        figure = Figure(figsize=(9.6, 5.2), layout="constrained", facecolor="none")
        axes = figure.add_subplot(facecolor="none")
        _frame(axes, record, status)
        winner = status.best.episode if status.best is not None else None
        for episode in sorted(record.episodes, key=lambda e: _depth(e, winner)):
            _curve(axes, status, episode, winner, len(record.episodes))
        _limit(axes, record)
        for row, cut in enumerate(record.cuts):
            label_row = len(record.cuts) - 1 - row if len(record.cuts) <= LABELLED_CUTS else None
            _cut(axes, status, cut.data, label_row)
        _baseline(axes, record, status)
        _winner(axes, status, Layout.of(record.sweep).maximize)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _finish(out.getvalue(), record, status)


def describe(record: Record, status: SweepStatus) -> str:
    """The figure in words, for those who do not see it."""
    words = metric_words(record.sweep.spec.trainer, record.sweep.status)
    parts = [f"Validation {words} of {counted(len(record.episodes), 'episode')}."]
    parts += [
        f"The cut at evaluation {cut.data.evaluation} kept {len(cut.data.kept)} of "
        f"{len(cut.data.ranked) + len(cut.data.excluded)}, threshold {score_text(cut.data.threshold)}."
        for cut in record.cuts
    ]
    if status.best is not None:
        best = status.best
        parts.append(f"The best is {best.episode} with {score_text(best.score)} at evaluation {best.evaluation}.")
    return " ".join(parts)


def visible_range(record: Record) -> tuple[float, float] | None:
    """Scores to show: all, or without a far-off worst part, which would press all else into a line.

    None without any score. The better end is never cut off.
    """
    layout = Layout.of(record.sweep)
    scores = np.array([s for e in record.episodes for s in e.status.scores if s is not None], dtype=np.float64)
    if scores.size == 0:
        return None
    low, high = float(scores.min()), float(scores.max())
    if layout.maximize:
        usual = float(np.quantile(scores, 0.05))
        return (usual, high) if high - low > 3 * (high - usual) > 0 else (low, high)
    usual = float(np.quantile(scores, 0.95))
    return (low, usual) if high - low > 3 * (usual - low) > 0 else (low, high)


def shown_from(record: Record) -> float | None:
    """The score from which on the figure shows everything; None where it shows all there is."""
    visible = visible_range(record)
    scores = [s for e in record.episodes for s in e.status.scores if s is not None]
    if visible is None or (min(scores), max(scores)) == visible:
        return None
    return visible[0] if Layout.of(record.sweep).maximize else visible[1]


def _positions(status: SweepStatus, evaluations: int) -> list[int]:
    """Where evaluations 1..n stand: at their optimizer steps, or at their numbers where steps are unknown."""
    numbers = range(1, evaluations + 1)
    if status.evaluations is None or status.steps is None:
        return list(numbers)
    return [step_of(i, status.evaluations, status.steps) for i in numbers]


def _frame(axes: Axes, record: Record, status: SweepStatus) -> None:
    axes.set_xlabel("optimizer step" if status.steps and status.evaluations else "evaluation", color=INK)
    words = metric_words(record.sweep.spec.trainer, record.sweep.status)
    # Between two dollar signs matplotlib would read mathematics.
    axes.set_ylabel(f"validation {words}".replace("$", r"\$"), color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(color=GRID, labelcolor=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)


def _depth(episode: Episode, winner: str | None) -> int:
    """Losers are drawn first, the winner last."""
    if episode.spec.id.name == winner:
        return 2
    return 0 if _is_lost(episode) else 1


def _is_lost(episode: Episode) -> bool:
    verdict = episode.status.verdict
    return verdict is not None and verdict.outcome != "Finished"


def _curve(axes: Axes, status: SweepStatus, episode: Episode, winner: str | None, crowd: int) -> None:
    name, scores = episode.spec.id.name, episode.status.scores
    lost = _is_lost(episode)
    color, width = (BEST, 2.6) if name == winner else (FAINT, 1.0) if lost else (KEPT, 1.5)
    x = _positions(status, len(scores))
    y = [math.nan if score is None else score for score in scores]
    counts = counting_evaluations(episode)
    opacity = min(1.0, max(0.4, 60 / crowd)) if lost else 1.0
    marker = "." if counts == 1 else None
    axes.plot(x[:counts], y[:counts], marker=marker, color=color, lw=width, alpha=opacity, gid=f"curve-{name}")
    if counts < len(scores):
        # Trained past its rung: it can no longer become the result.
        rest = slice(counts - 1, None)
        axes.plot(x[rest], y[rest], ls=(0, (1, 1.5)), color=FAINT, lw=1.0, alpha=opacity, gid=f"after-{name}")
    ends = [(at, score) for at, score in zip(x, scores, strict=True) if score is not None]
    if ends and episode.status.verdict is not None and episode.status.verdict.outcome in _OUT:
        shape = "x" if episode.status.verdict.outcome == "Diverged" else "v"
        axes.plot(*ends[-1], shape, color=BAD, markersize=7, markeredgewidth=2, zorder=4, gid=f"end-{name}")


def _limit(axes: Axes, record: Record) -> None:
    visible = visible_range(record)
    if visible is not None:
        room = 0.08 * (visible[1] - visible[0]) or 0.05
        axes.set_ylim(visible[0] - room, visible[1] + room)


def _cut(axes: Axes, status: SweepStatus, cut: CutData, label_row: int | None) -> None:
    at = _positions(status, cut.evaluation)[-1]
    low, high = axes.get_xlim()
    axes.axvline(at, color=INK, lw=1.2, ls=(0, (5, 3)))
    if cut.threshold is not None:
        reach = 0.015 * (high - low)
        axes.plot([at - reach, at + reach], [cut.threshold] * 2, color=INK, lw=2.4, solid_capstyle="butt", zorder=5)
    if label_row is None:
        return
    kept = f"{len(cut.kept)} of {len(cut.ranked) + len(cut.excluded)} kept"
    early = at < (low + high) / 2
    axes.annotate(
        f"cut at evaluation {cut.evaluation}: {kept}, threshold {score_text(cut.threshold)}",
        (at, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-3 if early else 3, 4 + 14 * label_row),
        textcoords="offset points",
        ha="left" if early else "right",
        color=INK,
        fontsize=10,
    )


def _baseline(axes: Axes, record: Record, status: SweepStatus) -> None:
    baseline = known_baseline(status, record.episodes)
    low, high = axes.get_ylim()
    if baseline is None or not low - (high - low) < baseline < high + (high - low):
        return
    axes.axhline(baseline, color=INK, lw=1.4, ls=(0, (1, 2)))
    axes.set_ylim(min(low, baseline - 0.05 * (high - low)), max(high, baseline + 0.05 * (high - low)))
    axes.annotate(
        f"constant baseline {score_text(baseline)}",
        (1.0, baseline),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        color=INK,
        fontsize=10,
    )


def _winner(axes: Axes, status: SweepStatus, maximize: bool) -> None:
    best = status.best
    if best is None:
        return
    at = _positions(status, best.evaluation)[-1]
    low, high = axes.get_xlim()
    late = at > (low + high) / 2
    axes.plot(at, best.score, "o", markersize=8, color=BEST, zorder=6)
    axes.annotate(
        f"weight init {best.weight_init}, data order {best.data_order}: {score_text(best.score)}",
        (at, best.score),
        xytext=(6 if late else -6, 10 if maximize else -18),
        textcoords="offset points",
        ha="right" if late else "left",
        color=BEST,
        fontsize=11,
        fontweight="bold",
    )


def _finish(svg: str, record: Record, status: SweepStatus) -> str:
    """The bare element, with the page's colours and size, a title, a description and a tip on every curve."""
    svg = svg[svg.index("<svg") :]
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    opening, rest = svg.split(">", 1)
    opening = re.sub(r' (width|height)="[^"]*"', "", opening)
    words = html.escape(describe(record, status))
    head = f'<title id="curves-title">Validation curves</title><desc id="curves-desc">{words}</desc>'
    svg = f'{opening} role="img" aria-labelledby="curves-title curves-desc">{head}{rest}'
    tips = {f"curve-{e.spec.id.name}": html.escape(_tip(e)) for e in record.episodes}
    return re.sub(r'<g id="(curve-[^"]+)">', lambda m: f'<g id="{m[1]}" class="curve"><title>{tips[m[1]]}</title>', svg)


def _tip(episode: Episode) -> str:
    best = episode.status.best
    score = f"best {score_text(best.score)} at evaluation {best.evaluation}" if best is not None else "no score"
    return f"{episode.spec.id.name}: {episode.status.state.lower()}, {score}"
