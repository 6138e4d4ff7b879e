"""What is exported: named as Prometheus asks, described on a page, and bounded."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from host import prometheus
from inputs import records
from metrics_page import (
    DROPPED,
    OF_A_TARGET,
    of_a_trainer,
    of_sweeps,
    of_the_operator,
    page,
    series_of_a_sweep,
    unit_of,
)
from seedsweep.api.status import SweepStatus
from seedsweep.kube.process.loop_lag import PERIOD_SECONDS, measure_loop_lag

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
PER_EPISODE = 15
"""Series of a running episode, with those that Prometheus makes of a target itself."""


class Exported(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def exposition(families: list[Metric]) -> bytes:
    registry = CollectorRegistry()
    registry.register(Exported(families))
    return generate_latest(registry)


def series(families: list[Metric]) -> int:
    return sum(len(family.samples) for family in families)


def full_status() -> SweepStatus:
    return records.finished().status


def test_the_published_page_is_the_one_that_the_code_gives():
    assert PAGE.read_text() == page(), "run: make monitoring"


@pytest.mark.parametrize("families", [of_sweeps(full_status()), of_the_operator(), of_a_trainer()])
def test_promlint_finds_nothing(families: list[Metric]):
    told = subprocess.run(
        [prometheus.find("promtool"), "check", "metrics"],
        input=exposition(families),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (told.returncode, told.stdout.decode(), told.stderr.decode()) == (0, "", "")


def test_every_time_is_in_seconds():
    for family in [*of_sweeps(full_status()), *of_the_operator()]:
        if re.search("second|time", family.name):
            assert family.name.endswith("_seconds")
            assert "econds" in unit_of(family)


def test_series_of_a_sweep_do_not_grow_with_its_episodes():
    small, large = full_status(), full_status()
    large = large.model_copy(update={"counts": large.counts.model_copy(update={"lost": 2000})})
    assert series(of_sweeps(small)) == series(of_sweeps(large))


def test_a_sweep_has_as_many_series_as_the_page_says():
    status = full_status()
    said = series_of_a_sweep() + 4 * len(status.cuts) + len(status.conditions) + len(status.interruptions)
    assert said - 2 <= series(of_sweeps(status)) <= said
    assert f"| {series_of_a_sweep()}; 4 more for each cut" in page()


def test_a_running_episode_has_few_series():
    kept = [family for family in of_a_trainer() if family.name not in DROPPED]
    assert series(kept) + OF_A_TARGET <= PER_EPISODE


def test_the_pod_monitor_drops_what_the_page_says_and_nothing_else():
    monitor = (ROOT / "charts" / "seedsweep" / "templates" / "podmonitors.yaml").read_text()
    (dropped,) = re.findall("regex: (.*)", monitor)
    assert {family.name for family in of_a_trainer() if re.fullmatch(dropped, family.name)} == set(DROPPED)


def test_the_kinds_of_steps_can_be_added_up():
    status = full_status()
    (steps,) = [family for family in of_sweeps(status) if family.name == "seedsweep_steps"]
    cost = status.cost
    trained = cost.useful_steps + cost.overshoot_steps + cost.wasted_steps + cost.audit_steps
    assert sum(sample.value for sample in steps.samples) == trained


def test_what_was_never_known_is_absent_and_not_zero():
    found = {sample.name for family in of_sweeps(SweepStatus()) for sample in family.samples}
    assert not found & {"seedsweep_best_score", "seedsweep_planned_steps", "seedsweep_sweep_start_timestamp_seconds"}


async def test_a_held_event_loop_shows_as_lag(monkeypatch: pytest.MonkeyPatch):
    loop, noted = asyncio.get_running_loop(), []
    moments = iter([100.0, 100.0 + PERIOD_SECONDS + 0.25])

    class EndedError(Exception):
        pass

    def note(lag: float) -> None:
        noted.append(lag)
        raise EndedError

    async def no_sleep(_: float) -> None:
        pass

    monkeypatch.setattr("seedsweep.kube.process.loop_lag.asyncio.sleep", no_sleep)
    monkeypatch.setattr(loop, "time", lambda: next(moments))
    try:
        await measure_loop_lag(note)
    except EndedError:
        monkeypatch.undo()
    assert noted == [pytest.approx(0.25)]
