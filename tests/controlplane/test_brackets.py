"""Brackets, two rungs and an audit on a real API server: the end is the one that the curves alone give."""

from typing import Any

import pytest

from cluster.simulator.script import Script
from cluster.trial import on_trial, sweep_of

SCRIPT = Script(seconds=0.3)
RUNG = {"atPercent": 30, "keep": 3}
BRACKETS = [{"episodes": 3, "rungs": []}, {"episodes": 5, "rungs": [{"atPercent": 50, "keep": 2}]}]


@pytest.mark.parametrize(
    ("stopping", "cuts"),
    [
        ({"rungs": [RUNG], "audit": {"percent": 50}}, {"demo-b0-r0"}),
        ({"brackets": BRACKETS}, {"demo-b1-r0"}),
        ({"rungs": [RUNG, {"atPercent": 60, "keep": 2}]}, {"demo-b0-r0", "demo-b0-r1"}),
    ],
)
async def test_every_design_comes_to_its_end(
    control_plane, namespace: str, stopping: dict[str, Any], cuts: set[str] | None
):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        sweep = sweep_of(earlyStopping=stopping)
        await trial.apply(sweep)
        await trial.completed(sweep, SCRIPT)
        assert {item["metadata"]["name"] for item in await trial.items("cuts")} == cuts
        status = await trial.status()
        assert (status["design"] == "cut+audit") == ("audit" in stopping)
        assert (status["cost"].get("auditSteps", 0) > 0) == ("audit" in stopping)
