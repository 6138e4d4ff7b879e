"""Labels beside a plot: none covers another, however many there are."""

from itertools import combinations, pairwise

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase

from inputs import records
from inputs.two_cuts import two_cuts
from seedsweep.report.beside import Beside
from seedsweep.report.figures.all_figures import figures_of
from seedsweep.report.figures.drawing import FONT_SIZE, NARROW, Drawing, paper
from seedsweep.report.figures.labels import spread
from seedsweep.report.record import Record


@given(st.lists(st.floats(-0.5, 1.5), max_size=30), st.floats(0.001, 0.2))
def test_places_keep_their_order_and_their_distance(wanted: list[float], gap: float) -> None:
    found = spread(wanted, gap)
    fitting = min(gap, 1 / (len(wanted) - 1)) if len(wanted) > 1 else gap
    ordered = [place for _, _, place in sorted((want, i, found[i]) for i, want in enumerate(wanted))]
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in found)
    assert all(above - below >= fitting - 1e-9 for below, above in pairwise(ordered))


@given(st.lists(st.integers(0, 20), unique=True, max_size=20))
def test_places_that_are_far_enough_apart_stay_where_they_are_wanted(wanted: list[int]) -> None:
    assert spread([want / 20 for want in wanted], 0.05) == pytest.approx([want / 20 for want in wanted])


def boxes(drawing: Drawing, *, narrow: bool = False) -> tuple[BboxBase, list[tuple[str, Bbox]]]:
    """The whole figure, and the room that each label, line of the key and axis with its numbers takes."""
    with mpl.rc_context({"font.size": FONT_SIZE, "text.parse_math": False}):
        size = (NARROW, drawing.narrow_height) if narrow else drawing.size
        figure = Figure(figsize=size, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        drawing.paint(figure, paper())
        canvas.draw()
        renderer = canvas.get_renderer()
        texts = [text for axes in figure.axes for text in axes.texts]
        texts += [text for legend in figure.legends for text in legend.get_texts()]
        # Of a label, the words: its line may pass by others.
        found = [(text.get_text(), Text.get_window_extent(text, renderer)) for text in texts]
        sides = [(axis, axis.get_tightbbox(renderer)) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
        found += [(axis.get_label_text(), box) for axis, box in sides if box is not None]
        return figure.bbox, found


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def alike(record: records.Record) -> Record:
    flat: list[float | None] = [0.6] * records.EVALUATIONS
    same = [e.evolve(status=e.status.evolve(scores=flat, best=records.best_of(flat))) for e in record.episodes]
    return Record(record.sweep, same, [])


def collapsed() -> Record:
    """Of twenty finalists one falls far below the others at its end."""
    record = two_cuts(12, 9, 20)
    name = record.cuts[-1].data.ranked[3]
    at = next(i for i, e in enumerate(record.episodes) if e.spec.id.name == name)
    status = record.episodes[at].status
    record.episodes[at] = record.episodes[at].evolve(status=status.evolve(scores=[*status.scores[:-1], -50.0]))
    return record


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize(
    "record",
    [of(records.finished()), two_cuts(12, 9, 40), alike(records.fully_trained(10, 5)), collapsed()],
    ids=["small", "two cuts and 40 finalists", "all scores equal", "a finalist that collapses"],
)
def test_nothing_that_is_written_covers_anything_else_or_leaves_the_figure(record: Record, narrow: bool) -> None:
    drawings = figures_of(record, records.losses(record.episodes))
    of_whole_runs = [] if record.cuts else ["tuning", "densities"]
    assert [drawing.name for drawing in drawings] == ["curves", "losses", "finalists", "grid", *of_whole_runs]
    for drawing in drawings:
        whole, found = boxes(drawing, narrow=narrow)
        assert len(found) >= 2
        for words, box in found:
            assert Bbox.union([whole, box]).bounds == whole.bounds, f"{drawing.name}: {words} leaves it"
        for (one, here), (other, there) in combinations(found, 2):
            assert not here.overlaps(there), f"{drawing.name}: {one} covers {other}"


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
def test_all_of_40_finalists_are_named_in_their_figure(narrow: bool) -> None:
    record = two_cuts(12, 9, 40)
    finalists = next(drawing for drawing in figures_of(record, Beside()) if drawing.name == "finalists")
    written = " ".join(words for words, _ in boxes(finalists, narrow=narrow)[1])
    kept = record.cuts[-1].data.kept
    assert len(kept) == 40
    assert all(name in written for name in kept)
