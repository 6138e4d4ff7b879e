"""The one loop of both worlds: observe, plan, record, execute, publish."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from seedsweep.backend import Backend
from seedsweep.engine.decisions import Conclude, Decision, Plan, Prune, WarmUp
from seedsweep.engine.layout import Layout
from seedsweep.engine.plan import plan

EVERYTHING = "*"


async def reconcile(layout: Layout, backend: Backend, clock: Callable[[], datetime]) -> Plan:
    """One turn. Starts need no record; a stop or a prune waits until what it rests on is durable."""
    todo = plan(layout, await backend.observe(), clock())
    unwritten = await backend.record(todo.records)
    await backend.execute(safe_decisions(todo.decisions, unwritten))
    # What was not recorded is planned again, and its event with it.
    told = [e for e in todo.events if e.episode is None or e.episode.name not in unwritten]
    await backend.publish(todo.status, told)
    return replace(todo, finished=todo.finished and not unwritten)


def safe_decisions(decisions: Sequence[Decision], unwritten: AbstractSet[str]) -> list[Decision]:
    """Those that rest on nothing that could not be recorded, as Backend.record returns it."""
    if EVERYTHING in unwritten:
        return []
    return [decision for decision in decisions if not unwritten or _rests_on_none_of(decision, unwritten)]


def _rests_on_none_of(decision: Decision, unwritten: AbstractSet[str]) -> bool:
    match decision:
        case WarmUp():
            return True
        case Prune() | Conclude():
            # Who is best, and so whose weights stay, is a matter of all records.
            return False
        case _:
            return decision.episode.name not in unwritten
