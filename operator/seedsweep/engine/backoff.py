"""How long to wait after failures in a row."""

from datetime import timedelta

_MAX_DOUBLINGS = 20
"""Far past any bound, and far below what a timedelta holds."""


def backoff(failures: int, first: timedelta, most: timedelta) -> timedelta:
    """`first` after one failure, doubled with each further one, at most `most`."""
    doublings = min(max(failures - 1, 0), _MAX_DOUBLINGS)
    return min(first * (1 << doublings), most)
