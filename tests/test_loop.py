"""The one loop: what is done and told in a turn in which something could not be recorded."""

import asyncio
import gc
from collections.abc import Sequence
from datetime import datetime
from threading import Event as Signal

import pytest

from engine.situations import cut_of, ended, entry, episode, finished, on_record, running, stopped_at_rung, study
from engine.trainees import moment
from seedsweep.api.episode import EndReason, EpisodeId, Verdict
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import Decision, Event, Plan, Record, StartEpisode
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation
from seedsweep.engine.plan import plan
from seedsweep.loop import reconcile

LAYOUT = study(4, (3, 2), parallelism=2, ours=False)
A, B = episode(0), episode(1)


class World:
    """Shows one observation, and refuses the records of some."""

    def __init__(self, seen: Observation, left: frozenset[str] | None = None) -> None:
        self.seen = seen
        self.left = left
        self.done: list[Decision] = []
        self.told: list[Event] = []

    async def observe(self) -> Observation:
        return self.seen

    async def record(self, records: Sequence[Record]) -> frozenset[str] | None:
        return self.left

    async def execute(self, decisions: Sequence[Decision]) -> None:
        self.done = list(decisions)

    async def publish(self, status: SweepStatus, events: Sequence[Event]) -> None:
        self.told = list(events)


async def turn(world: World) -> Plan:
    return await reconcile(LAYOUT, world, lambda: moment(100))


def observation() -> Observation:
    """Of two that ended: one failed, one stopped at its rung."""
    over = ended(running(0, 0.1), EndReason.FAILED), ended(running(1, 0.1, stop_after=3), EndReason.INTERRUPTED)
    records: dict[EpisodeId, object] = {e: on_record(attempts=[entry(f"uid-{i}")]) for i, e in enumerate((A, B))}
    return Observation(SweepStatus(evaluations=10, steps=100), records, attempts=over, parallelism=2)  # type: ignore[arg-type]


async def test_once_all_is_on_record_what_was_decided_is_done():
    world = World(observation())
    await turn(world)
    assert any(isinstance(decision, StartEpisode) for decision in world.done)


@pytest.mark.parametrize("left", [frozenset({A.name}), frozenset()], ids=["a record", "a cut"])
async def test_nothing_is_done_while_something_is_not_on_record(left: frozenset[str]):
    world = World(observation(), left)
    await turn(world)
    assert world.done == []


@pytest.mark.parametrize("left", [None, frozenset(), frozenset({A.name})], ids=["all written", "a cut", "a record"])
async def test_the_event_of_a_record_that_was_not_written_is_told_with_the_record(left: frozenset[str] | None):
    world = World(observation(), left)
    await turn(world)
    told = {event.episode for event in world.told if event.reason in ("AttemptFailed", "Interrupted")}
    assert told == ({B} if left else {A, B})


async def test_a_sweep_is_not_over_while_its_last_record_is_not_written():
    records = {episode(i): finished(i, *(10 * [0.5])) for i in range(3)}
    lost = Verdict(outcome="LostByCut", rung=0, cut="study-b0-r0")
    records[episode(3)] = stopped_at_rung(3, 0.1, 0.2, 0.3).evolve(verdict=lost)
    seen = Observation(
        SweepStatus(evaluations=10, steps=100),
        {**records, B: records[B].evolve(verdict=None)},
        {(0, 0): cut_of(LAYOUT, [0, 1, 2], [3])},
        parallelism=2,
    )
    assert (await turn(World(seen))).finished
    assert not (await turn(World(seen, frozenset({B.name})))).finished


async def test_while_a_large_sweep_is_planned_others_get_their_turn(monkeypatch: pytest.MonkeyPatch):
    turned = Signal()

    def slow_plan(layout: Layout, seen: Observation, now: datetime) -> Plan:
        assert turned.wait(120), "nothing else happened while it was planned"
        return plan(layout, seen, now)

    monkeypatch.setattr("seedsweep.loop.plan", slow_plan)
    monkeypatch.setattr("seedsweep.loop.ASIDE_FROM", len(LAYOUT.episodes))
    planned = asyncio.ensure_future(turn(World(observation())))
    await asyncio.sleep(0)
    turned.set()
    assert (await planned).decisions


@pytest.mark.parametrize("collects", [True, False])
async def test_while_a_large_sweep_is_planned_no_garbage_is_collected(collects: bool, monkeypatch: pytest.MonkeyPatch):
    meanwhile = []

    def fails(layout: Layout, seen: Observation, now: datetime) -> Plan:
        meanwhile.append(gc.isenabled())
        raise LookupError

    monkeypatch.setattr("seedsweep.loop.plan", fails)
    monkeypatch.setattr("seedsweep.loop.ASIDE_FROM", len(LAYOUT.episodes))
    if not collects:
        gc.disable()
    try:
        with pytest.raises(LookupError):
            await turn(World(observation()))
        assert (meanwhile, gc.isenabled()) == ([False], collects)
    finally:
        gc.enable()
