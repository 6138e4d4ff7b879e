"""What an exit code and the last words of a trainer say about how it ended; the same in every world."""

from dataclasses import dataclass

from seedsweep.api.episode import EndReason, Interruption
from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.foreign import recordable
from seedsweep.contract.message import Message, MessageError, Outcome, decode_message
from seedsweep.contract.output import signal_of
from seedsweep.contract.protocol import ExitCode
from seedsweep.contract.scrape import Expected, reading_of
from seedsweep.engine.observation import Reading

FINISHED = frozenset({Outcome.DONE, Outcome.STOPPED, Outcome.DIVERGED})
"""Outcomes of a trainer that came to an end of its own."""

_FROM_OUTSIDE = {
    "SIGTERM": Interruption.TERMINATED,
    "SIGKILL": Interruption.KILLED,
}
"""Signals that no trainer sends itself."""
_CLEAN = frozenset({EndReason.DONE, EndReason.STOPPED_AT_RUNG})
_TOLD_BY_OUTPUT = frozenset({EndReason.FAILED, EndReason.BAD_CONFIGURATION, EndReason.OUT_OF_MEMORY})


@dataclass(frozen=True, slots=True)
class LastWords:
    """The termination message and what it has published, where there is one that can be used."""

    message: Message | None = None
    reading: Reading | None = None
    refused: str = ""
    """Why what there is cannot be used."""

    @property
    def said(self) -> str:
        """Why it ended, in its own words; may be empty."""
        return self.message.reason if self.message is not None else ""


def parse_last_words(text: str, expected: Expected) -> LastWords:
    """Read a termination message; one that is cut off tells nothing, one that cannot be is refused."""
    try:
        message = decode_message(text)
        return LastWords(message, reading_of(message, expected)) if message is not None else LastWords()
    except (MessageError, ScrapeError) as error:
        return LastWords(refused=recordable(str(error)))


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
    if exit_code is None or signal_of(exit_code) in _FROM_OUTSIDE or outcome == Outcome.INTERRUPTED:
        return EndReason.INTERRUPTED
    if exit_code != ExitCode.OK:
        return EndReason.FAILED
    if outcome == Outcome.DIVERGED:
        return EndReason.DIVERGED
    if outcome == Outcome.STOPPED:
        return EndReason.STOPPED_AT_RUNG
    return EndReason.DONE


def explain_end(reason: EndReason, exit_code: int | None, words: LastWords, last_output: str) -> str:
    """Why an attempt ended so, for people: in its own words, or in those that it printed last; may be empty."""
    if words.said:
        return words.said
    if reason in _CLEAN and words.refused:
        return f"its metrics cannot be used: {words.refused}"
    if reason not in _TOLD_BY_OUTPUT:
        return ""
    signal = signal_of(exit_code)
    return ": ".join(filter(None, (f"ended by {signal}" if signal else "", last_output)))


def explain_interruption(exit_code: int | None) -> tuple[str, Interruption]:
    """Why something ended that nobody is known to have stopped: for people, and in one word."""
    if exit_code is None:
        return "", Interruption.VANISHED
    signal = signal_of(exit_code)
    if not signal:
        return "it was told to end", Interruption.TERMINATED
    notice = ", as with the notice of a spot node" if signal == "SIGTERM" else ""
    return f"{signal} from outside{notice}", _FROM_OUTSIDE.get(signal, Interruption.KILLED)
