"""What failed scrapes of a trainer mean: what people are told, and from when on they are final. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.foreign import recordable
from seedsweep.contract.scrape import NeverUsableError
from seedsweep.engine.observation import TroubleKind

UNREACHED_TIMES = 5
UNREACHED_AFTER = timedelta(minutes=1)
"""Scrapes in a row without an answer, and time in its place, before people are told: a trainer that starts does not
listen."""
UNUSABLE_TIMES = 2
"""Answers in a row that cannot be used, before people are told: one may have been read while it was written. Where all
of them say the same that no later one can mend, it is final."""


class InternalError(ScrapeError):
    """Our own fault, which is logged."""

    kind = "failed"

    def __init__(self) -> None:
        super().__init__("SeedSweep failed to read them, and its log says why")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last scrapes of a trainer gave nothing."""

    times: int
    """In a row, of this kind."""
    error: str
    """Of the last."""
    kind: TroubleKind = "MetricsUnreachable"
    """Of the last."""
    final_times: int = 0
    """How many of the last said the same, and that it can never be used."""

    @classmethod
    def after(cls, before: "Trouble | None", error: ScrapeError) -> "Trouble":
        """The trouble after one more failed scrape; None: the one before was read."""
        text = recordable(str(error))
        kind: TroubleKind = "MetricsUnusable" if error.answered else "MetricsUnreachable"
        again = before.final_times if before is not None and before.error == text else 0
        return cls(
            times=1 + (before.times if before is not None and before.kind == kind else 0),
            error=text,
            kind=kind,
            final_times=again + 1 if isinstance(error, NeverUsableError) else 0,
        )

    @property
    def text(self) -> str:
        """For people."""
        return f"its metrics cannot be {'used' if self.kind == 'MetricsUnusable' else 'reached'}: {self.error}"

    def at_end(self, *, heard: bool) -> str:
        """For people, of a trainer that has ended; empty where its end alone explains it.

        `heard`: it has been read before, so that its server may have closed before the last scrape.
        """
        return "" if heard and self.kind == "MetricsUnreachable" and self.times == 1 else self.text

    @property
    def unusable(self) -> str:
        """Why what it publishes can never count; empty where it may."""
        return self.error if self.final_times >= UNUSABLE_TIMES else ""

    @property
    def is_news(self) -> bool:
        """Whether the last scrape made it worth telling, or final."""
        told = self.kind == "MetricsUnusable" and self.times == UNUSABLE_TIMES
        return told or self.final_times == UNUSABLE_TIMES

    def lasts(self, placed: timedelta) -> bool:
        """Whether it is worth telling, of a trainer that has had its place for so long."""
        if self.kind == "MetricsUnusable":
            return self.times >= UNUSABLE_TIMES
        return self.times >= UNREACHED_TIMES and placed >= UNREACHED_AFTER
