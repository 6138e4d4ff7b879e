"""The live view of a sweep: redrawn in place in a terminal, plain lines anywhere else."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from seedsweep.engine.decisions import Event, Plan
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation
from seedsweep.report.facts import idle_seconds
from seedsweep.report.words import one_line, score_text
from seedsweep.terminal.drawing import draw_rows
from seedsweep.terminal.moment import Moment, saving_text, steps_text
from seedsweep.terminal.wrapping import wrapped

REDRAW = timedelta(seconds=1)
"""Drawing costs processor time that belongs to training."""
PROGRESS_LINE = timedelta(seconds=30)
_SPARE_LINES = 4
"""Around the rows, beside header and footer: two blank ones, one for the cursor and one to spare."""
_SAID_LINES = 3
"""A message may be long, and the rows need room too."""
_TITLE_WIDTH = 7

Show = Callable[[Moment], None]


class Screen(Protocol):
    """Where the view is redrawn in place, as in a terminal by rich's Live."""

    def start(self) -> None:
        """Before the first frame."""
        ...

    def update(self, frame: Group, *, refresh: bool) -> None:
        """Show a frame in place of the one before."""
        ...

    def stop(self) -> None:
        """Leave nothing behind: the last screen takes its place."""
        ...


@dataclass
class _Paced:
    """What shows a moment, and rests before it shows another."""

    pause: timedelta
    show: Show
    shown: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        # The moment is that of who sees: a sweep watched from afar is seen by the operator's clock or by our own.
        return self.shown is None or abs(now - self.shown) >= self.pause


class LiveView:
    """Shows each observation with its plan. A context manager: the terminal is as it was after it.

    Args:
        screen: where it is redrawn. Absent: in the console, where that is a terminal; else it prints lines.
        page: shows the sweep as well, at most once a second.
    """

    def __init__(
        self, layout: Layout, console: Console, screen: Screen | None = None, page: Show | None = None
    ) -> None:
        self._layout = layout
        self._console = console
        self._live = screen
        if screen is None and console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)
        first = _Paced(PROGRESS_LINE, self._log) if self._live is None else _Paced(REDRAW, self._draw)
        self._shown_by = [first, *([_Paced(REDRAW, page)] if page is not None else [])]
        self._start: datetime | None = None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, seen: Observation, plan: Plan, now: datetime) -> None:
        """Show this turn of the loop: every event, and the state unless it was shown just before."""
        started = plan.status.start_time
        self._start = datetime.fromisoformat(started) if started is not None else self._start or now
        elapsed = now - self._start - timedelta(seconds=idle_seconds(plan.status, now))
        for event in plan.events:
            if self._live is None or event.kind == "Warning":
                self._console.print(_event_line(event, elapsed), soft_wrap=True)
        due = [paced for paced in self._shown_by if plan.finished or paced.is_due(now)]
        if not due:
            return
        moment = Moment.of(self._layout, seen, plan, now, elapsed)
        for paced in due:
            paced.shown = now
            paced.show(moment)

    def _log(self, moment: Moment) -> None:
        self._console.print(Text(f"{_clock(moment.elapsed)} {progress_line(moment)}"), soft_wrap=True)

    def _draw(self, moment: Moment) -> None:
        assert self._live is not None
        width, height = self._console.size
        header, footer = header_lines(moment, width), footer_lines(moment, width)
        rows = draw_rows(moment.board, width, height - _SPARE_LINES - len(header) - len(footer))
        lines = [*header, Text(), *rows, Text(), *footer]
        for text in lines:
            text.truncate(width, overflow="ellipsis")
        self._live.update(Group(*lines), refresh=True)


def header_lines(moment: Moment, width: int) -> list[Text]:
    """What is compared, and what happens now or why nothing does."""
    status = moment.status
    name, now = f"{moment.layout.name}  ", one_line(status.message)
    return [*_said(name, moment.compared, width, "bold"), *_said(f"{status.phase}  ", now, width, "bold")]


def footer_lines(moment: Moment, width: int) -> list[Text]:
    """Time, places and cost."""
    cost, times = moment.status.cost, filter(None, (moment.elapsed_text, moment.left_text, moment.places_text))
    lines = [("time", ", ".join(times)), ("steps", steps_text(cost))]
    if saving := saving_text(cost):
        lines.append(("saves", saving))
    return [line for title, text in lines for line in _said(f"{title:<{_TITLE_WIDTH}}", text, width, "dim")]


def _said(title: str, text: str, width: int, style: str) -> list[Text]:
    """A title with its text, on as many lines as that takes, but no more than a few."""
    lines = wrapped(title + text, width, " " * _TITLE_WIDTH)
    if len(lines) > _SAID_LINES:
        lines = [*lines[: _SAID_LINES - 1], f"{lines[_SAID_LINES - 1][: width - 1]}…"]
    found = [Text(line) for line in lines]
    found[0].stylize(style, 0, len(title))
    return found


def progress_line(moment: Moment) -> str:
    """The state on one line, for logs."""
    status = moment.status
    parts = [f"{status.phase}: {moment.counts_text}"]
    leader = moment.board.leader
    if leader is not None:
        parts.append(f"best {score_text(leader.score)} ({leader.episode.name})")
    parts.append(f"steps {steps_text(status.cost)}")
    if moment.left_text:
        parts.append(moment.left_text)
    if status.message:
        parts.append(one_line(status.message))
    return "; ".join(parts)


def _event_line(event: Event, elapsed: timedelta) -> Text:
    warning = event.kind == "Warning"
    text = f"{_clock(elapsed)} {'warning: ' if warning else ''}{one_line(event.message)}"
    return Text(text, style="red" if warning else "")


def _clock(elapsed: timedelta) -> str:
    """Time since the start, in hours, minutes and seconds."""
    seconds = max(0, int(elapsed.total_seconds()))
    return f"[{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}]"
