"""An operator that may not reach trainers reads their metrics from a real Prometheus: the same cut, the same winner."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cluster.controlplane import ControlPlane
from cluster.polling import eventually
from cluster.simulator.script import Script
from cluster.trial import Trial, on_trial, sweep_of
from cluster.watched import KEEPS_CURVES, configuration, discover
from host.ports import free_port
from host.prometheus import prometheus

SCRIPT = Script(evaluations=10, seconds=1.0, spread=0.2)


@asynccontextmanager
async def through_prometheus(
    control_plane: ControlPlane, namespace: str, folder: Path, *, keeps_curves: bool = True
) -> AsyncIterator[Trial]:
    """An operator that asks a Prometheus; nobody scrapes that operator."""
    config = configuration(folder, free_port(), KEEPS_CURVES if keeps_curves else None)
    async with prometheus(folder, config) as server:
        options = ("--prometheus", server.url)
        async with on_trial(control_plane, namespace, SCRIPT, options=options) as trial:
            trial.trainers.let_in = "Prometheus/"
            discovery = asyncio.create_task(discover([trial], folder))
            yield trial
            discovery.cancel()
            await asyncio.gather(discovery, return_exceptions=True)


async def test_a_sweep_ends_as_one_whose_pods_are_read_themselves(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    async with through_prometheus(control_plane, namespace, tmp_path) as trial:
        await trial.apply(sweep := sweep_of())
        await trial.completed(sweep, SCRIPT)
        assert 'seedsweep_operator_scrapes_total{outcome="read"}' in await trial.operator.metrics()


async def test_a_prometheus_that_drops_the_scores_is_told_with_the_remedy(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    async with through_prometheus(control_plane, namespace, tmp_path, keeps_curves=False) as trial:
        await trial.apply(sweep_of())

        async def told() -> bool | None:
            conditions = (await trial.status()).get("conditions", ())
            return any("metrics.podMonitors.evaluations" in c.get("message", "") for c in conditions) or None

        await eventually(told)
