"""The live view as it reaches a terminal, a pipe or a log."""

import io
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.cells import cell_len
from rich.console import Console

from inputs import moments
from seedsweep.api.core.objects import Condition
from seedsweep.api.recorded import timestamp
from seedsweep.engine.decisions import Event
from seedsweep.terminal import LiveView
from seedsweep.terminal.board import make_board
from seedsweep.terminal.drawing import draw_rows, sparkline

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def shown(moment: moments.Moment, *, width: int = 80, height: int = 24) -> list[str]:
    """The lines of the first frame in a terminal."""
    out = io.StringIO()
    with LiveView(moment.layout, Console(file=out, force_terminal=True, width=width, height=height)) as view:
        view.update(moment.seen, moment.plan, moment.now)
        frame = out.getvalue()
    return ANSI.sub("", frame).split("\n")


def logged(moment: moments.Moment, *updates: tuple[float, tuple[Event, ...]]) -> list[str]:
    """The lines that a pipe gets from updates at these seconds after the moment, with these events."""
    out = io.StringIO()
    with LiveView(moment.layout, Console(file=out, width=80)) as view:
        for seconds, events in updates:
            view.update(moment.seen, replace(moment.plan, events=events), moment.now + timedelta(seconds=seconds))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("height", [16, 24, 50])
def test_hundred_episodes_fit_the_terminal(width: int, height: int) -> None:
    lines = shown(moments.after_the_cut(10, 12), width=width, height=height)
    assert len(lines) < height
    assert max(cell_len(line) for line in lines) <= width


def test_what_is_left_out_is_counted_by_state() -> None:
    lines = shown(moments.after_the_cut(10, 12), height=24)
    [told] = [line for line in lines if "more:" in line]
    rows = sum(1 for line in lines if re.search(r"\bwi\d+-do\d+", line))
    assert f"… {120 - rows} more" in told
    assert "lost" in told


def test_running_episodes_the_leader_and_the_cut_are_never_left_out() -> None:
    moment = moments.after_the_cut(10, 12)
    board = make_board(moment.layout, moment.seen, moment.plan)
    text = "\n".join(line.plain for line in draw_rows(board, 80, 6))
    for row in board.rows:
        if row.live or row.leader:
            assert row.episode.name in text
    assert "cut at evaluation 6" in text


def test_header_says_what_is_compared_and_what_happens() -> None:
    moment = moments.after_the_cut()
    lines = shown(moment)
    assert "rte" in lines[0]
    assert "accuracy (higher is better)" in lines[0]
    assert moment.plan.status.message in lines[1]


def test_footer_tells_time_places_and_steps_of_the_plan() -> None:
    text = "\n".join(shown(moments.after_the_cut()))
    assert "10 min elapsed" in text
    assert "2 of 2 places in use" in text
    assert "400 of 900 planned + 12 overshoot + 20 wasted" in text
    assert "42 % of 1,600 for training all fully" in text


def test_the_leader_is_marked_and_losers_are_dimmed() -> None:
    moment = moments.after_the_cut()
    board = make_board(moment.layout, moment.seen, moment.plan)
    lines = draw_rows(board, 80, 20)
    [leader] = [line for line in lines if line.plain.startswith("★")]
    assert leader.style == "green"
    assert all(line.style == "dim" for line in lines if " lost " in line.plain)


def test_terminal_is_drawn_at_most_once_a_second() -> None:
    moment = moments.before_the_cut()
    out = io.StringIO()
    sizes = []
    with LiveView(moment.layout, Console(file=out, force_terminal=True, width=80, height=24)) as view:
        for seconds in (0.0, 0.4, 0.9, 1.0):
            view.update(moment.seen, moment.plan, moment.now + timedelta(seconds=seconds))
            sizes.append(len(out.getvalue()))
    assert sizes[0] == sizes[1] == sizes[2] < sizes[3]


def test_last_turn_is_drawn_however_soon_it_comes() -> None:
    moment = moments.before_the_cut()
    out = io.StringIO()
    with LiveView(moment.layout, Console(file=out, force_terminal=True, width=80, height=24)) as view:
        view.update(moment.seen, moment.plan, moment.now)
        before = len(out.getvalue())
        view.update(moment.seen, replace(moment.plan, finished=True), moment.now + timedelta(milliseconds=10))
        assert len(out.getvalue()) > before


def test_pipe_gets_a_line_per_event_with_the_time_since_the_start() -> None:
    moment = moments.before_the_cut()
    events = (Event("Started", "attempt 1 of wi0-do0 started"), Event("Diverged", "wi1-do0: diverged", kind="Warning"))
    lines = logged(moment, (5, events))
    assert lines[:2] == ["[0:01:05] attempt 1 of wi0-do0 started", "[0:01:05] warning: wi1-do0: diverged"]


def test_pipe_gets_progress_at_most_every_thirty_seconds() -> None:
    lines = logged(moments.before_the_cut(), *((seconds, ()) for seconds in (0, 10, 29, 30, 45, 61)))
    assert [line.split()[0] for line in lines] == ["[0:01:00]", "[0:01:30]", "[0:02:01]"]


def test_progress_line_names_the_leader_and_the_time_left() -> None:
    [line] = logged(moments.after_the_cut(), (0, ()))
    assert "2 running, 1 paused" in line
    assert re.search(r"best 0\.\d{4} \(wi\d-do\d\)", line)
    assert "left" in line


def test_pipe_gets_no_control_codes() -> None:
    assert not any("\x1b" in line for line in logged(moments.after_the_cut(), (0, ())))


def test_last_words_of_a_trainer_cannot_steer_the_terminal() -> None:
    moment = moments.before_the_cut()
    hostile = Event("AttemptFailed", "wi0-do0: \x1b[2J\x1b]0;owned\x07\nboom [bold]", kind="Warning")
    [line, _] = logged(moment, (0, (hostile,)))
    assert "\x1b" not in line
    assert line.endswith("boom [bold]")


def test_sparkline_rises_from_the_lowest_to_the_highest_block() -> None:
    assert sparkline([0.0, 0.5, 1.0], slots=3, width=3, low=0.0, high=1.0) == "▁▅█"


def test_sparkline_has_a_space_where_undefined_or_still_to_come() -> None:
    assert sparkline([1.0, None, 1.0], slots=5, width=5, low=0.0, high=1.0) == "█ █  "


def test_sparkline_puts_many_evaluations_into_few_cells() -> None:
    assert sparkline([i / 299 for i in range(300)], slots=300, width=8, low=0.0, high=1.0) == "▁▂▃▄▅▆▇█"


def test_scores_below_the_scale_are_drawn_lowest() -> None:
    assert sparkline([-5.0, 7.0], slots=2, width=2, low=0.0, high=1.0) == "▁█"


def test_the_clock_stands_still_while_a_sweep_is_suspended_or_over() -> None:
    moment = moments.before_the_cut()
    lines = logged(idle(moment, suspended_seconds=50.0), (5, ()))
    assert lines[0].startswith("[0:00:15] ")
    since = Condition(
        type="Suspended", status="True", reason="Asked", message="", last_transition_time=timestamp(moment.now)
    )
    lines = logged(idle(moment, suspended_seconds=50.0, conditions=[since]), (5, ()), (35, ()))
    assert [line[:9] for line in lines] == ["[0:00:10]", "[0:00:10]"]


def idle(moment: moments.Moment, **status: object) -> moments.Moment:
    return replace(moment, plan=replace(moment.plan, status=moment.plan.status.evolve(**status)))
