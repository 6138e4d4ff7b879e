"""report.html on a phone: everything is within the screen's width, and can be read."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from host.browser import browser
from inputs import records
from inputs.two_cuts import two_cuts
from seedsweep.report.page import build_report
from seedsweep.report.record import Record

SMALLEST_PIXELS = 8.5
OUTSIDE = """
[...document.querySelectorAll(%r)].filter((part) => {
  const box = part.getBoundingClientRect();
  return box.width > 0 && (box.left < 0 || box.right > innerWidth + 0.5);
}).map((part) => part.textContent)
"""
SHOWN = "[...document.querySelectorAll(%r)].filter((part) => part.getBoundingClientRect().width > 0)"
SIZES = f"""
{SHOWN % "svg text"}.map((text) => {{
  const at = text.getScreenCTM();
  return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(at.a, at.b);
}})
"""
SEEN = SHOWN % "svg" + ".map((svg) => svg.id)"
NAMES = SHOWN % "svg text" + ".map((text) => text.textContent).join(' ')"


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def asked(page: Path, width: int, *questions: str) -> list[Any]:
    """What the page answers on a phone so wide."""

    async def ask() -> list[Any]:
        async with browser() as tab:
            await tab.send(
                "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True
            )
            await tab.open(page.as_uri())
            return [await tab.evaluate(question) for question in questions]

    return asyncio.run(ask())


def written(folder: Path, record: Record) -> Path:
    page = folder / "report.html"
    page.write_text(build_report(record.sweep, record.episodes, record.cuts))
    return page


@pytest.mark.parametrize("width", [360, 390])
@pytest.mark.parametrize(
    "record",
    [of(records.finished()), of(records.fully_trained(10, 5)), two_cuts(12, 9, 40)],
    ids=["small", "trained fully", "two cuts and 40 finalists"],
)
def test_curves_grid_and_every_cell_of_the_episodes_are_on_the_screen(
    tmp_path: Path, record: Record, width: int
) -> None:
    overflow, labels, cells, cuts, sizes = asked(
        written(tmp_path, record),
        width,
        "document.documentElement.scrollWidth - innerWidth",
        OUTSIDE % "svg text",
        OUTSIDE % "#episodes-table :is(td, th)",
        OUTSIDE % "section[aria-labelledby^=cut-] :is(td, th)",
        SIZES,
    )
    assert overflow <= 0
    assert labels == []
    assert cells == []
    assert cuts == []
    assert sizes
    assert min(sizes) >= SMALLEST_PIXELS


def test_winner_and_finalists_are_named_on_the_screen(tmp_path: Path) -> None:
    record = two_cuts(12, 9, 40)
    assert record.sweep.status is not None
    assert record.sweep.status.best is not None
    [names] = asked(written(tmp_path, record), 360, NAMES)
    assert f"{record.sweep.status.best.episode} 0." in names
    assert [name for name in record.cuts[-1].data.kept if name not in names] == []


def test_each_figure_is_seen_once(tmp_path: Path) -> None:
    page = written(tmp_path, of(records.fully_trained(10, 5)))
    figures = ["curves", "finalists", "grid", "tuning", "densities"]
    assert asked(page, 360, SEEN) == [[f"{name}-narrow-figure" for name in figures]]
    assert asked(page, 1280, SEEN) == [[f"{name}-figure" for name in figures]]


def test_touching_a_curve_marks_its_episode_in_the_table(tmp_path: Path) -> None:
    touch = "document.getElementById('narrow-curve-wi1-do0').dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    marked = "[...document.querySelectorAll('.on')].map((part) => part.id)"
    *_, found = asked(written(tmp_path, of(records.finished())), 360, touch, marked)
    assert {"row-wi1-do0", "narrow-curve-wi1-do0", "narrow-cell-wi1-do0"} <= set(found)
