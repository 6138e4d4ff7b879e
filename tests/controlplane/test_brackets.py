"""Brackets, two rungs and an audit on a real API server: the end is the one that the curves alone give."""

from typing import Any

import pytest

from cluster.simulator.script import Script
from cluster.trial import on_trial, sweep_of

SCRIPT = Script(seconds=0.3)
RUNG = {"atPercent": 30, "keep": 3}
BRACKETS = [{"episodes": 3, "rungs": []}, {"episodes": 5, "rungs": [{"atPercent": 50, "keep": 2}]}]
SIXTEEN = {"grid": {"weightInits": {"count": 4}, "dataOrders": {"count": 4}}}


@pytest.mark.parametrize(
    ("spec", "cuts"),
    [
        ({"earlyStopping": {"rungs": [RUNG], "audit": {"percent": 50}}}, {"b0-r0"}),
        ({"earlyStopping": {"brackets": BRACKETS}}, {"b1-r0"}),
        ({"earlyStopping": {"rungs": [RUNG, {"atPercent": 60, "keep": 2}]}}, {"b0-r0", "b0-r1"}),
        (
            {"earlyStopping": {"hyperband": {"eta": 2, "resource": 8}}, "seeds": SIXTEEN, "parallelism": 16},
            {"b0-r0", "b0-r1", "b1-r0", "b1-r1", "b2-r0"},
        ),
    ],
)
async def test_every_design_comes_to_its_end(control_plane, namespace: str, spec: dict[str, Any], cuts: set[str]):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        sweep = sweep_of(**spec)
        await trial.apply(sweep)
        await trial.completed(sweep, SCRIPT)
        assert {item["metadata"]["name"].removeprefix("demo-") for item in await trial.items("cuts")} == cuts
        status = await trial.status()
        audited = "audit" in spec["earlyStopping"]
        assert (status["design"] == "cut+audit") == audited
        assert (status["cost"].get("auditSteps", 0) > 0) == audited


async def test_hyperband_that_does_not_fit_the_evaluations_is_rejected_with_values_that_do(
    control_plane, namespace: str
):
    sweep = sweep_of(earlyStopping={"hyperband": {}})
    sweep["spec"]["trainer"]["evaluations"] = 10
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.apply(sweep)
        rejected = await trial.condition("Failed")
        assert rejected["reason"] == "Invalid"
        assert "earlyStopping.hyperband.resource: " in rejected["message"]
        assert "use 9, or evaluate at least 25 times" in rejected["message"]
