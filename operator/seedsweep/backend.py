"""The world as the loop sees it: a machine with processes, or a cluster with pods."""

from collections.abc import Sequence
from typing import Protocol

from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import Decision, Event, Record
from seedsweep.engine.observation import Observation


class Backend(Protocol):
    """Carries out what the engine decides. Every method may be repeated after a crash."""

    async def observe(self) -> Observation:
        """What is on record and what lives now."""
        ...

    async def record(self, records: Sequence[Record]) -> frozenset[str]:
        """Make the records durable, in order.

        Returns the names of episodes whose durable record could not be written: what rests on one of
        them must not be done. Until it was written, each is among `Observation.unrecorded`. The name "*" is
        returned beside them where others rest on it, too: on a final score, a verdict or a cut. A cut that
        exists already is not overwritten, and makes every decision wait for the next observation, likewise.
        """
        ...

    async def execute(self, decisions: Sequence[Decision]) -> None:
        """Carry out decisions concurrently, bounded; an error is a fact for the next observation."""
        ...

    async def publish(self, status: SweepStatus, events: Sequence[Event]) -> None:
        """Write the status if it changed, then tell people."""
        ...
