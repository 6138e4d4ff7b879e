"""How a sweep ran: on what, with which versions, how fast, and what became of the time that was held."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from seedsweep.api.episode import Attempt, EndReason, Episode
from seedsweep.report.beside import Beside
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import analyses
from seedsweep.report.training import Training, training_of
from seedsweep.report.words import one_line
from seedsweep.science.bimodality import TwoGroups, find_two_groups
from seedsweep.science.summary import Summary, summarize

_ENDS = {
    EndReason.DONE: "trained to the end",
    EndReason.STOPPED_AT_RUNG: "ended at a rung",
    EndReason.DIVERGED: "diverged",
    EndReason.BAD_CONFIGURATION: "failed: bad configuration",
    EndReason.OUT_OF_MEMORY: "failed: out of memory",
    EndReason.FAILED: "failed",
    EndReason.STUCK: "failed: stuck",
    EndReason.METRICS_UNAVAILABLE: "failed: metrics unavailable",
    EndReason.INTERRUPTED: "interrupted",
    EndReason.STOPPED: "stopped",
}


@dataclass(frozen=True, slots=True)
class Held:
    """Attempts that ended alike."""

    end: str
    attempts: int
    steps: int
    """Optimizer steps that they trained."""
    seconds: float
    """That they held a GPU (a place where there is none)."""


@dataclass(frozen=True, slots=True)
class How:
    """Empty, or None, where nothing is on record."""

    held: tuple[Held, ...]
    """The most time first."""
    seconds_a_step: Summary | None
    """Over attempts: with starting, evaluating and saving."""
    devices: tuple[tuple[str, int], ...]
    """With how many attempts ran on each."""
    conditions: tuple[tuple[str, int], ...]
    """Hardware and versions, with how many attempts told them."""
    training: Training | None
    two_groups: TwoGroups | None
    """Of the scores that the statistics begin with."""
    scores: int
    """How many these are."""


def how_of(record: Record, beside: Beside) -> How:
    """Look at all attempts on record."""
    attempts = [attempt for episode in record.episodes for attempt in episode.status.attempts]
    rates = [a.gpu_seconds / (a.steps - a.steps_at_start) for a in attempts if a.gpu_seconds and _trained(a)]
    found = analyses(record)
    scores = found[0].scores if found else ()
    return How(
        _held(record.episodes),
        summarize(rates) if rates else None,
        tuple(Counter(one_line(a.device) for a in attempts if a.device).most_common()),
        tuple(Counter(beside.conditions).most_common()),
        training_of(record, beside),
        find_two_groups(scores),
        len(scores),
    )


def _held(episodes: Iterable[Episode]) -> tuple[Held, ...]:
    groups: dict[str, list[Attempt]] = {}
    for episode in episodes:
        for attempt in episode.status.attempts:
            groups.setdefault(_end(attempt, audited=episode.status.state == "Audited"), []).append(attempt)
    found = [
        Held(end, len(group), sum(map(_trained, group)), sum(attempt.gpu_seconds for attempt in group))
        for end, group in groups.items()
    ]
    return tuple(sorted(found, key=lambda held: (-held.seconds, held.end)))


def _trained(attempt: Attempt) -> int:
    return max(0, attempt.steps - attempt.steps_at_start)


def _end(attempt: Attempt, *, audited: bool) -> str:
    if attempt.reason is None:
        return "still running"
    if attempt.interruption is not None:
        return f"interrupted: {_apart(attempt.interruption)}"
    if attempt.reason is EndReason.STOPPED and attempt.stop is not None:
        return f"stopped: {_apart(attempt.stop)}"
    if attempt.reason is EndReason.DONE and audited:
        return "trained to the end for the audit"
    return _ENDS[attempt.reason]


def _apart(word: str) -> str:
    """PreemptedByQueue as people write it."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in word).strip()
