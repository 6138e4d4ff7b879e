"""What failed scrapes mean: counted in a row, told apart, and final only where two in a row say the same."""

from datetime import timedelta

import pytest

from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.foreign import MAX_TEXT
from seedsweep.contract.metrics_client import TooSlowError, UnreachableError
from seedsweep.contract.scrape import NeverUsableError
from seedsweep.contract.trouble import UNREACHED_AFTER, UNREACHED_TIMES, Trouble

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


@pytest.mark.parametrize("error", [NEVER, PASSING])
def test_what_cannot_be_used_is_news_once_where_two_answers_in_a_row_say_it(error: ScrapeError) -> None:
    assert [after(*[error] * times).is_news for times in range(1, 5)] == [False, True, False, False]


def test_what_becomes_final_after_it_was_told_is_news_again() -> None:
    assert [after(PASSING, PASSING, *[NEVER] * times).is_news for times in range(1, 4)] == [False, True, False]


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


def test_a_trainer_that_does_not_answer_is_told_only_after_several_times_and_a_while() -> None:
    for times in (UNREACHED_TIMES - 1, UNREACHED_TIMES):
        for placed in (UNREACHED_AFTER - timedelta(seconds=1), UNREACHED_AFTER):
            told = times == UNREACHED_TIMES and placed == UNREACHED_AFTER
            assert after(*[UnreachableError("refused")] * times).lasts(placed) == told


def test_an_answer_that_cannot_be_used_is_told_from_the_second_on() -> None:
    starting = [UnreachableError("refused")] * UNREACHED_TIMES
    assert [after(*starting, *[PASSING] * times).lasts(timedelta()) for times in (1, 2, 3)] == [False, True, True]


def test_a_server_that_may_have_closed_before_its_trainer_ended_is_no_trouble_of_its_end() -> None:
    refused = UnreachableError("refused")
    assert after(refused).at_end(heard=True) == ""
    assert after(refused).at_end(heard=False) == "its metrics cannot be reached: refused"
    assert after(refused, refused).at_end(heard=True) == "its metrics cannot be reached: refused"
    assert after(PASSING).at_end(heard=True) == "its metrics cannot be used: not a sample"


def test_its_text_is_bounded_and_fit_for_a_record() -> None:
    error = after(ScrapeError("x\0" * 1_000)).error
    assert len(error) == MAX_TEXT
    assert "\0" not in error
