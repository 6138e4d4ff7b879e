"""Words that wrap: what belongs together stays on one line."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from seedsweep.terminal.wrapping import Wrapped, wrapped

HELD = ("96 %", "12 min", "3 s", "2 h", "n = 50", "p = 0.007")


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("width", range(10, 40))
def test_a_number_stays_with_its_unit_and_its_name(held: str, width: int) -> None:
    text = f"one run of B beats one of A in {held}, and so on to the end"
    assert held in "|".join(wrapped(text, width))


@given(
    st.lists(st.sampled_from(("a", "bb-cc", "runs/rte", "7 %", "n = 5", "min", "95", "p")), min_size=1),
    st.integers(9, 60),
)
def test_wrapping_changes_nothing_but_where_lines_end(words: list[str], width: int) -> None:
    lines = wrapped(" ".join(words), width)
    assert " ".join(lines) == " ".join(words)


@given(st.lists(st.sampled_from(("a", "bb-cc", "runs/rte", "7 %", "n = 5")), min_size=1), st.integers(9, 60))
def test_no_line_is_longer_than_there_is_room(words: list[str], width: int) -> None:
    assert max(map(len, wrapped(" ".join(words), width))) <= width


def test_no_text_is_an_empty_line() -> None:
    assert wrapped("", 20) == [""]


def test_a_cell_of_a_table_wraps_so_too_and_keeps_square_brackets() -> None:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("failed", Wrapped("no [/tmp/x] there, in 96 % of all"))
    out = io.StringIO()
    Console(file=out, width=32).print(facts)
    assert [line.rstrip() for line in out.getvalue().splitlines()] == [
        "failed  no [/tmp/x] there, in",
        "        96 % of all",
    ]
