"""What any process tells by its exit code and the end of its output."""

from signal import Signals

from seedsweep.contract.foreign import MAX_TEXT, recordable

_SIGNALS = {signal.value: signal.name for signal in Signals}
MAX_LINES = 10
MAX_OUTPUT = 1_000
"""Characters of the end of an output that a record takes."""
_MAX_READ = 16_384
"""Characters of the end of an output that are looked at."""


def signal_of(exit_code: int | None) -> str:
    """The name of the signal that ended it, such as SIGSEGV; empty where none did."""
    if exit_code is None or 0 <= exit_code <= 128:
        return ""
    return _SIGNALS.get(-exit_code if exit_code < 0 else exit_code - 128, "")


def last_line(output: str) -> str:
    """The last line of what was printed, as much of it as a record takes; empty where there is none."""
    lines = reversed(output[-_MAX_READ:].split("\n"))
    return next((recordable(line.strip()[-MAX_TEXT:]) for line in lines if line.strip()), "")


def last_lines(output: str) -> str:
    """The end of what was printed, without empty lines, as much of it as a record takes."""
    lines = [line.rstrip() for line in output[-_MAX_READ:].splitlines() if line.strip()]
    return recordable("\n".join(lines[-MAX_LINES:])[-MAX_OUTPUT:], MAX_OUTPUT)
