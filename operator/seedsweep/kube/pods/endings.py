"""How a pod ended, and whose doing it was: the trainer's, or that of who took its place away. Pure."""

from dataclasses import replace
from datetime import datetime

from seedsweep.api.episode import EndReason, Interruption
from seedsweep.contract.exits import (
    FINISHED,
    LastWords,
    classify_end,
    explain_end,
    explain_interruption,
    parse_last_words,
)
from seedsweep.contract.foreign import recordable
from seedsweep.contract.output import last_line, last_lines
from seedsweep.contract.protocol import ExitCode
from seedsweep.contract.scrape import Expected
from seedsweep.engine.observation import Ending, Reading
from seedsweep.kube.pods.facts import ENDED_PHASES, PodFacts, Terminated

_OUT_OF_MEMORY = "OOMKilled"
_NEVER_BEGAN = frozenset({"StartError", "ContainerCannotRun"})
_NOBODY_KNOWS = "ContainerStatusUnknown"
"""The node came back, and its container was not there any more."""


def ending_of(facts: PodFacts, expected: Expected, now: datetime) -> tuple[Ending, Reading | None] | None:
    """How it ended and what its last words publish; None while it has not ended.

    Args:
        now: when that was seen, which is when it ended: its node's clock may differ.
    """
    if facts.phase not in ENDED_PHASES and facts.terminated is None:
        return None
    end = facts.terminated or Terminated(ExitCode.OK if facts.phase == "Succeeded" else None)
    words = parse_last_words(end.message, expected)
    return _ending(facts, end, words, now), words.reading


def _ending(facts: PodFacts, end: Terminated, words: LastWords, at: datetime) -> Ending:
    printed = "" if words.message is not None or words.refused else end.message
    finished = end.exit_code == ExitCode.OK and words.message is not None and words.message.outcome in FINISHED
    if end.reason == _OUT_OF_MEMORY and end.exit_code != ExitCode.OK:
        text = f"killed for memory ({_OUT_OF_MEMORY}): raise the limit of memory, or use a smaller batchSize"
        return Ending(EndReason.OUT_OF_MEMORY, at, end.exit_code, text, output=last_lines(printed))
    if _gone(facts) and not finished:
        # Whatever it made of SIGTERM: not the trainer's doing.
        return replace(vanished(facts, at), exit_code=end.exit_code)
    if end.reason == _NOBODY_KNOWS:
        text = recordable(f"{end.reason}: {end.message}")
        return Ending(EndReason.INTERRUPTED, at, end.exit_code, text, Interruption.NODE_LOST)
    if end.reason in _NEVER_BEGAN:
        return Ending(EndReason.FAILED, at, end.exit_code, f"{end.reason}: {last_line(end.message)}")
    reason = classify_end(end.exit_code, words.message)
    if reason == EndReason.INTERRUPTED:
        text, interruption = explain_interruption(end.exit_code)
        return Ending(reason, at, end.exit_code, words.said or text, interruption)
    text = explain_end(reason, end.exit_code, words, last_line(printed))
    output = last_lines(printed) if end.exit_code != ExitCode.OK else ""
    return Ending(reason, at, end.exit_code, text, output=output)


def vanished(facts: PodFacts, now: datetime) -> Ending:
    """The end of a pod whose object went away before it was seen to end."""
    kind = facts.interruption or (Interruption.DELETED if facts.deleted else Interruption.VANISHED)
    return Ending(EndReason.INTERRUPTED, now, None, _gone(facts) or "its pod is gone", kind)


def _gone(facts: PodFacts) -> str:
    """Why it had to go; empty where it went by itself."""
    return facts.taken or ("its pod was deleted" if facts.deleted else "")
