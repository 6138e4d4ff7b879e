"""Prometheus as the chart's PodMonitors and rules have it configured, on the test cluster.

Debian builds Prometheus without its discovery of pods: `discover` tells it by a file what that would find.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from chart.rendering import render, the
from cluster.trial import Trial
from seedsweep.files import write_whole

INTERVAL = "1s"
TRAINERS = "seedsweep-system/seedsweep-trainers"
"""The job."""
LOOK_EVERY = 0.3
TARGETS = "targets.json"
_META = "__meta_kubernetes"
_MONITORS = {"metrics": {"podMonitors": {"enabled": True, "interval": INTERVAL}, "rules": {"enabled": True}}}
KEEPS_CURVES = {"prometheus": {"url": "http://prometheus.monitoring:9090"}}
"""Values with which the operator asks a Prometheus, wherever that is."""

Object = dict[str, Any]


def configuration(operator_port: int, folder: Path, values: Mapping[str, Any] | None = None) -> Object:
    """What the Prometheus operator would make of the chart's monitors, for a local operator; `values` of the chart."""
    objects = render({**_MONITORS, **(values or {})})
    (of_operator,) = the(objects, "PodMonitor", "seedsweep-operator")["spec"]["podMetricsEndpoints"]
    rules = []
    for name in ("alerts", "recording"):
        rules.append(str(folder / f"{name}.yaml"))
        with Path(rules[-1]).open("w") as file:
            YAML(typ="safe", pure=True).dump(the(objects, "PrometheusRule", f"seedsweep-{name}")["spec"], file)
    operator = {
        "job_name": "seedsweep-system/seedsweep-operator",
        "honor_labels": of_operator["honorLabels"],
        "static_configs": [{"targets": [f"127.0.0.1:{operator_port}"]}],
    }
    trainers = _of_pods(the(objects, "PodMonitor", "seedsweep-trainers")["spec"], folder / TARGETS)
    return {
        "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
        "scrape_configs": [operator, trainers],
        "rule_files": rules,
    }


def _of_pods(monitor: Object, targets: Path) -> Object:
    (endpoint,) = monitor["podMetricsEndpoints"]
    marked = [
        {
            "source_labels": [f"{_META}_pod_labelpresent_{_sanitized(expression['key'])}"],
            "regex": "true",
            "action": "keep",
        }
        for expression in monitor["selector"]["matchExpressions"]
    ]
    return {
        "job_name": TRAINERS,
        "metrics_path": endpoint["path"],
        "file_sd_configs": [{"files": [str(targets)], "refresh_interval": INTERVAL}],
        "relabel_configs": [
            # As the Prometheus operator does: what has ended is no target.
            {"source_labels": [f"{_META}_pod_phase"], "regex": "(Failed|Succeeded)", "action": "drop"},
            *marked,
            {
                "source_labels": [f"{_META}_pod_container_port_name"],
                "regex": endpoint["port"],
                "action": "keep",
            },
            {"source_labels": [f"{_META}_namespace"], "target_label": "namespace"},
            {"source_labels": [f"{_META}_pod_name"], "target_label": "pod"},
            *map(_snake_case, endpoint["relabelings"]),
        ],
        "metric_relabel_configs": [_snake_case(rule) for rule in endpoint.get("metricRelabelings", ())],
    }


def _snake_case(rule: Mapping[str, Any]) -> Object:
    return {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key): value for key, value in rule.items()}


def _sanitized(key: str) -> str:
    return re.sub("[^a-zA-Z0-9]", "_", key)


async def discover(trials: Sequence[Trial], folder: Path) -> None:
    """Keep the file with the targets up to date, until it is cancelled."""
    while True:
        found = [target for trial in trials for pod in await trial.items("pods") for target in _targets(pod)]
        write_whole(folder / TARGETS, json.dumps(found).encode())
        await asyncio.sleep(LOOK_EVERY)


def _targets(pod: Object) -> Iterator[Object]:
    """A pod's ports, as Prometheus's own discovery shows them."""
    metadata, address = pod["metadata"], pod["status"].get("podIP")
    labels = {_sanitized(key): value for key, value in (metadata.get("labels") or {}).items()}
    shown = {
        f"{_META}_namespace": metadata["namespace"],
        f"{_META}_pod_name": metadata["name"],
        f"{_META}_pod_phase": pod["status"].get("phase", ""),
        **{f"{_META}_pod_label_{key}": value for key, value in labels.items()},
        **{f"{_META}_pod_labelpresent_{key}": "true" for key in labels},
    }
    for container in pod["spec"]["containers"] if address else ():
        for port in container.get("ports", ()):
            named = {f"{_META}_pod_container_port_name": port.get("name", "")}
            yield {"targets": [f"{address}:{port['containerPort']}"], "labels": {**shown, **named}}
