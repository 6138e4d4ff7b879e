"""What figures of curves are painted from: frame, curves, cuts, a constant answer, the winner and the key."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from seedsweep.api.cut import CutData
from seedsweep.api.episode import Episode
from seedsweep.api.status import SweepStatus
from seedsweep.report.facts import counting_evaluations, has_lost
from seedsweep.report.figures.drawing import Palette, is_narrow
from seedsweep.report.figures.labels import Label
from seedsweep.report.figures.scales import positions, with_gaps
from seedsweep.report.figures.selection import bands
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import known_baseline
from seedsweep.report.visible import Range, is_near
from seedsweep.report.words import metric_words, score_text

LineStyle = str | tuple[int, tuple[float, ...]]
Curve = Sequence[float | None]

KEY_SIZE = 0.9
"""Of the key and of labels of cuts, as a part of the font of the figure."""
LABELLED_CUTS = 4
"""More labels would take the room of the curves."""
_OUT = {"Failed": "v", "Diverged": "x"}
_AFTER_LOSS: LineStyle = (0, (1, 1.5))
_CUT: LineStyle = (0, (5, 3))
_BASELINE: LineStyle = (0, (1, 2))
_OUTER, _INNER = 0.15, 0.3
"""Opacity of the bands of 90 % and 50 % of the episodes, the inner on top of the outer."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Axes being painted, with what is painted in them."""

    figure: Figure
    axes: Axes
    palette: Palette
    record: Record
    curves: Mapping[str, Curve]
    """By name of an episode, a value for each evaluation."""

    @classmethod
    def of_scores(cls, figure: Figure, palette: Palette, record: Record) -> "Plot":
        """Of validation scores."""
        scores = {episode.spec.id.name: episode.status.scores for episode in record.episodes}
        words = metric_words(record.sweep.spec.trainer, record.sweep.status)
        return cls.of(figure, palette, record, scores, f"validation {words}")

    @classmethod
    def of(cls, figure: Figure, palette: Palette, record: Record, curves: Mapping[str, Curve], words: str) -> "Plot":
        """The only axes of a figure, with their frame; `words` say what `curves` are of."""
        plot = cls(figure, figure.add_subplot(facecolor="none"), palette, record, curves)
        axes, steps = plot.axes, plot.status.steps and plot.status.evaluations
        axes.set_xlabel("optimizer step" if steps else "evaluation", color=palette.ink)
        axes.set_ylabel(words, color=palette.ink)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(palette.line)
        axes.tick_params(color=palette.line, labelcolor=palette.ink)
        axes.grid(axis="y", color=palette.line, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.margins(x=0.02)
        return plot

    @property
    def status(self) -> SweepStatus:
        """Of the sweep."""
        return self.record.sweep.status or SweepStatus()

    @property
    def winner(self) -> str | None:
        """Name of the winning episode."""
        return self.status.best.episode if self.status.best is not None else None

    def at(self, evaluation: int) -> int:
        """Where an evaluation stands."""
        return positions(self.record, evaluation)[-1]


def is_lost(episode: Episode) -> bool:
    """Whether it has ended and is no survivor."""
    verdict = episode.status.verdict
    return verdict is not None and (verdict.outcome != "Finished" or has_lost(episode))


def paint_curves(plot: Plot, episodes: Sequence[Episode], kind: str = "curve", start: int = 1) -> None:
    """Losers first, the winner last and on top; from evaluation `start` on."""
    depths = {e.spec.id: 2 if e.spec.id.name == plot.winner else 0 if is_lost(e) else 1 for e in episodes}
    for episode in sorted(episodes, key=lambda e: depths[e.spec.id]):
        _paint_curve(plot, episode, kind, start)


def _paint_curve(plot: Plot, episode: Episode, kind: str, start: int) -> None:
    name, palette = episode.spec.id.name, plot.palette
    values, lost = plot.curves[name], is_lost(episode)
    color, width = (palette.lost, 1.0) if lost else (palette.kept, 1.5)
    if name == plot.winner:
        color, width = palette.best, 2.6
    x, y = positions(plot.record, len(values)), with_gaps(values)
    counts, first = counting_evaluations(episode), start - 1
    # An id is of one figure of the page alone.
    apart = kind == "curve" or None
    marker = "." if counts - first == 1 else None
    plot.axes.plot(x[first:counts], y[first:counts], marker=marker, color=color, lw=width, gid=f"{kind}-{name}")
    if counts < len(values):
        # Trained past its rung: it can no longer become the result.
        rest = slice(max(first, counts - 1), None)
        plot.axes.plot(x[rest], y[rest], ls=_AFTER_LOSS, color=palette.lost, lw=1.0, gid=apart and f"after-{name}")
    ends = [(at, value) for at, value in zip(x[first:], values[first:], strict=True) if value is not None]
    verdict = episode.status.verdict
    if ends and verdict is not None and verdict.outcome in _OUT:
        shape = _OUT[verdict.outcome]
        plot.axes.plot(
            *ends[-1], shape, color=palette.bad, markersize=7, markeredgewidth=2, zorder=4, gid=apart and f"end-{name}"
        )


def paint_bands(plot: Plot) -> None:
    """The middle 50 % and 90 % of the scores of all episodes at each evaluation; apart where a cut leaves fewer."""
    found = bands(plot.record)
    x = positions(plot.record, len(found))
    ends = sorted({0, len(found), *(cut.data.evaluation for cut in plot.record.cuts)})
    for start, end in pairwise(ends):
        for low, high, opacity in ((1, 5, _OUTER), (2, 4, _INNER)):
            below, above = ([band[i] for band in found[start:end]] for i in (low, high))
            plot.axes.fill_between(x[start:end], below, above, color=plot.palette.lost, alpha=opacity, lw=0)
            for edge in (below, above):
                plot.axes.plot(x[start:end], edge, color=plot.palette.lost, lw=0.6)


def show_range(plot: Plot, visible: Range | None) -> None:
    """Scores from the first to the second, with some room."""
    if visible is not None:
        room = 0.08 * (visible[1] - visible[0]) or 0.05
        plot.axes.set_ylim(visible[0] - room, visible[1] + room)


def paint_cuts(plot: Plot) -> None:
    """A line each, a bar at its threshold, and above it what it did, in a row of its own."""
    cuts = plot.record.cuts
    # On a phone a label would be wider than the plot: the caption names the cuts.
    labelled = len(cuts) <= LABELLED_CUTS and not is_narrow(plot.figure)
    for row, cut in enumerate(cuts):
        _paint_cut(plot, cut.data, len(cuts) - 1 - row if labelled else None)


def _paint_cut(plot: Plot, cut: CutData, label_row: int | None) -> None:
    at, ink = plot.at(cut.evaluation), plot.palette.ink
    low, high = plot.axes.get_xlim()
    plot.axes.axvline(at, color=ink, lw=1.2, ls=_CUT)
    if cut.threshold is not None:
        reach = 0.015 * (high - low)
        bar = [at - reach, at + reach], [cut.threshold] * 2
        plot.axes.plot(*bar, color=ink, lw=2.4, solid_capstyle="butt", zorder=5)
    if label_row is None:
        return
    kept = f"{len(cut.kept)} of {cut.size} kept"
    early, size = at < (low + high) / 2, KEY_SIZE * mpl.rcParams["font.size"]
    plot.axes.annotate(
        f"cut at evaluation {cut.evaluation}: {kept}, threshold {score_text(cut.threshold)}",
        (at, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-3 if early else 3, 4 + 1.4 * size * label_row),
        textcoords="offset points",
        ha="left" if early else "right",
        color=ink,
        fontsize=size,
    )


def paint_baseline(plot: Plot) -> Iterator[Label]:
    """The score of a constant answer as a line, where it is anywhere near; its label."""
    baseline = known_baseline(plot.status, plot.record.episodes)
    low, high = plot.axes.get_ylim()
    if baseline is None or not is_near(baseline, low, high):
        return
    plot.axes.axhline(baseline, color=plot.palette.ink, lw=1.4, ls=_BASELINE)
    room = 0.05 * (high - low)
    plot.axes.set_ylim(min(low, baseline - room), max(high, baseline + room))
    yield Label(f"constant {score_text(baseline)}", (plot.axes.get_xlim()[1], baseline), plot.palette.ink)


def paint_winner(plot: Plot) -> Iterator[Label]:
    """A point at the result; its label."""
    best = plot.status.best
    if best is not None:
        at = (plot.at(best.evaluation), best.score)
        plot.axes.plot(*at, "o", markersize=8, color=plot.palette.best, zorder=6)
        yield Label(f"{best.episode} {score_text(best.score)}", at, plot.palette.best, bold=True)


def last_score(plot: Plot, episode: Episode) -> Label | None:
    """The label of a curve, at its last score that counts; None where it has none."""
    counts = episode.status.scores[: counting_evaluations(episode)]
    known = [(i, score) for i, score in enumerate(counts, start=1) if score is not None]
    if not known:
        return None
    name, (evaluation, score) = episode.spec.id.name, known[-1]
    first = name == plot.winner
    color = plot.palette.best if first else plot.palette.ink
    return Label(f"{name} {score_text(score)}", (plot.at(evaluation), score), color, bold=first)


def curve_keys(plot: Plot, episodes: Sequence[Episode]) -> Iterator[Artist]:
    """What each kind of curve and mark means, of those that there are."""
    palette, cuts = plot.palette, plot.record.cuts
    lost = [e for e in episodes if is_lost(e)]
    others = [e for e in episodes if not is_lost(e) and e.spec.id.name != plot.winner]
    outcomes = {e.status.verdict.outcome for e in lost if e.status.verdict is not None and e.status.scores}
    keys = [
        (plot.winner is not None, _line(palette.best, "winner", 2.6)),
        (others, _line(palette.kept, "kept" if cuts else "other episodes")),
        (any(map(has_lost, lost)), _line(palette.lost, "lost, until its stop", 1.0)),
        (any(map(_trained_on, episodes)), _line(palette.lost, "trained on after its loss", 1.0, _AFTER_LOSS)),
        ("Diverged" in outcomes, _mark(palette.bad, "x", "diverged")),
        ("Failed" in outcomes, _mark(palette.bad, "v", "failed")),
    ]
    return (handle for there, handle in keys if there)


def score_keys(plot: Plot, *, banded: bool) -> Iterator[Artist]:
    """What else stands among the curves of scores."""
    palette = plot.palette
    if plot.record.cuts:
        yield _line(palette.ink, "cut, with a bar at its threshold", 1.2, _CUT)
    if known_baseline(plot.status, plot.record.episodes) is not None:
        yield _line(palette.ink, "a constant answer", 1.4, _BASELINE)
    if banded:
        yield Patch(color=palette.lost, alpha=_OUTER, label="middle 90 % of all episodes")
        yield Patch(color=palette.lost, alpha=_OUTER + _INNER, label="middle 50 %")


def paint_key(plot: Plot, handles: Sequence[Artist]) -> None:
    """Write it below the plot."""
    if handles:
        small = KEY_SIZE * mpl.rcParams["font.size"]
        plot.figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=1 if is_narrow(plot.figure) else min(3, len(handles)),
            frameon=False,
            fontsize=small,
            labelcolor=plot.palette.ink,
        )


def _trained_on(episode: Episode) -> bool:
    return counting_evaluations(episode) < len(episode.status.scores)


def _line(color: str, words: str, width: float = 1.5, style: LineStyle = "-") -> Line2D:
    return Line2D([], [], color=color, lw=width, ls=style, label=words)


def _mark(color: str, shape: str, words: str) -> Line2D:
    return Line2D([], [], ls="", marker=shape, color=color, markeredgewidth=2, label=words)
