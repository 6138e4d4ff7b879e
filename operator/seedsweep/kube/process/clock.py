"""The operator's clock: what it measures and records comes from here alone, never from other machines' clocks."""

from datetime import UTC, datetime, timedelta
from time import monotonic

_EPOCH = datetime.now(UTC) - timedelta(seconds=monotonic())


def now() -> datetime:
    """The time in UTC: that of this process's start, carried on by a steady clock. Nobody can set it."""
    return _EPOCH + timedelta(seconds=monotonic())
