"""The live page in a real browser: it shows what the terminal shows, follows, fits, and says when it is out of date."""

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from rich.console import Console

from host.browser import Tab, browser
from inputs import live_pages, moments
from inputs.screens import crowded
from seedsweep.report.words import score_text
from seedsweep.terminal import NextStep
from seedsweep.terminal.board import Divider
from seedsweep.terminal.moment import Moment
from seedsweep.web.page import LivePage

BEFORE, AFTER = moments.before_the_cut(), moments.after_the_cut()
TEXTS = (
    "[...document.querySelectorAll('#episodes-table tbody tr:not(.space)')].map((row) => row.innerText.split('\\t'))"
)
CURVES = "document.querySelector('#chart canvas').toDataURL()"
POINTED = "document.getElementById('pointed').textContent"


@asynccontextmanager
async def shown(page: LivePage, moment: Moment, width: int = 1100) -> AsyncIterator[Tab]:
    """The page in a browser, once it shows this moment; at the end it must have had nothing to complain of."""
    page.show(moment)
    async with browser() as tab:
        await tab.resize(width, 900)
        await tab.open(page.address)
        await told(tab, moment)
        yield tab
        assert tab.complaints == []


async def told(tab: Tab, moment: Moment) -> None:
    message = moment.status.message
    await tab.until(f"document.getElementById('message').textContent === {message!r}")


def as_moment(given: moments.Moment) -> Moment:
    return live_pages.moment_of(given)


def expected(moment: Moment) -> list[list[str]]:
    """The table, as the board has it."""
    found = []
    for entry in moment.board.entries:
        if isinstance(entry, Divider):
            found.append([entry.text])
            continue
        seeds = [str(entry.episode.weight_init), str(entry.episode.data_order)]
        done = f"{len(entry.scores)}/{moment.board.evaluations}"
        rank = str(entry.rank or "–")
        found.append([rank, entry.episode.name, *seeds, entry.state, score_text(entry.score), done])
    return found


@pytest.fixture
def page() -> Iterator[LivePage]:
    with LivePage(None, Console(file=io.StringIO())) as made:
        yield made


async def test_it_shows_what_the_terminal_shows_and_follows(page: LivePage) -> None:
    before, after = as_moment(BEFORE), as_moment(AFTER)
    async with shown(page, before) as tab:
        assert await tab.evaluate(TEXTS) == expected(before)
        curves = await tab.evaluate(CURVES)
        page.show(after)
        await told(tab, after)
        assert await tab.evaluate(TEXTS) == expected(after)
        assert await tab.evaluate(CURVES) != curves
        key = await tab.evaluate("document.getElementById('key').innerText")
        for words in (
            "best so far",
            "kept",
            "lost",
            "failed",
            "diverged",
            "kept 3 of 8, threshold",
            "a constant answer",
        ):
            assert words in key
        assert await tab.evaluate("document.title") == "Running: rte"
        assert "The best so far is" in await tab.evaluate("document.getElementById('chart-words').textContent")
        fetched = await tab.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert all(name.startswith(page.address) for name in fetched)


@pytest.mark.parametrize("width", [360, 800, 1280])
@pytest.mark.parametrize("given", [AFTER, crowded()])
async def test_it_fits_every_width(page: LivePage, given: moments.Moment, width: int) -> None:
    async with shown(page, as_moment(given), width) as tab:
        assert await tab.evaluate("document.documentElement.scrollWidth") <= width
        left, right = await tab.evaluate(
            "(({left, right}) => [left, right])(document.querySelector('#chart canvas').getBoundingClientRect())"
        )
        assert 0 <= left < right <= width
        await tab.resize(500, 900)
        await tab.until("document.querySelector('#chart canvas').getBoundingClientRect().right <= 500")


async def test_it_follows_the_colour_scheme(page: LivePage) -> None:
    async with shown(page, as_moment(AFTER)) as tab:
        await tab.prefer("light")
        await tab.evaluate(f"window.light = {CURVES}")
        await tab.prefer("dark")
        # The page is told of it with a later frame.
        await tab.until(f"{CURVES} !== window.light")
        await tab.prefer("light")
        await tab.until(f"{CURVES} === window.light")


async def test_with_the_keyboard_alone_every_episode_can_be_seen_in_the_curves(page: LivePage) -> None:
    moment = as_moment(AFTER)
    names = [row.episode.name for row in moment.board.rows]
    async with shown(page, moment) as tab:
        while await tab.evaluate("document.activeElement.id") != "episodes-table":
            await tab.press("Tab")
        for key, name in (("ArrowDown", names[0]), ("ArrowDown", names[1]), ("End", names[-1]), ("ArrowUp", names[-2])):
            await tab.press(key)
            assert (await tab.evaluate(POINTED)).startswith(f"{name}: ")
            assert await tab.evaluate("document.querySelector('tr.on th').textContent") == name
        drawn = "document.querySelector('.pointed-curve').toDataURL()"
        pinned = await tab.evaluate(drawn)
        page.show(as_moment(BEFORE))
        await told(tab, as_moment(BEFORE))
        assert (await tab.evaluate(POINTED)).startswith(f"{names[-2]}: ")
        await tab.press("Escape")
        assert await tab.evaluate(POINTED) == ""
        assert await tab.evaluate(drawn) != pinned


async def test_a_heading_sorts_the_table_and_what_is_missing_stays_last(page: LivePage) -> None:
    before, after = as_moment(BEFORE), as_moment(AFTER)
    ranked = [row.episode.name for row in after.board.rows]
    async with shown(page, after) as tab:

        async def names() -> list[str]:
            return [texts[1] for texts in await tab.evaluate(TEXTS)]

        async def sort_by(heading: str) -> str:
            """How it is sorted then, by assistive technology's word."""
            head = (
                f"[...document.querySelectorAll('#episodes-table thead th')].find((th) => th.innerText === {heading!r})"
            )
            await tab.evaluate(f"window.head = {head}, head.firstChild.focus()")
            await tab.press("Enter")
            assert await tab.evaluate("document.querySelectorAll('#episodes-table [aria-sort]').length") == 1
            return str(await tab.evaluate("head.ariaSort"))

        assert await sort_by("evaluations") == "ascending"
        least = sorted(after.board.rows, key=lambda row: len(row.scores))
        assert await names() == [row.episode.name for row in least]
        assert await sort_by("rank") == "ascending"
        assert await tab.evaluate(TEXTS) == expected(after)
        assert await sort_by("rank") == "descending"
        assert await names() == [*reversed(ranked[:6]), *ranked[6:]], "the last two have no rank"
        assert await sort_by("best score") == "ascending"
        page.show(before)
        await told(tab, before)
        best, second, *others = [row.episode.name for row in before.board.rows]
        assert await names() == [second, best, *others], "it stays sorted while the sweep goes on"
        await tab.evaluate("document.getElementById('episodes-table').focus()")
        await tab.press("ArrowDown")
        assert (await tab.evaluate(POINTED)).startswith(f"{second}: ")


async def test_an_episode_is_pointed_at_in_the_curves(page: LivePage) -> None:
    moment = as_moment(AFTER)
    leader = moment.board.leader
    assert leader is not None
    async with shown(page, moment) as tab:
        # The curve of the leader, pointed at where it is highest.
        x, y = await tab.evaluate("""(() => {
          const over = document.querySelector("#chart .u-over").getBoundingClientRect();
          return [over.left + over.width * 100 / 206, over.top];
        })()""")
        for down in range(0, 60, 4):
            await tab.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y + down)
            if (await tab.evaluate(POINTED)).startswith(leader.episode.name):
                return
        raise AssertionError(await tab.evaluate(POINTED))


async def test_of_thousands_the_rows_to_be_seen_are_there_and_all_can_be_found(page: LivePage) -> None:
    moment = live_pages.large(20)
    names = [row.episode.name for row in moment.board.rows]
    async with shown(page, moment) as tab:
        assert len(await tab.evaluate(TEXTS)) < 400
        seen = """(() => {
          const row = document.querySelector("tr.on");
          const [frame, box] = [document.getElementById("episodes-table"), row.getBoundingClientRect()];
          const {top, bottom} = frame.getBoundingClientRect();
          const head = frame.querySelector("thead").getBoundingClientRect().bottom;
          return [row.cells[1].textContent, row.cells[0].textContent, box.top >= head - 1, box.bottom <= bottom + 1];
        })()"""
        await tab.evaluate("document.getElementById('episodes-table').focus()")
        await tab.press("End")
        assert await tab.evaluate(seen) == [names[-1], "2100", True, True]
        await tab.evaluate(f"document.getElementById('find-name').value = {names[700]!r}")
        await tab.evaluate("document.getElementById('find-name').focus()")
        await tab.press("Enter")
        assert await tab.evaluate(seen) == [names[700], "701", True, True]
        await tab.evaluate("document.getElementById('find-name').value = 'nobody'")
        await tab.press("Enter")
        assert "no such episode" in await tab.evaluate("document.getElementById('find-name').validationMessage")


async def test_at_the_end_it_says_what_to_type_and_stays() -> None:
    with ExitStack() as server:
        page = server.enter_context(LivePage(None, Console(quiet=True)))
        async with shown(page, as_moment(AFTER)) as tab:
            page.end("rte is complete: best 0.7", [NextStep("Write its report", ["seedsweep report sweep/rte"])])
            server.close()
            await tab.until("!document.getElementById('ending').hidden")
            ending = await tab.evaluate("document.getElementById('ending').innerText")
            assert "rte is complete: best 0.7" in ending
            assert "seedsweep report sweep/rte" in ending
            assert await tab.evaluate(TEXTS) == expected(as_moment(AFTER))
            assert await tab.evaluate("document.getElementById('stale').hidden")


async def test_without_its_server_it_says_since_when_it_is_out_of_date() -> None:
    with ExitStack() as server:
        page = server.enter_context(LivePage(None, Console(quiet=True)))
        async with shown(page, as_moment(AFTER)) as tab:
            assert await tab.evaluate("document.getElementById('stale').hidden")
            server.close()
            await tab.until("!document.getElementById('stale').hidden")
            said = await tab.evaluate("document.getElementById('stale').innerText")
            assert said.startswith("Out of date since ")
            # That the server cannot be reached, Chromium complains of itself.
            tab.complaints.clear()


async def test_foreign_text_stays_text(page: LivePage) -> None:
    moment = as_moment(AFTER)
    page.say("<script>alert(1)</script>")
    hostile = replace(moment, status=moment.status.evolve(message="<img src=x onerror=alert(1)><b>bold</b>"))
    async with shown(page, hostile) as tab:
        assert await tab.evaluate("document.querySelectorAll('#message *, #notice *').length") == 0
        assert await tab.evaluate("document.getElementById('notice').innerText") == "<script>alert(1)</script>"
