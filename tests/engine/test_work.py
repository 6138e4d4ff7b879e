"""What a plan costs: no more than in proportion to the episodes, however many of them the world is refused."""

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from engine.situations import entry, episode, look, on_record, running, stopped_at_rung, study
from engine.trainees import moment
from seedsweep.api.episode import EndReason, StopReason
from seedsweep.api.recorded import timestamp
from seedsweep.api.status import SweepStatus
from seedsweep.engine.observation import Refusal

FEW, MANY = 100, 1200


def calls_of(work: Callable[[], object]) -> int:
    """Calls of functions, of the interpreter's own as well: the same each time, unlike seconds."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def refusals(t):
    return {episode(i): Refusal("Forbidden", "no", moment(200)) for i in range(t)}


def at_the_rung(t):
    return {i: stopped_at_rung(i, 0.1, 0.2, 0.3 + i / 1e5) for i in range(t // 2)}


def past_the_rung(t):
    return {i: on_record(0.1, 0.2, 0.3 + i / 1e5, rungs=(3,), attempts=[entry(f"uid-{i}")]) for i in range(t)}


def paused_often(t):
    attempts = [entry(f"a{i}", EndReason.STOPPED, stop=StopReason.SUSPENDED) for i in range(20)]
    return {i: on_record(0.1, attempts=attempts) for i in range(t)}


def live(t, **fields):
    return [running(i, 0.1, 0.2, 0.3, 0.4, **fields) for i in range(t)]


def few_places(t):
    return SweepStatus(start_time=timestamp(moment(0)), evaluations=10, steps=100, observed_places=t // 3)


SITUATIONS = {
    "none has begun": lambda t: {},
    "no start is granted": lambda t: {"refused": refusals(t), "records": at_the_rung(t)},
    "no record is written": lambda t: {"unrecorded": refusals(t), "records": at_the_rung(t)},
    "no record of the living is written": lambda t: {
        "attempts": live(t),
        "unrecorded": refusals(t),
        "records": past_the_rung(t),
    },
    "half wait for the cut": lambda t: {"records": at_the_rung(t)},
    "all are past the rung": lambda t: {"attempts": live(t), "records": past_the_rung(t), "status": few_places(t)},
    "none tells the truth": lambda t: {"attempts": live(t, evaluations_planned=12)},
    "leaders train on before the cut": lambda t: {
        "records": {i: stopped_at_rung(i, 0.1, 0.2, 0.3 + i / 1e5) for i in range(t - 1)},
        "parallelism": t // 3 + 1,
    },
    "all were paused often": lambda t: {"records": paused_often(t)},
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_plan_takes_no_more_than_in_proportion_to_the_episodes(monkeypatch, situation):
    monkeypatch.setattr("seedsweep.engine.draft.MAX_WRITES", 10**6)
    took = {}
    for t in (FEW, MANY):
        layout = study(t, (3, t // 2), parallelism=t // 2 + 1, waitForCapacitySeconds=60)
        fields = SITUATIONS[situation](t)
        attempts = fields.pop("attempts", [])
        took[t] = calls_of(lambda: look(layout, *attempts, **fields))  # noqa: B023 - called at once
    assert took[MANY] < 1.25 * MANY / FEW * took[FEW]
