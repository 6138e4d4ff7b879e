"""What an exit code and the last words of a trainer say about how it ended; the same in every world."""

from dataclasses import dataclass

from seedsweep.api.episode import EndReason
from seedsweep.engine.observation import Reading
from seedsweep.exposition import ScrapeError
from seedsweep.scrape import Expected, reading_of
from seedsweep_trainer.contract import ExitCode, Message, Outcome, decode_message

FINISHED = frozenset({Outcome.DONE, Outcome.STOPPED, Outcome.DIVERGED})
"""Outcomes of a trainer that came to an end of its own."""

_SIGNALS = (137, 143)
"""128 + SIGKILL and 128 + SIGTERM, as containers report them."""
_CLEAN = frozenset({EndReason.DONE, EndReason.STOPPED_AT_RUNG})
_TOLD_BY_OUTPUT = frozenset({EndReason.FAILED, EndReason.BAD_CONFIGURATION, EndReason.OUT_OF_MEMORY})
_TAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class LastWords:
    """The termination message and what it has published, where there is one that can be used."""

    message: Message | None = None
    reading: Reading | None = None
    refused: str = ""
    """Why what there is cannot be used."""


def parse_last_words(text: str, expected: Expected) -> LastWords:
    """Read a termination message; one that is cut off tells nothing, one that cannot be is refused."""
    message = decode_message(text)
    if message is None:
        return LastWords()
    try:
        return LastWords(message, reading_of(message, expected))
    except ScrapeError as error:
        return LastWords(refused=str(error))


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


def explain_end(reason: EndReason, words: LastWords, last_output: str) -> str:
    """Why an attempt ended so, for people: in its own words, or in those that it printed last; may be empty."""
    if words.message is not None and words.message.reason:
        return words.message.reason
    if reason in _CLEAN and words.refused:
        return f"its metrics cannot be used: {words.refused}"
    return last_output if reason in _TOLD_BY_OUTPUT else ""


def last_line(output: str) -> str:
    """The last line of what was printed, as much of it as a record takes; empty where there is none."""
    return next((line.strip()[-_TAIL_CHARACTERS:] for line in reversed(output.split("\n")) if line.strip()), "")
