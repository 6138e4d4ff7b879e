"""How long to wait after failures in a row."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count

_MAX_DOUBLINGS = 20
"""Far past any bound, and far below what a timedelta holds."""


def backoff(failures: int, first: timedelta, most: timedelta) -> timedelta:
    """`first` after one failure, doubled with each further one, at most `most`."""
    doublings = min(max(failures - 1, 0), _MAX_DOUBLINGS)
    return min(first * (1 << doublings), most)


def pauses(first: float, most: float) -> Iterator[float]:
    """The same in seconds: the wait after the first failure in a row, after the second, and so on."""
    for failures in count(1):
        yield backoff(failures, timedelta(seconds=first), timedelta(seconds=most)).total_seconds()
