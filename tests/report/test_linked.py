"""The page's structure: each episode once in the table, and whatever is pointed at leads there and back."""

from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser

import pytest

from inputs import records
from seedsweep.report.figures.selection import ALL_DRAWN, DRAWN, drawn_curves
from seedsweep.report.page import build_report
from seedsweep.report.record import Record

LARGE = (12, 9)


@dataclass
class Page(HTMLParser):
    """Ids, the rows of the table of episodes, and what refers to what."""

    ids: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    headings: list[dict[str, str | None]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    refers: set[str] = field(default_factory=set)
    inside: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.refers |= set((found.get("aria-labelledby") or "").split())
        for name, value in attrs:
            if name in ("href", "xlink:href", "clip-path") and value:
                self.refers.add(value.removeprefix("url(").removesuffix(")").removeprefix("#"))
        if found.get("id") == "episodes-table":
            self.inside = "head"
        if self.inside and tag == "tbody":
            self.inside = "body"
        if self.inside == "head" and tag == "th":
            self.headings.append(found)
        if self.inside == "body" and tag == "tr":
            self.rows.append([found.get("id") or ""])
        if self.inside == "body" and tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.inside = None

    def handle_data(self, data: str) -> None:
        if self.inside == "body" and self.rows:
            self.rows[-1][-1] += data.strip()


@cache
def record_of(weight_inits: int, data_orders: int) -> records.Record:
    return records.finished(weight_inits, data_orders)


@cache
def page_of(weight_inits: int, data_orders: int) -> Page:
    record = record_of(weight_inits, data_orders)
    page = Page()
    page.feed(build_report(record.sweep, record.episodes, record.cuts, records.losses(record.episodes)))
    return page


@pytest.mark.parametrize("size", [(4, 2), LARGE])
def test_every_episode_is_once_in_the_table_with_its_seeds_and_scores(size: tuple[int, int]) -> None:
    page, record = page_of(*size), record_of(*size)
    assert sorted(row[2] for row in page.rows) == sorted(e.spec.id.name for e in record.episodes)
    by_name = {row[2]: row for row in page.rows}
    for episode in record.episodes:
        row = by_name[episode.spec.id.name]
        assert row[0] == f"row-{episode.spec.id.name}"
        assert row[3:5] == [str(episode.spec.weight_init), str(episode.spec.data_order)]
        assert episode.status.best is None or f"{episode.status.best.score:.4f}" in row
        assert episode.status.state.lower() in row


@pytest.mark.parametrize("size", [(4, 2), LARGE])
def test_ids_are_unique_and_all_that_is_referred_to_is_there(size: tuple[int, int]) -> None:
    page = page_of(*size)
    assert len(page.ids) == len(set(page.ids))
    assert page.refers <= set(page.ids)


def test_ids_are_unique_where_a_finalist_diverges() -> None:
    record = records.finished()
    name = record.cuts[0].data.ranked[1]
    at = next(i for i, e in enumerate(record.episodes) if e.spec.id.name == name)
    status = record.episodes[at].status
    assert status.verdict is not None
    diverged = status.evolve(
        state="Diverged", scores=status.scores[:9], verdict=status.verdict.evolve(outcome="Diverged")
    )
    record.episodes[at] = record.episodes[at].evolve(status=diverged)
    page = Page()
    page.feed(build_report(record.sweep, record.episodes, record.cuts))
    assert f"finalist-{name}" in page.ids
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("size", [(4, 2), LARGE])
def test_curves_finalists_and_cells_are_those_of_rows(size: tuple[int, int]) -> None:
    page, record = page_of(*size), record_of(*size)
    kinds: dict[str, set[str]] = {}
    for found in page.ids:
        kind, _, name = found.partition("-")
        kinds.setdefault(kind, set()).add(name)
    everyone = {e.spec.id.name for e in record.episodes}
    assert kinds["row"] - {"wi"} == everyone
    assert kinds["cell"] == everyone
    assert kinds["finalist"] == record.cuts[0].data.kept
    drawn = drawn_curves(Record(record.sweep, record.episodes, record.cuts)).names
    with_scores = {e.spec.id.name for e in record.episodes if e.status.scores}
    assert kinds["curve"] == drawn
    assert kinds["loss"] == drawn & with_scores


def test_of_many_curves_20_are_drawn_from_the_winner_to_the_last_and_that_is_said() -> None:
    record = record_of(*LARGE)
    chosen = drawn_curves(Record(record.sweep, record.episodes, record.cuts))
    assert len(record.episodes) > ALL_DRAWN
    assert len(chosen.names) == DRAWN
    ranked = [row[2] for row in page_of(*LARGE).rows if row[1] != "–"]
    assert {ranked[0], ranked[-1]} <= chosen.names
    page = build_report(record.sweep, record.episodes, record.cuts)
    assert f"{DRAWN} of {len(record.episodes)} curves are drawn" in page


def test_headings_say_how_the_table_is_sorted_and_no_control_is_there_that_needs_the_script() -> None:
    page = page_of(4, 2)
    assert [head.get("aria-sort") for head in page.headings if head.get("aria-sort")] == ["ascending"]
    assert page.headings[0]["aria-sort"] == "ascending"
    assert all(head.get("scope") == "col" for head in page.headings)
    assert len(page.headings) == len(page.rows[0]) - 1
    assert "button" not in page.tags
