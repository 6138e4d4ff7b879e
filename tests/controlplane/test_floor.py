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


async def assert_told_who_fell(trial: Trial) -> None:
    """By an Event each, which says why."""

    async def told() -> list[str]:
        said = [event["message"] for event in await trial.items("events") if event["reason"] == "Lost"]
        return sorted(message.split(" fell below the floor: 0.")[0] for message in said)

    assert await settled(told, FALLEN) == FALLEN


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
        for begun in (3, 5):
            await trial.running(begun)
            await trial.operator.kill()
            await asyncio.sleep(1)
            await trial.operator.start()
        await trial.completed(sweep, script)
        await assert_reads_well(trial)
