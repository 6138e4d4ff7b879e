"""Comparisons of a sweep's cuts by its housekeeping pods: what they found so far, and how often they failed.

The losers of a large cut are compared by several pods, one after the other. Each is told what those before it found, so
that the next operator goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from seedsweep.api.comparison import Compared, Comparison
from seedsweep.api.cut import CutData, CutEvidence
from seedsweep.api.housekeeping import HousekeepingAnswer
from seedsweep.engine.backoff import backoff
from seedsweep.engine.observation import Evidence
from seedsweep.kube.process.log import Logger

MAX_FAILURES = 3
"""In a row, before a cut stays without evidence."""
_BACK_OFF = timedelta(seconds=5)
_MAX_BACK_OFF = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Failure:
    times: int
    until: datetime
    final: bool
    error: str

    @property
    def exhausted(self) -> bool:
        """It was tried often enough."""
        return self.final or self.times >= MAX_FAILURES


class Comparisons:
    """Those of one sweep, by name of the cut."""

    def __init__(self, clock: Callable[[], datetime], log: Logger) -> None:
        """`log`: where it is told that a cut stays without evidence."""
        self._clock = clock
        self._log = log
        self._found: dict[str, Compared] = {}
        self._failures: dict[str, _Failure] = {}

    def note(self, asked: Comparison, times: int, answer: HousekeepingAnswer, *, final: bool = False) -> None:
        """Take in how a pod, or a try to have one, has ended; `times`: in a row, if it failed."""
        found = answer.compared
        if answer.error or found is None or len(found.letters) != len(asked.losers):
            self._failed(asked.cut, times, answer.error, final=final)
            return
        self._failures.pop(asked.cut, None)
        self._found[asked.cut] = found.after(asked.found)

    def _failed(self, cut: str, times: int, error: str, *, final: bool) -> None:
        until = self._clock() + backoff(times, _BACK_OFF, _MAX_BACK_OFF)
        # One that says nothing of it, and no error, is of another release.
        failure = _Failure(times, until, final or not error, error or "the trainer's image makes no comparisons")
        self._failures[cut] = failure
        if failure.exhausted:
            self._log.warning("%s stays without evidence: %s", cut, failure.error)

    @property
    def trouble(self) -> str:
        """Why one is not done yet; empty where nothing is in its way."""
        left = [(cut, failure) for cut, failure in self._failures.items() if not failure.exhausted]
        return f"comparing the losers of {left[0][0]} failed: {left[0][1].error}" if left else ""

    def found(self, cut: str) -> Compared | None:
        """What is known of its first losers; None before the first pod has told."""
        return self._found.get(cut)

    def attempts(self, cut: str) -> int:
        """How often in a row it failed."""
        return self._failures[cut].times if cut in self._failures else 0

    def waits(self, cut: str) -> bool:
        """It failed, and is not to be tried again yet."""
        return cut in self._failures and self._clock() < self._failures[cut].until

    def again_at(self) -> list[datetime]:
        """When those are tried again that have failed."""
        return [failure.until for failure in self._failures.values() if not failure.exhausted]

    def evidence(self, cut: CutData, at_work_on: str | None = None) -> Evidence:
        """See Observation; `at_work_on`: the cut that a pod compares now."""
        failure, found = self._failures.get(cut.name), self._found.get(cut.name)
        if failure is not None and failure.exhausted:
            return Evidence(settled=True)
        if found is not None and is_all(cut, found):
            return Evidence(found=CutEvidence.of(cut, found))
        return Evidence(under_way=cut.name == at_work_on)


def is_all(cut: CutData, found: Compared) -> bool:
    """Whether nothing more can be found: all were compared, or there is nothing to compare them with."""
    return not found.examples or len(found.letters) >= len(cut.losers)
