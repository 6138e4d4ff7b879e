"""The end of what a trainer printed, as a record takes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.garbage import DEEP, TEXTS, is_recordable
from seedsweep.contract.foreign import MAX_TEXT, parse_json, recordable
from seedsweep.contract.output import MAX_OUTPUT, last_line, last_lines


@given(TEXTS | st.lists(TEXTS).map("\n".join))
def test_any_output_leaves_an_end_that_a_record_takes(output: str) -> None:
    assert is_recordable(last_line(output), MAX_TEXT)
    assert is_recordable(last_lines(output), MAX_OUTPUT)


def test_what_an_api_server_refuses_is_replaced() -> None:
    mark = "\N{REPLACEMENT CHARACTER}"
    assert last_line("step 1\na\0b\ud800c\n\n") == f"a{mark}b{mark}c"
    assert last_lines("step 1\n\na\0b\n") == f"step 1\na{mark}b"


def test_of_a_long_output_only_the_end_is_looked_at() -> None:
    output = "far back" + "\n" * 100_000
    assert last_line(output) == last_lines(output) == ""


def test_json_that_is_nested_too_deeply_or_has_too_many_digits_is_an_error() -> None:
    for data in (DEEP, DEEP.encode(), "9" * 5_000):
        with pytest.raises(ValueError, match=r"nested too deeply|Exceeds the limit"):
            parse_json(data)


@given(st.binary() | TEXTS)
def test_any_bytes_are_json_or_one_error(data: bytes | str) -> None:
    try:
        parse_json(data)
    except ValueError:
        return


@given(TEXTS)
def test_a_text_that_is_fit_for_a_record_stays_as_it_is(text: str) -> None:
    fit = recordable(text)
    assert is_recordable(fit, MAX_TEXT)
    assert recordable(fit) == fit
    if is_recordable(text, MAX_TEXT):
        assert fit == text
