"""The one loop: what is done and told in a turn in which something could not be recorded."""

from collections.abc import Sequence

import pytest

from engine.situations import cut_of, ended, entry, episode, finished, on_record, running, stopped_at_rung, study
from engine.trainees import moment
from seedsweep.api.episode import EndReason, EpisodeId, StopReason, Verdict
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import (
    Conclude,
    Decision,
    Event,
    Plan,
    Prune,
    Record,
    StartEpisode,
    StopAttempt,
    WarmUp,
)
from seedsweep.engine.observation import Observation
from seedsweep.reconcile import EVERYTHING, reconcile, safe_decisions

LAYOUT = study(4, (3, 2), parallelism=2, ours=False)
A, B = episode(0), episode(1)
EVERY_KIND: list[Decision] = [
    StartEpisode(A, 0, None, ()),
    StartEpisode(B, 0, None, ()),
    StopAttempt(A, "uid-0", StopReason.PAUSED, save=True),
    StopAttempt(B, "uid-1", StopReason.PAUSED, save=True),
    Prune(A, keep_best=False),
    Prune(B, keep_best=True),
    Conclude(B, 3, 10),
    WarmUp(),
]


class World:
    """Shows one observation, and refuses the records of some."""

    def __init__(self, seen: Observation, unwritten: Sequence[str] = ()) -> None:
        self.seen = seen
        self.unwritten = frozenset(unwritten)
        self.done: list[Decision] = []
        self.told: list[Event] = []

    async def observe(self) -> Observation:
        return self.seen

    async def record(self, records: Sequence[Record]) -> frozenset[str]:
        return self.unwritten

    async def execute(self, decisions: Sequence[Decision]) -> None:
        self.done = list(decisions)

    async def publish(self, status: SweepStatus, events: Sequence[Event]) -> None:
        self.told = list(events)


async def turn(world: World) -> Plan:
    return await reconcile(LAYOUT, world, lambda: moment(100))


def test_what_rests_on_records_that_were_all_written_is_done():
    assert safe_decisions(EVERY_KIND, frozenset()) == EVERY_KIND


def test_nothing_is_done_where_others_rest_on_what_was_not_written():
    assert safe_decisions(EVERY_KIND, {EVERYTHING, A.name}) == []


def test_an_episode_that_could_not_be_recorded_is_left_alone_and_what_rests_on_all_of_them_waits():
    assert safe_decisions(EVERY_KIND, {A.name}) == [EVERY_KIND[1], EVERY_KIND[3], WarmUp()]


def observation() -> Observation:
    """Of two that ended: one failed, one stopped at its rung."""
    over = ended(running(0, 0.1), EndReason.FAILED), ended(running(1, 0.1, stop_after=3), EndReason.INTERRUPTED)
    records: dict[EpisodeId, object] = {e: on_record(attempts=[entry(f"uid-{i}")]) for i, e in enumerate((A, B))}
    return Observation(SweepStatus(evaluations=10, steps=100), records, attempts=over, parallelism=2)  # type: ignore[arg-type]


@pytest.mark.parametrize("unwritten", [(), (A.name,)])
async def test_the_event_of_a_record_that_was_not_written_is_told_with_the_record(unwritten: tuple[str, ...]):
    world = World(observation(), unwritten)
    await turn(world)
    told = {event.episode for event in world.told if event.reason in ("AttemptFailed", "Interrupted")}
    assert told == {A, B} - {episode(0) for _ in unwritten}


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
    assert not (await turn(World(seen, [B.name, EVERYTHING]))).finished
