"""How long to wait after failures in a row."""

from datetime import timedelta

import pytest

from seedsweep.engine.backoff import backoff


@pytest.mark.parametrize(("failures", "seconds"), [(0, 10), (1, 10), (2, 20), (5, 160), (6, 300), (10**9, 300)])
def test_each_failure_doubles_the_wait_up_to_a_bound(failures: int, seconds: int) -> None:
    assert backoff(failures, timedelta(seconds=10), timedelta(minutes=5)) == timedelta(seconds=seconds)
