"""What an exit code and the last words of a process say about how it ended; the same in every world."""

from seedsweep.api.episode import EndReason
from seedsweep_trainer.contract import ExitCode, Message, Outcome

_SIGNALS = (137, 143)
"""128 + SIGKILL and 128 + SIGTERM, as containers report them."""


def classify_end(exit_code: int | None, message: Message | None) -> EndReason:
    """Why a process ended that we did not stop.

    Args:
        exit_code: None where it vanished without one; negative, or 128 and a signal, where it was killed.
        message: its last words, None where it left none.
    """
    outcome = message.outcome if message is not None else None
    if exit_code == ExitCode.BAD_CONFIGURATION:
        return EndReason.BAD_CONFIGURATION
    if exit_code == ExitCode.OUT_OF_MEMORY:
        return EndReason.OUT_OF_MEMORY
    if exit_code is None or exit_code < 0 or exit_code in _SIGNALS or outcome == Outcome.INTERRUPTED:
        return EndReason.INTERRUPTED
    if exit_code != ExitCode.OK:
        return EndReason.FAILED
    if outcome == Outcome.DIVERGED:
        return EndReason.DIVERGED
    if outcome == Outcome.STOPPED:
        return EndReason.STOPPED_AT_RUNG
    return EndReason.DONE
