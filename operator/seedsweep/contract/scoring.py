"""What people are told of a custom trainer's weights that are missing, or have no score, in both worlds."""

from collections.abc import Sequence
from statistics import fmean

from seedsweep.api.housekeeping import Member, names_of
from seedsweep.api.recorded import shortened
from seedsweep.api.status import Average
from seedsweep.contract.message import MAX_REASON
from seedsweep.contract.output import last_line, signal_of

MISSING_REMEDY = "the trainer has to store them, as the sweep's trainer.weights declares: see the trainer contract"
"""For a winner of a custom trainer that has stored no weights."""


def not_scored(members: Sequence[Member], why: str) -> Average:
    """Of an average that was made and has no score."""
    reason = shortened(f"it could not be scored: the score command {why}", MAX_REASON)
    return Average(
        members=len(members),
        episodes=names_of(members),
        members_score=fmean(member.score for member in members),
        reason=reason,
    )


def failure_words(code: int, said: str) -> str:
    """How the score command ended, with the last line of what it printed."""
    signal = signal_of(code)
    ended = f"was ended by {signal}" if signal else f"ended with exit code {code}"
    return ": ".join(filter(None, [ended, last_line(said)]))


def too_long_words(seconds: float) -> str:
    """That the score command was ended after so many seconds."""
    return f"took longer than {seconds:.0f} s"
