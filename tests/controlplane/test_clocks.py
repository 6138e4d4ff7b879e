"""Every clock but the operator's own is two hours off: what takes how long is told by one clock, its own."""

import time
from typing import Any

import pytest

from cluster.clocks import SKEWS
from cluster.simulator.faults import Fault, crash, stall
from cluster.simulator.script import Script
from cluster.trial import Trial, on_trial, sweep_of

VICTIM = "wi0-do1"
STORED = {"storage": {"uri": "s3://bucket"}}


async def attempts(trial: Trial) -> dict[str, list[dict[str, Any]]]:
    """All on record, by episode."""
    items = await trial.items("episodes")
    return {item["metadata"]["labels"]["seedsweep.io/episode"]: item["status"]["attempts"] for item in items}


@pytest.mark.parametrize("skew", SKEWS)
async def test_a_sweep_takes_its_time_and_no_attempt_is_taken_for_stuck(control_plane, namespace: str, skew: str):
    script = Script(seconds=0.2, faults=(Fault(crash(1), VICTIM, attempt=0),))
    began = time.monotonic()
    async with on_trial(control_plane, namespace, script) as trial:
        trial.proxy.rewrite = SKEWS[skew].rewrite
        # Longer than this test waits for the end, and less than clocks are off.
        sweep = sweep_of(progressDeadlineSeconds=300, waitForCapacitySeconds=300, parallelism=4, **STORED)
        await trial.apply(sweep)
        await trial.completed(sweep, script)
        lasted = time.monotonic() - began
        on_record = await attempts(trial)
        assert on_record[VICTIM][0]["reason"] == "Failed"
        assert not [a for many in on_record.values() for a in many if "Stuck" in (a.get("stop"), a["reason"])]
        held = [attempt["gpuSeconds"] for many in on_record.values() for attempt in many]
        assert all(0 <= seconds <= lasted for seconds in held), held
        status = await trial.status()
        assert 0 < status["cost"]["gpuSeconds"] <= 4 * lasted
        assert "observedPlaces" not in status


@pytest.mark.parametrize("skew", ["nodes ahead of the API server", "nodes behind the API server"])
async def test_a_trainer_that_hangs_is_stopped_at_its_deadline_and_goes_on(control_plane, namespace: str, skew: str):
    script = Script(seconds=0.2, faults=(Fault(stall(after=1), VICTIM, attempt=0),))
    async with on_trial(control_plane, namespace, script) as trial:
        trial.proxy.rewrite = SKEWS[skew].rewrite
        await trial.apply(sweep := sweep_of(progressDeadlineSeconds=10))
        await trial.completed(sweep, script)
        first, *_ = (await attempts(trial))[VICTIM]
        assert (first["stop"], first["reason"]) == ("Stuck", "Stuck")
