"""The live view in a notebook's cell."""

from datetime import timedelta
from io import StringIO

from rich.console import Console, Group

from inputs import moments
from seedsweep.notebook.cell import as_html
from seedsweep.terminal import LiveView


class Cell:
    """What stands in the output of a cell."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def start(self) -> None:
        self.shown.append("")

    def update(self, frame: Group, *, refresh: bool) -> None:
        self.shown.append(as_html(frame))

    def stop(self) -> None:
        self.shown.append("")


def test_each_frame_takes_the_place_of_the_one_before_and_the_last_leaves_nothing() -> None:
    moment, cell, out = moments.after_the_cut(2, 4), Cell(), StringIO()
    with LiveView(moment.layout, Console(file=out, width=80), cell) as view:
        for seconds in (0, 5):
            view.update(moment.seen, moment.plan, moment.now + timedelta(seconds=seconds))
    first, *frames, last = cell.shown
    assert (first, last, len(frames)) == ("", "", 2)
    assert all("wi0-do0" in frame and frame.startswith("<pre") for frame in frames)
    assert out.getvalue() == ""
