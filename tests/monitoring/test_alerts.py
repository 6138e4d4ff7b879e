"""Alerts: each fires where it should and not where it should not, by Prometheus's own unit tests, and has a runbook."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from host import prometheus
from metrics_page import of_a_trainer, of_sweeps, of_the_operator

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "charts" / "seedsweep" / "alerts").glob("*.yaml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
MINUTES = 60
SWEEP = 'namespace="nlp", sweep="rte"'


@dataclass(frozen=True)
class Case:
    """Series, as promtool writes them: with the first ones the alert fires within an hour, with the others never."""

    alert: str
    fires: dict[str, str]
    quiet: dict[str, str]


def always(value: float) -> str:
    return f"{value}x{MINUTES}"


def growing(by: float, begin: float = 0) -> str:
    return f"{begin}+{by}x{MINUTES}"


def condition(kind: str, reason: str, status: str = "True") -> str:
    return f'seedsweep_sweep_condition{{{SWEEP}, type="{kind}", status="{status}", reason="{reason}"}}'


def episodes(**states: int) -> dict[str, str]:
    return {f'seedsweep_episodes{{{SWEEP}, state="{state}"}}': always(number) for state, number in states.items()}


def storage(available: int) -> dict[str, str]:
    claim = 'namespace="nlp", persistentvolumeclaim="weights"'
    return {
        f"kubelet_volume_stats_available_bytes{{{claim}}}": always(available),
        f"kubelet_volume_stats_capacity_bytes{{{claim}}}": always(100),
    }


def turns(seconds: float) -> dict[str, str]:
    bucket = "seedsweep_operator_reconcile_seconds_bucket"
    return {f'{bucket}{{le="{le}"}}': growing(60 if seconds <= le else 0) for le in (0.1, 1, 10, 30)} | {
        f'{bucket}{{le="+Inf"}}': growing(60)
    }


OF_OTHERS = 'seedsweep_sweep_storage_claim_info{namespace="nlp", sweep="rte", persistentvolumeclaim="other"}'
OURS = OF_OTHERS.replace("other", "weights")
TURN_FAILURES = "seedsweep_operator_turn_failures_total"
READ, UNREAD = (f'seedsweep_operator_scrapes_total{{outcome="{outcome}"}}' for outcome in ("read", "unreachable"))
RESTARTS = 'seedsweep_operator_task_restarts_total{task="sweep"}'
FORBIDDEN = 'seedsweep_operator_api_requests_total{method="POST", code="403"}'
FAILED = episodes(failed=3, running=9)
OVER = {f"seedsweep_sweep_completion_timestamp_seconds{{{SWEEP}}}": always(1)}

CASES = [
    Case("SeedSweepOperatorAbsent", {"up": always(0)}, {TURN_FAILURES: always(0)}),
    Case(
        "SeedSweepWatchStale",
        {"seedsweep_operator_watch_overdue_objects": always(2), "seedsweep_operator_watch_failures": always(0)},
        {"seedsweep_operator_watch_overdue_objects": "0 3 0 0 2 0x50", "seedsweep_operator_watch_failures": always(0)},
    ),
    Case("SeedSweepTurnsFail", {TURN_FAILURES: growing(1)}, {TURN_FAILURES: f"0 4 4x{MINUTES}"}),
    Case("SeedSweepTasksRestart", {RESTARTS: growing(1)}, {RESTARTS: f"0 4 4x{MINUTES}"}),
    Case("SeedSweepRightsMissing", {FORBIDDEN: growing(1)}, {FORBIDDEN: f"1 2 2x{MINUTES}"}),
    Case("SeedSweepTurnsSlow", turns(20), turns(0.5)),
    Case("SeedSweepTrainersUnread", {READ: growing(1), UNREAD: growing(2)}, {READ: growing(9), UNREAD: growing(2)}),
    Case(
        "SeedSweepStuck",
        {condition("Stalled", "CannotBegin"): always(1)},
        {condition("Stalled", "Queued"): always(1), condition("Stalled", "NodeSilent"): "1x20 _x40"},
    ),
    Case(
        "SeedSweepMetricsUnavailable",
        {condition("Stalled", "MetricsUnreachable"): always(1)},
        {condition("Stalled", "MetricsUnreachable"): "1x8 _x40", condition("Failed", "DeadlineExceeded"): always(1)},
    ),
    Case("SeedSweepMetricsUnavailable", {condition("Failed", "MetricsUnavailable"): always(1)}, {}),
    Case("SeedSweepManyFailures", FAILED, episodes(failed=2, running=9)),
    Case("SeedSweepManyFailures", FAILED, FAILED | OVER),
    Case(
        "SeedSweepCutOverdue",
        {condition("Progressing", "Cutting"): always(1)},
        {condition("Progressing", "Cutting"): "1x8 _x40", condition("Progressing", "Training"): always(1)},
    ),
    Case(
        "SeedSweepCutOverdue",
        {condition("Progressing", "Cutting", "False"): always(1)},
        {condition("Progressing", "Queued", "False"): always(1)} | episodes(paused=3, lost=5),
    ),
    Case("SeedSweepStorageNearlyFull", storage(9) | {OURS: always(1)}, storage(11) | {OURS: always(1)}),
    Case("SeedSweepStorageNearlyFull", storage(9) | {OURS: always(1)}, storage(9) | {OF_OTHERS: always(1)}),
]
ALERTS = {
    rule["alert"]: rule
    for file in FILES
    for group in YAML(typ="safe", pure=True).load(file)["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


def fired(alert: str, series: dict[str, str], times: int) -> object:
    """One of promtool's tests: how many of an alert fire, at any time within the hour."""
    firing = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"count(max_over_time({firing}[1h])) or vector(0)",
                "eval_time": "59m",
                "exp_samples": [{"labels": "{}", "value": times}],
            }
        ],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_where_it_should_and_not_where_it_should_not(case: Case, tmp_path: Path):
    tests = [fired(case.alert, case.fires, 1), fired(case.alert, case.quiet, 0)]
    if not case.quiet:
        tests.pop()
    file = tmp_path / "tests.yaml"
    file.write_text(json.dumps({"rule_files": [str(path) for path in FILES], "tests": tests}))
    command = [prometheus.find("promtool"), "test", "rules", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_alert_is_tried():
    assert {case.alert for case in CASES} == set(ALERTS)


def test_prometheus_takes_the_rules():
    command = [prometheus.find("promtool"), "check", "rules", "--lint-fatal", *map(str, FILES)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"] == f"RUNBOOKS/{name}.md"
    assert {path.stem for path in RUNBOOKS.iterdir()} == set(ALERTS)


@pytest.mark.parametrize("path", sorted(RUNBOOKS.iterdir()), ids=lambda path: path.stem)
def test_a_runbook_says_what_it_means_where_to_look_and_what_helps(path: Path):
    headings = re.findall("^#+ (.*)$", path.read_text(), re.M)
    assert headings == [path.stem, "What it means", "Where to look", "What helps"]


def test_rules_name_only_metrics_that_there_are():
    named = set(re.findall(r"(?<![:\w])seedsweep_\w+", "".join(path.read_text() for path in FILES)))
    families = {family.name for family in [*of_sweeps(), *of_the_operator(), *of_a_trainer()]}
    assert {re.sub("_(total|bucket|sum|count)$", "", name) for name in named} <= families
