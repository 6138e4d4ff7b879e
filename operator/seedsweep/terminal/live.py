"""The live view of a sweep: redrawn in place in a terminal, plain lines anywhere else."""

from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from seedsweep.api.status import Cost, SweepStatus
from seedsweep.engine.decisions import Event, Plan
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation
from seedsweep.report.words import counted, duration_text, metric_words, one_line, score_text, share_text
from seedsweep.terminal.board import Board, make_board
from seedsweep.terminal.drawing import draw_rows
from seedsweep.terminal.remaining import time_left

REDRAW = timedelta(seconds=1)
"""Drawing costs processor time that belongs to training."""
PROGRESS_LINE = timedelta(seconds=30)
_FRAME_LINES = 9
"""Lines around the rows: header, footer, blank lines, and one for the cursor."""


class LiveView:
    """Shows each observation with its plan. A context manager: the terminal is as it was after it."""

    def __init__(self, layout: Layout, console: Console) -> None:
        self._layout = layout
        self._console = console
        in_place = console.is_terminal and not console.is_dumb_terminal
        # Transient: the last screen takes its place.
        self._live = Live(console=console, auto_refresh=False, transient=True) if in_place else None
        self._start: datetime | None = None
        self._shown: datetime | None = None

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
        elapsed = now - self._start
        for event in plan.events:
            if self._live is None or event.kind == "Warning":
                self._console.print(_event_line(event, elapsed), soft_wrap=True)
        pause = PROGRESS_LINE if self._live is None else REDRAW
        # The moment is that of who sees: a sweep watched from afar is seen by the operator's clock or by our own.
        if self._shown is not None and abs(now - self._shown) < pause and not plan.finished:
            return
        self._shown = now
        board = make_board(self._layout, seen, plan)
        left = time_left(self._layout, board, seen, now)
        if self._live is None:
            line = progress_line(plan.status, board, left)
            self._console.print(Text(f"{_clock(elapsed)} {line}"), soft_wrap=True)
            return
        width, height = self._console.size
        lines = [
            *header_lines(self._layout, plan.status),
            Text(),
            *draw_rows(board, width, height - _FRAME_LINES),
            Text(),
            *footer_lines(seen, plan.status, elapsed, left),
        ]
        for text in lines:
            text.truncate(width, overflow="ellipsis")
        self._live.update(Group(*lines), refresh=True)


def header_lines(layout: Layout, status: SweepStatus) -> list[Text]:
    """What is compared, and what happens now or why nothing does."""
    trainer = layout.spec.trainer
    direction = "higher" if layout.maximize else "lower"
    what = f"{counted(len(layout.episodes), 'episode')}, {metric_words(trainer, status)} ({direction} is better)"
    line = Text.assemble((layout.name, "bold"), f"  {what}")
    return [line, Text.assemble((status.phase, "bold"), f"  {one_line(status.message)}")]


def footer_lines(seen: Observation, status: SweepStatus, elapsed: timedelta, left: float | None) -> list[Text]:
    """Time, places and cost."""
    places = min(seen.parallelism, status.observed_places or seen.parallelism)
    busy = sum(1 for attempt in seen.attempts if attempt.live and attempt.bound is not None)
    time = f"{duration_text(elapsed.total_seconds())} elapsed"
    if left is not None and left > 0:
        time += f", about {duration_text(left)} left"
    lines = [("time", f"{time}, {busy} of {counted(places, 'place')} in use"), ("steps", steps_text(status.cost))]
    if saving := saving_text(status.cost):
        lines.append(("saves", saving))
    return [Text.assemble((f"{title:<7}", "dim"), text) for title, text in lines]


def steps_text(cost: Cost) -> str:
    """Steps taken against the plan, each kind apart."""
    planned = f" of {cost.planned_steps:,} planned" if cost.planned_steps else ""
    text = f"{cost.useful_steps:,}{planned}"
    for kind, steps in (
        ("overshoot", cost.overshoot_steps),
        ("wasted", cost.wasted_steps),
        ("audit", cost.audit_steps),
    ):
        if steps:
            text += f" + {steps:,} {kind}"
    return text


def saving_text(cost: Cost) -> str:
    """What the plan saves, less what overshoot and interruptions have cost; empty where it saves nothing."""
    if not cost.planned_steps or not cost.full_steps:
        return ""
    saved = cost.full_steps - cost.planned_steps - cost.overshoot_steps - cost.wasted_steps - cost.audit_steps
    return f"{share_text(saved, cost.full_steps)} of {cost.full_steps:,} for training all fully" if saved > 0 else ""


def progress_line(status: SweepStatus, board: Board, left: float | None) -> str:
    """The state on one line, for logs."""
    counts = {name: n for name, n in status.counts if n}
    parts = [f"{status.phase}: " + (", ".join(f"{n} {name}" for name, n in counts.items()) or "nothing started")]
    leader = next((row for row in board.rows if row.leader), None)
    if leader is not None:
        parts.append(f"best {score_text(leader.score)} ({leader.episode.name})")
    parts.append(f"steps {steps_text(status.cost)}")
    if left is not None and left > 0:
        parts.append(f"about {duration_text(left)} left")
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
