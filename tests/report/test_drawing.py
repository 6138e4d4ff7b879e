"""Figures as files: the same drawing gives the same bytes, in every format."""

import re

import matplotlib as mpl
import pytest

from inputs import records
from seedsweep.report.figures.curve_figures import curves_figure
from seedsweep.report.figures.drawing import FORMATS, STYLE_SHEET, Format, file_of, page_svg, paper
from seedsweep.report.figures.grid_figure import grid_figure
from seedsweep.report.record import Record


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


@pytest.mark.parametrize("form", FORMATS)
def test_same_record_gives_the_same_bytes_whatever_style_is_set_here(
    form: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = file_of(curves_figure(of(records.finished())), form)
    monkeypatch.setitem(mpl.rcParams, "font.size", 30.0)
    assert file_of(curves_figure(of(records.finished())), form) == one
    assert not re.search(rb"CreationDate|dc:date|20\d\d-\d\d-\d\d", one)


def test_colours_of_files_are_the_light_ones_of_the_page() -> None:
    svg = file_of(curves_figure(of(records.finished())), "svg").decode()
    light = STYLE_SHEET.read_text().partition("}")[0]
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg))
    assert {paper().ink, paper().best, paper().lost} <= used
    assert used <= set(re.findall(r"#[0-9a-f]{6}", light))


def test_page_has_a_place_for_every_score_in_its_svg() -> None:
    """The page's script draws a curve from numbers: at the places that the figure itself has."""
    record = records.finished()
    svg = page_svg(curves_figure(of(record)))
    x = [float(part) for part in (re.search(r'data-x="([^"]*)"', svg) or ["", ""])[1].split()]
    y = [float(part) for part in (re.search(r'data-y="([^"]*)"', svg) or ["", ""])[1].split()]
    drawn = re.search(r'id="curve-wi1-do0".*? d="([^"]*)"', svg, re.DOTALL)
    assert drawn is not None
    points = [(float(a), float(b)) for a, b in re.findall(r"[ML] (\S+) (\S+)", drawn[1])]
    scores = next(e.status.scores for e in record.episodes if e.spec.id.name == "wi1-do0")
    for i, (score, (at, height)) in enumerate(zip(scores, points, strict=True), start=1):
        assert score is not None
        assert x[0] + x[1] * i * records.STEPS / records.EVALUATIONS == pytest.approx(at, abs=0.1)
        assert y[0] + y[1] * score == pytest.approx(height, abs=0.1)


def test_areas_lie_on_the_cells_of_the_heat_map() -> None:
    drawing = grid_figure(of(records.fully_trained(3, 3)))
    assert drawing is not None
    svg = page_svg(drawing)
    rectangles = re.findall(r'<rect id="cell-wi\d-do\d"[^>]* x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"', svg)
    corners = [(float(x), float(y)) for x, y in re.findall(r"M (\S+) (\S+) \nL \S+ \S+ \nL \S+ \S+ \nL ", svg)]
    assert len(rectangles) == 9
    for x, y, _, _ in rectangles:
        assert any(abs(float(x) - a) < 0.2 and abs(float(y) - b) < 0.2 for a, b in corners)
