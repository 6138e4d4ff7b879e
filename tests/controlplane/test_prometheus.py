"""A real Prometheus watches a sweep on the real API server from start to end, as the chart has it configured."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from board_queries import QUERIES
from cluster.controlplane import ControlPlane
from cluster.polling import eventually
from cluster.simulator.script import Script
from cluster.trial import NAME, Trial, on_trial, sweep_of
from cluster.watched import TRAINERS, assert_as_recorded, configuration, discover, scores_told
from host.prometheus import Prometheus, prometheus
from metrics_page import DROPPED, of_a_trainer

pytestmark = pytest.mark.asyncio(loop_scope="module")
SCRIPT = Script(evaluations=10, seconds=2.0, spread=0.2)
NAMESPACE = "watched"


@dataclass(frozen=True, slots=True)
class Watched:
    """A sweep that is complete, and what Prometheus has of it."""

    trial: Trial
    server: Prometheus
    began: float
    ended: float

    @property
    def span(self) -> str:
        """From the beginning to the end, as a range."""
        return f"{int(self.ended - self.began) + 1}s"

    async def ever(self, expr: str) -> list[Any]:
        """All that an expression gave at any second."""
        return await self.server.query_range(expr, self.began, self.ended, 1.0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    folder = tmp_path_factory.mktemp("prometheus")
    control_plane.create_namespace(NAMESPACE)
    async with AsyncExitStack() as stack:
        trial = await stack.enter_async_context(on_trial(control_plane, NAMESPACE, SCRIPT))
        server = await stack.enter_async_context(prometheus(folder, configuration(folder, trial.operator.port)))
        async with asyncio.TaskGroup() as tasks:
            discovery = tasks.create_task(discover([trial], folder))
            began = time.time()
            await trial.apply(sweep_of(parallelism=6))
            await trial.completed(sweep_of(parallelism=6), SCRIPT)
            complete = f'seedsweep_sweep_phase{{phase="Complete", sweep="{NAME}"}}'
            await eventually(lambda: _found(server, complete))
            yield Watched(trial, server, began, time.time())
            discovery.cancel()


async def _found(server: Prometheus, expr: str) -> list[Any] | None:
    return await server.query(expr) or None


async def test_every_query_of_the_dashboards_returns_data(watched: Watched):
    empty = []
    for query in QUERIES:
        expr = query.filled(namespace=NAMESPACE, sweep=NAME, span=watched.span)
        found = await watched.ever(expr) if query.over_time else await watched.server.query(expr, watched.ended)
        if not found and not query.empty_when_all_is_well:
            empty.append((query.title, expr))
    assert empty == []


async def test_the_score_in_prometheus_is_the_one_on_record(watched: Watched):
    curves = {
        item["metadata"]["labels"]["seedsweep.io/episode"]: item["status"]["scores"]
        for item in await watched.trial.items("episodes")
    }
    assert_as_recorded(await scores_told(watched.server, NAME, watched.began, watched.ended), curves)


async def test_the_best_score_and_the_threshold_are_those_of_the_status(watched: Watched):
    status = await watched.trial.status()
    (best,) = await watched.server.query("seedsweep_best_score", watched.ended)
    (threshold,) = await watched.server.query("seedsweep_cut_threshold_score", watched.ended)
    assert float(best["value"][1]) == status["best"]["score"]
    assert float(threshold["value"][1]) == status["cuts"][0]["threshold"]


async def test_no_alert_is_even_near_in_a_sweep_that_goes_as_it_should(watched: Watched):
    assert await watched.ever('ALERTS{alertstate="firing"}') == []
    pending = {series["metric"]["alertname"] for series in await watched.ever("ALERTS")}
    assert pending <= {"SeedSweepOperatorAbsent"}  # before the first scrape


async def test_recording_rules_keep_the_spread_of_the_scores(watched: Watched):
    found = await watched.ever("namespace_sweep:seedsweep_validation_score:quantile")
    by_quantile = {series["metric"]["quantile"]: dict(series["values"]) for series in found}
    assert set(by_quantile) == {"0", "0.25", "0.5", "0.75", "1"}
    assert all(float(by_quantile["0"][at]) <= float(by_quantile["1"][at]) for at in by_quantile["1"])


async def test_a_running_episode_costs_as_many_series_as_the_docs_say_and_none_after_its_end(watched: Watched):
    kept = await watched.ever("max(scrape_samples_post_metric_relabeling) by (job)")
    most = {series["metric"]["job"]: max(float(value) for _, value in series["values"]) for series in kept}
    published = sum(len(family.samples) for family in of_a_trainer() if family.name not in DROPPED)
    assert most[TRAINERS] <= published

    async def none() -> bool | None:
        return not await watched.server.query(f'{{job="{TRAINERS}"}}') or None

    assert await eventually(none)


async def test_metrics_of_a_sweep_end_with_it(watched: Watched):
    assert f'sweep="{NAME}"' in await watched.trial.operator.metrics()
    await watched.trial.delete("seedsweeps", NAME)

    async def gone() -> bool | None:
        return f'sweep="{NAME}"' not in await watched.trial.operator.metrics() or None

    assert await eventually(gone)
