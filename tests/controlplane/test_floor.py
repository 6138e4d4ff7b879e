"""A floor on a real API server: who falls makes room for the next seeds, whatever befalls the operator meanwhile."""

import asyncio
from typing import Any

from cluster.polling import settled
from cluster.simulator.faults import Fault, preempt
from cluster.simulator.script import Script
from cluster.trial import Trial, on_trial, sweep_of

SCRIPT = Script(seconds=0.3)
"""By their curves three of the first six episodes fall, which leaves the last two of eight without a full run."""
FALLEN = ["wi0-do0", "wi0-do1", "wi1-do0"]


ABOVE = {"wi0-do2", "wi0-do3", "wi1-do1"}
RUNG = {"atPercent": 60, "keep": 2}


def floored() -> dict[str, Any]:
    """Eight seeds for a budget of four full runs, on three GPUs; the floor is at evaluation 3 of 10."""
    floor = {"floor": {"atPercent": 30, "margin": "2.5"}}
    return sweep_of(parallelism=3, budget=4, earlyStopping=floor)


async def assert_reads_well(trial: Trial) -> None:
    """What people see of it: status, columns and records."""
    status = await trial.status()
    assert status["design"] == "floor"
    assert status["summary"]["episodes"] == "3 finished, 3 lost, 2 unused"
    assert "; 3 kept and finished; 3 fell below the floor; 2 unused; " in status["message"]
    cost = status["cost"]
    assert (cost["plannedSteps"], cost["usefulSteps"]) == (400, 3 * 30 + 3 * 100)
    verdicts = {item["metadata"]["name"]: item["status"]["verdict"] for item in await trial.items("episodes")}
    for episode in FALLEN:
        fall = verdicts[f"demo-{episode}"]["fall"]
        assert (fall["baseline"], fall["standardError"], fall["margin"]) == (0.4, 0.1, "2.5")


async def kill_twice(trial: Trial) -> None:
    """Kill the operator, and start it again, when three and when five have begun."""
    for begun in (3, 5):
        await trial.running(begun)
        await trial.operator.kill()
        await asyncio.sleep(1)
        await trial.operator.start()


async def assert_told_who_fell(trial: Trial) -> None:
    """By an Event each, which says why."""

    async def told() -> list[str]:
        said = [event["message"] for event in await trial.items("events") if event["reason"] == "Lost"]
        fallen = [message.partition(" fell below the floor: 0.") for message in said]
        return sorted(episode for episode, fell, _ in fallen if fell)

    assert await settled(told, FALLEN) == FALLEN


async def assert_cut_among_those_above(trial: Trial) -> None:
    """One Cut, which ranks those above the floor alone and names the others with the reason."""
    [cut] = await trial.items("cuts")
    assert cut["metadata"]["name"] == "demo-b0-r1"
    ranked, excluded = cut["data"]["ranked"], cut["data"]["excluded"]
    assert [entry["episode"] for entry in excluded] == FALLEN
    assert all(entry["reason"].startswith("LostByFloor: ") for entry in excluded)
    assert set(ranked) == ABOVE
    status = await trial.status()
    assert status["design"] == "floor+cut"
    assert status["summary"]["episodes"] == "2 finished, 4 lost, 2 unused"
    assert "; 2 kept and finished; 3 fell below the floor; " in status["message"]
    cost = status["cost"]
    assert cost["plannedSteps"] == 400
    assert cost["usefulSteps"] == 3 * 30 + 3 * 60 + 2 * 40


async def test_of_those_above_the_floor_a_rung_keeps_the_best(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        sweep = floored()
        sweep["spec"]["earlyStopping"]["rungs"] = [RUNG]
        await trial.apply(sweep)
        await trial.completed(sweep, SCRIPT)
        await assert_cut_among_those_above(trial)
        await assert_told_who_fell(trial)


async def test_with_a_rung_too_a_killed_operator_and_a_preempted_pod_change_nothing(control_plane, namespace: str):
    script = Script(seconds=0.3, faults=(Fault(preempt(after=4), "wi0-do2", attempt=0),))
    async with on_trial(control_plane, namespace, script) as trial:
        sweep = floored()
        sweep["spec"]["earlyStopping"]["rungs"] = [RUNG]
        await trial.apply(sweep)
        await kill_twice(trial)
        await trial.completed(sweep, script)
        await assert_cut_among_those_above(trial)


async def test_the_next_seeds_start_until_the_budget_is_spent(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.apply(sweep := floored())
        await trial.completed(sweep, SCRIPT)
        await assert_reads_well(trial)
        await assert_told_who_fell(trial)
        began = {attempt.pod.episode.name for attempt in trial.trainers.record.attempts.values()}
        assert len(began) == 6


async def test_an_operator_that_is_killed_in_the_middle_and_a_preempted_pod_change_nothing(
    control_plane, namespace: str
):
    script = Script(seconds=0.3, faults=(Fault(preempt(after=1), "wi0-do2", attempt=0),))
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(sweep := floored())
        await kill_twice(trial)
        await trial.completed(sweep, script)
        await assert_reads_well(trial)
