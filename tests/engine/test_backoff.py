"""How long to wait after failures in a row."""

from datetime import timedelta
from itertools import islice

import pytest

from seedsweep.engine.backoff import backoff, pauses


@pytest.mark.parametrize(("failures", "seconds"), [(0, 10), (1, 10), (2, 20), (5, 160), (6, 300), (10**9, 300)])
def test_each_failure_doubles_the_wait_up_to_a_bound(failures: int, seconds: int) -> None:
    assert backoff(failures, timedelta(seconds=10), timedelta(minutes=5)) == timedelta(seconds=seconds)


def test_pauses_are_the_waits_after_one_failure_after_two_and_so_on() -> None:
    assert list(islice(pauses(1.0, 10.0), 6)) == [1, 2, 4, 8, 10, 10]
