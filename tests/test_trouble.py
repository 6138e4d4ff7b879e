"""What failed scrapes mean: counted in a row, told apart, and final only where two in a row say the same."""

from datetime import timedelta

import pytest

from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.foreign import MAX_TEXT
from seedsweep.contract.metrics_client import TooSlowError, UnreachableError
from seedsweep.contract.scrape import NeverUsableError
from seedsweep.contract.trouble import UNREADABLE_AFTER, UNREADABLE_TIMES, Trouble

NEVER, OTHER = NeverUsableError("the score is 1.5"), NeverUsableError("the score is 2.5")
PASSING = ScrapeError("not a sample")


def after(*errors: ScrapeError) -> Trouble:
    trouble = None
    for error in errors:
        trouble = Trouble.after(trouble, error)
    assert trouble is not None
    return trouble


@pytest.mark.parametrize(
    ("errors", "unusable"),
    [
        ((NEVER,), ""),
        ((NEVER, NEVER), "the score is 1.5"),
        ((NEVER, NEVER, NEVER), "the score is 1.5"),
        ((NEVER, OTHER), ""),
        ((NEVER, PASSING, NEVER), ""),
        ((NEVER, UnreachableError("refused"), NEVER), ""),
        ((PASSING, PASSING, PASSING), ""),
        ((NEVER, OTHER, OTHER), "the score is 2.5"),
    ],
)
def test_only_what_two_scrapes_in_a_row_say_is_final(errors: tuple[ScrapeError, ...], unusable: str) -> None:
    assert after(*errors).unusable == unusable


def test_it_becomes_final_once() -> None:
    assert [after(*[NEVER] * times).becomes_final for times in range(1, 5)] == [False, True, False, False]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UnreachableError("nothing listens"), "its metrics cannot be reached: nothing listens"),
        (TooSlowError("no answer"), "its metrics cannot be reached: no answer"),
        (PASSING, "its metrics cannot be used: not a sample"),
        (NEVER, "its metrics cannot be used: the score is 1.5"),
    ],
)
def test_what_cannot_be_reached_is_told_from_what_answers_and_cannot_be_used(error: ScrapeError, text: str) -> None:
    assert after(error).text == text


def test_it_is_told_only_after_several_times_and_a_while() -> None:
    for times in (UNREADABLE_TIMES - 1, UNREADABLE_TIMES):
        for placed in (UNREADABLE_AFTER - timedelta(seconds=1), UNREADABLE_AFTER):
            told = times == UNREADABLE_TIMES and placed == UNREADABLE_AFTER
            assert after(*[PASSING] * times).lasts(placed) == told


def test_its_text_is_bounded_and_fit_for_a_record() -> None:
    error = after(ScrapeError("x\0" * 1_000)).error
    assert len(error) == MAX_TEXT
    assert "\0" not in error
