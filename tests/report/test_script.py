"""What the page's script does, in a small document of our own: sorting, and one episode pointed at everywhere."""

import json
import re
import subprocess
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from host.needs import node_js
from inputs import records
from seedsweep.report.page import SCRIPT, build_report

VOID = {"meta", "br"}
NAMES = "const names = () => document.querySelectorAll('tbody tr').filter(r => r.id).map(r => r.cells[1].textContent);"
ON = "const on = () => document.querySelectorAll('.on').map(e => e.id).sort();"
SAID = "const said = () => document.getElementById('pointed').textContent;"
LINES = "const lines = () => document.querySelectorAll('.pointed').map(e => e.attributes.d);"
COLUMN = """
const column = (key) => {
  const head = document.getElementById(`column-${key}`);
  head.querySelector("button").fire("click");
  const rows = document.querySelectorAll("tbody tr").filter((row) => row.id);
  return [head.getAttribute("aria-sort"), rows.map((row) => row.cells[head.cellIndex].textContent.trim())];
};
"""


class Tree(HTMLParser):
    """The page as nested lists: tag, attributes, children."""

    def __init__(self) -> None:
        super().__init__()
        self.root: list[Any] = ["root", {}, []]
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1][2].append(element := [tag, {name: value or "" for name, value in attrs}, []])
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1][2].append([tag, {name: value or "" for name, value in attrs}, []])

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1][2].append(data)


@cache
def tree_of(weight_inits: int, data_orders: int) -> list[Any]:
    record = records.finished(weight_inits, data_orders)
    page = build_report(record.sweep, record.episodes, record.cuts, records.losses(record.episodes))
    tree = Tree()
    tree.feed(page)
    return tree.root


def after(steps: str, size: tuple[int, int] = (4, 2)) -> Any:
    """What these steps return, in a page whose script has run."""
    given = {"tree": tree_of(*size), "script": SCRIPT.read_text(), "steps": NAMES + ON + SAID + LINES + COLUMN + steps}
    command = [node_js(), str(Path(__file__).with_name("dom.js"))]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_click_on_a_heading_sorts_by_value_and_the_next_one_backwards() -> None:
    up, down = after("return [column('best'), column('best')];")
    assert up[0] == "ascending"
    assert down[0] == "descending"
    assert [float(score) for score in up[1]] == sorted(float(score) for score in up[1])
    assert down[1] == up[1][::-1]


@pytest.mark.parametrize("key", ["final", "rung-rank-0"])
def test_what_is_missing_stays_last_either_way(key: str) -> None:
    for _, values in after(f"return [column('{key}'), column('{key}')];"):
        known = [value for value in values if value != "–"]
        assert 0 < len(known) < len(values)
        assert values[: len(known)] == known


def test_names_sort_by_their_numbers_and_seconds_by_theirs() -> None:
    _, names = after("return column('episode');", (12, 2))
    assert names.index("wi2-do0") < names.index("wi10-do0")
    _, seconds = after("return column('seconds');")
    numbers = [float(value.replace(",", "")) for value in seconds]
    assert numbers == sorted(numbers)


def test_only_one_heading_says_that_it_sorts() -> None:
    heads = "document.querySelectorAll('th[aria-sort]').map(h => h.id)"
    assert after(f"column('best'); return {heads};") == ["column-best"]


def test_an_episode_pointed_at_in_one_place_is_marked_in_all() -> None:
    record = records.finished()
    kept = record.cuts[0].data.ranked[0]
    places = ("row", "curve", "loss", "finalist", "cell")
    for place in places:
        found = after(f"document.getElementById('{place}-{kept}').fire('pointerover'); return [on(), lines().length];")
        marks = [*places, *(f"narrow-{kind}" for kind in places[1:])]
        assert found == [sorted(f"{mark}-{kept}" for mark in marks), 4]
    assert (
        after(f"document.getElementById('row-{kept}').fire('pointerover'); document.fire('pointerover'); return on();")
        == []
    )


def test_a_curve_that_is_not_drawn_is_drawn_while_its_row_is_pointed_at() -> None:
    size = (12, 9)
    hidden = "names().find(name => ['curve', 'finalist'].every(kind => !document.getElementById(`${kind}-${name}`)))"
    name, before, drawn = after(
        f"const name = {hidden}; const before = lines();"
        "document.getElementById(`row-${name}`).cells[3].fire('pointerover'); return [name, before, lines()];",
        size,
    )
    record = records.finished(*size)
    scores = next(e.status.scores for e in record.episodes if e.spec.id.name == name)
    assert before == []
    # In the figure, and in that for phones.
    assert len(drawn) == 2
    for path in drawn:
        assert len(re.findall(r"[ML]", path)) == len(scores)
        assert path.startswith("M")


def test_a_click_keeps_an_episode_and_escape_lets_it_go() -> None:
    kept, moved, gone = after(
        "const row = document.getElementById('row-wi0-do0'); row.fire('click'); const kept = said();"
        "document.fire('pointerover'); const moved = on();"
        "document.fire('keydown', {key: 'Escape'}); return [kept, moved, [on(), said()]];"
    )
    assert kept.startswith("wi0-do0: ")
    assert kept.endswith("Escape lets go.")
    assert "row-wi0-do0" in moved
    assert gone == [[], ""]
    assert (
        after("const row = document.getElementById('row-wi0-do0'); row.fire('click'); row.fire('click'); return on();")
        == []
    )


def test_arrow_keys_go_from_row_to_row() -> None:
    names, found = after(
        "const frame = document.getElementById('episodes-table'); const found = [];"
        "for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', 'ArrowUp']) {"
        "  frame.fire('keydown', {key}); found.push(on().find(id => id.startsWith('row-')));"
        "} return [names(), found];"
    )
    assert found == [f"row-{names[i]}" for i in (0, 1, 0, 0)]


def test_all_of_the_page_is_printed() -> None:
    opened = after("fireWindow('beforeprint'); return document.querySelectorAll('details').map(d => d.open);")
    assert set(opened) == {True}
