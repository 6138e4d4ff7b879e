"""The figures of curves: all episodes with the cuts, and the finalists from near."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from seedsweep.api.episode import Episode
from seedsweep.engine.layout import Layout
from seedsweep.report.facts import counting_evaluations, may_be_result
from seedsweep.report.figures.drawing import Drawing, Palette
from seedsweep.report.figures.labels import write_labels
from seedsweep.report.figures.plot import (
    Plot,
    curve_keys,
    last_score,
    paint_bands,
    paint_baseline,
    paint_curves,
    paint_cuts,
    paint_key,
    paint_winner,
    score_keys,
    show_range,
)
from seedsweep.report.figures.scales import step_at, visible_range
from seedsweep.report.figures.selection import QUANTILES, bands, drawn_curves, finalists, longest
from seedsweep.report.record import Record
from seedsweep.report.table import Table, Value
from seedsweep.report.visible import robust_range
from seedsweep.report.words import counted, metric_words, score_text

_INCHES_A_LABEL, _INCHES_BESIDE_LABELS = 0.19, 1.2
_NARROW_HEIGHT = 5.6
"""Inches, for the key, a line for each kind of curve."""


def curves_figure(record: Record) -> Drawing:
    """Every episode's validation curve, or 20 of them with what all do; the cuts, a constant answer and the winner."""
    chosen = drawn_curves(record)
    shown = [episode for episode in record.episodes if episode.spec.id.name in chosen.names]

    def paint(figure: Figure, palette: Palette) -> None:
        plot = Plot.of_scores(figure, palette, record)
        if not chosen.all:
            paint_bands(plot)
        paint_curves(plot, shown)
        show_range(plot, visible_range(record))
        paint_cuts(plot)
        labels = [*paint_baseline(plot), *paint_winner(plot)]
        paint_key(plot, [*curve_keys(plot, shown), *score_keys(plot, banded=not chosen.all)])
        write_labels(figure, plot.axes, labels)

    tables = [_curve_table("curves", record, record.episodes, chosen.names)]
    if not chosen.all:
        columns = ("evaluation", "step", "n", *(f"quantile_{share:g}" for share in QUANTILES))
        rows: list[tuple[Value, ...]] = [
            (i, step_at(record, i), *band) for i, band in enumerate(bands(record), start=1)
        ]
        tables.append(Table("curves_bands", columns, rows))
    tips = {f"curve-{episode.spec.id.name}": tip(episode) for episode in shown}
    return Drawing(
        "curves", "Validation curves", describe(record), paint, tuple(tables), narrow_height=_NARROW_HEIGHT, tips=tips
    )


def finalists_figure(record: Record) -> Drawing | None:
    """The curves of the finalists from the last cut on, each with its last score; None where there are fewer than two.

    Where nothing was cut, the second half of them.
    """
    best, many = finalists(record)
    if len(best) < 2:
        return None
    last = {cut.data.bracket: cut.data.evaluation for cut in record.cuts}
    start = min(last.values(), default=longest(record) // 2 + 1)

    def paint(figure: Figure, palette: Palette) -> None:
        plot = Plot.of_scores(figure, palette, record)
        paint_curves(plot, best, "finalist", start)
        scores = [s for e in best for s in e.status.scores[start - 1 : counting_evaluations(e)] if s is not None]
        show_range(plot, robust_range(scores, maximize=record.sweep.spec.trainer.maximize))
        labels = [last_score(plot, episode) for episode in best]
        write_labels(figure, plot.axes, [label for label in labels if label is not None])

    which = "that no cut stopped" if record.cuts else "with the best scores"
    words = f"The {counted(len(best), 'episode')} {which}, from evaluation {start} on, each with its last score."
    if many > len(best):
        words += f" They are the best of {many:,}."
    size = (9.6, max(4.2, _INCHES_A_LABEL * len(best) + _INCHES_BESIDE_LABELS))
    tips = {f"finalist-{episode.spec.id.name}": tip(episode) for episode in best}
    drawn = frozenset(episode.spec.id.name for episode in best)
    table = _curve_table("finalists", record, best, drawn, start)
    return Drawing("finalists", "Finalists", words, paint, (table,), size, size[1], tips)


def describe(record: Record) -> str:
    """The figure of all curves in words, for those who do not see it."""
    words, status = metric_words(record.sweep.spec.trainer, record.sweep.status), record.sweep.status
    parts = [f"Validation {words} of {counted(len(record.episodes), 'episode')}."]
    many = len(Layout.of(record.sweep).rungs) > 1
    for cut in (cut.data for cut in record.cuts):
        where = f" of bracket {cut.bracket}" if many else ""
        parts.append(
            f"The cut{where} at evaluation {cut.evaluation} kept {len(cut.kept)} of {cut.size}, threshold "
            f"{score_text(cut.threshold)}."
        )
    if status is not None and status.best is not None:
        best = status.best
        parts.append(f"The best is {best.episode} with {score_text(best.score)} at evaluation {best.evaluation}.")
    return " ".join(parts)


def tip(episode: Episode) -> str:
    """An episode in one line, for where somebody points at it."""
    best = episode.status.best
    score = f"best {score_text(best.score)} at evaluation {best.evaluation}" if best is not None else "no score"
    return f"{episode.spec.id.name}: {episode.status.state.lower()}, {score}"


def _curve_table(
    name: str, record: Record, episodes: Sequence[Episode], drawn: frozenset[str], start: int = 1
) -> Table:
    """Every evaluation of these episodes from `start` on."""
    rows: list[tuple[Value, ...]] = []
    for episode in episodes:
        own = episode.spec.id.name
        rows += [
            (own, i, step_at(record, i), score, may_be_result(episode, i), own in drawn)
            for i, score in enumerate(episode.status.scores, start=1)
            if i >= start
        ]
    return Table(name, ("episode", "evaluation", "step", "score", "counts", "drawn"), rows)
