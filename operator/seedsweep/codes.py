"""Exit codes of the command line, the same in every world."""

from enum import IntEnum

from seedsweep.api.status import SweepStatus


class Exit(IntEnum):
    """Exit codes of the command line."""

    COMPLETE = 0
    FAILED = 1
    BAD_INPUT = 2
    """Nothing was started."""
    INTERRUPTED = 130


def exit_of(status: SweepStatus | None) -> Exit:
    """How a sweep that is over ended."""
    complete = status.condition("Complete") if status is not None else None
    return Exit.COMPLETE if complete is not None and complete.status == "True" else Exit.FAILED
