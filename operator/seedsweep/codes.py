"""How commands of the command line end, the same in every world."""

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The types load slowly, and every command needs this module.
    from seedsweep.api.status import SweepStatus


class Exit(IntEnum):
    """Exit codes of the command line."""

    COMPLETE = 0
    FAILED = 1
    BAD_INPUT = 2
    """Nothing was started."""
    MISSING_PART = 3
    """An optional part is not installed; nothing was started."""
    TIMED_OUT = 124
    """The time that was given is over, as timeout(1) says it; what was waited for goes on."""
    INTERRUPTED = 130


def exit_of(status: "SweepStatus | None") -> Exit:
    """How a sweep that is over ended."""
    complete = status.condition("Complete") if status is not None else None
    return Exit.COMPLETE if complete is not None and complete.status == "True" else Exit.FAILED


class CommandError(Exception):
    """A command cannot do what it was asked; the message says why and what to do."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


def bad_input(message: str) -> CommandError:
    """What was given cannot be used."""
    return CommandError(message, Exit.BAD_INPUT)
