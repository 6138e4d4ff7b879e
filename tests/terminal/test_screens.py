"""Golden screens: what people see at 60, 80, 120 and 200 columns, with colours, without them, and in a log.

Where one has changed on purpose, `PYTHONPATH=tests python -m inputs.screens` writes it anew: look at it.
"""

import re

import pytest

from inputs import moments
from inputs.screens import FOLDER, SCREENS, WIDTHS, crowded, frame, log, plain

COLOURS = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|4\d|9\d|10\d)(?:;\d+)*m")
HEADINGS = {"#", "episode", "state", "curve", "best", "progress", "done"}


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was_when_it_was_last_looked_at(name: str) -> None:
    assert SCREENS[name]() == (FOLDER / f"{name}.txt").read_text()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("moment", [moments.before_the_cut(), moments.after_the_cut(10, 12), crowded()])
def test_a_heading_is_whole_or_left_out(moment: moments.Moment, width: int) -> None:
    [titles] = [line for line in plain(frame(moment, width)).splitlines() if line.lstrip().startswith("#")]
    assert {"#", "episode", "state", "best"} <= set(titles.split()) <= HEADINGS


@pytest.mark.parametrize("width", WIDTHS)
def test_a_message_that_does_not_fit_ends_with_a_mark(width: int) -> None:
    moment = crowded()
    header = plain(frame(moment, width)).split("\n\n")[0]
    said = " ".join(header.split())
    assert moment.plan.status.message in said or said.endswith("…")
    assert "(lower is better)" in said


def test_without_colours_the_screen_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    moment = moments.after_the_cut()
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = frame(moment, 80)
    monkeypatch.setenv("NO_COLOR", "1")
    bare = frame(moment, 80)
    assert COLOURS.search(coloured)
    assert not COLOURS.search(bare)
    assert plain(bare) == plain(coloured)


def test_a_terminal_that_cannot_redraw_gets_the_lines_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert log(terminal=True) == log()
