"""The one loop of both worlds: observe, plan, record, execute, publish; and what it asks of a world."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import Decision, Event, Plan, Record
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation
from seedsweep.engine.plan import plan

ASIDE_FROM = 1_000
"""Episodes from which a sweep is planned on a thread of its own: that takes longer than the news of others can wait."""


class Backend(Protocol):
    """A machine with processes, or a cluster with pods. Every method may be repeated after a crash."""

    async def observe(self) -> Observation:
        """What is on record and what lives now; it stays as it is, whatever happens while it is planned from."""
        ...

    async def record(self, records: Sequence[Record]) -> frozenset[str] | None:
        """Make the records durable, in order; None once decisions may rest on all of them.

        Else every decision waits for the next observation: something could not be written, or a cut exists already
        and is obeyed as it stands. Returns the names of the episodes whose record was left out, perhaps of none: they
        are planned again. One that cannot be written for now is among `Observation.unrecorded` by then.
        """
        ...

    async def execute(self, decisions: Sequence[Decision]) -> None:
        """Carry out decisions concurrently, bounded; an error is a fact for the next observation."""
        ...

    async def publish(self, status: SweepStatus, events: Sequence[Event]) -> None:
        """Write the status if it changed, then tell people."""
        ...


async def reconcile(layout: Layout, backend: Backend, clock: Callable[[], datetime]) -> Plan:
    """One turn. Nothing is done before all that it may rest on is durable."""
    todo = await _plan(layout, await backend.observe(), clock())
    left = await backend.record(todo.records)
    await backend.execute(todo.decisions if left is None else ())
    # What was not recorded is planned again, and its event with it.
    told = [event for event in todo.events if not left or event.episode is None or event.episode.name not in left]
    await backend.publish(todo.status, told)
    return replace(todo, finished=todo.finished and left is None)


async def _plan(layout: Layout, seen: Observation, now: datetime) -> Plan:
    if len(layout.episodes) < ASIDE_FROM:
        return plan(layout, seen, now)
    return await asyncio.to_thread(_plan_undisturbed, layout, seen, now)


def _plan_undisturbed(layout: Layout, seen: Observation, now: datetime) -> Plan:
    """Without collections of garbage, which hold all threads: of all that a plan is made from none would be found."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return plan(layout, seen, now)
    finally:
        if collects:
            gc.enable()
