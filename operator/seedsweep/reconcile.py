"""The one loop of both worlds: observe, plan, record, execute, publish."""

from collections.abc import Callable
from datetime import datetime

from seedsweep.backend import Backend
from seedsweep.engine.decisions import Plan, WarmUp
from seedsweep.engine.layout import Layout
from seedsweep.engine.plan import plan

EVERYTHING = "*"


async def reconcile(layout: Layout, backend: Backend, clock: Callable[[], datetime]) -> Plan:
    """One turn. Starts need no record; a stop or a prune waits until what it rests on is durable."""
    todo = plan(layout, await backend.observe(), clock())
    unwritten = await backend.record(todo.records)
    safe = [
        decision
        for decision in todo.decisions
        if EVERYTHING not in unwritten and (isinstance(decision, WarmUp) or decision.episode.name not in unwritten)
    ]
    await backend.execute(safe)
    await backend.publish(todo.status, todo.events)
    return todo
