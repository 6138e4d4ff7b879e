"""Prometheus as the chart's PodMonitors and rules have it configured, on the test cluster.

Debian builds Prometheus without its discovery of pods: `discover` tells it by a file what that would find.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from chart.rendering import render, the
from cluster.trial import Trial
from host.prometheus import Prometheus
from seedsweep.files import write_whole

INTERVAL = "1s"
OPERATOR, TRAINERS = "seedsweep-system/seedsweep-operator", "seedsweep-system/seedsweep-trainers"
"""The jobs."""
LOOK_EVERY = 0.3
TARGETS = "targets.json"
_META = "__meta_kubernetes"
_MONITORS = {"metrics": {"podMonitors": {"enabled": True, "interval": INTERVAL}, "rules": {"enabled": True}}}
KEEPS_CURVES = {"prometheus": {"url": "http://prometheus.monitoring:9090"}}
"""Values with which the operator asks a Prometheus, wherever that is."""

Object = dict[str, Any]


def configuration(folder: Path, operator_port: int | None = None, values: Mapping[str, Any] | None = None) -> Object:
    """What the Prometheus operator would make of the chart's monitors.

    Args:
        operator_port: where an operator on this machine listens. Absent: it is a pod.
        values: of the chart.
    """
    objects = render({**_MONITORS, **(values or {})})
    operator, trainers = (the(objects, "PodMonitor", f"seedsweep-{name}")["spec"] for name in ("operator", "trainers"))
    rules = []
    for name in ("alerts", "recording"):
        rules.append(str(folder / f"{name}.yaml"))
        with Path(rules[-1]).open("w") as file:
            YAML(typ="safe", pure=True).dump(the(objects, "PrometheusRule", f"seedsweep-{name}")["spec"], file)
    of_operator = _of_pods(OPERATOR, operator, folder / TARGETS)
    if operator_port is not None:
        del of_operator["file_sd_configs"], of_operator["relabel_configs"]
        of_operator["static_configs"] = [{"targets": [f"127.0.0.1:{operator_port}"]}]
    return {
        "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
        "scrape_configs": [of_operator, _of_pods(TRAINERS, trainers, folder / TARGETS)],
        "rule_files": rules,
    }


def _of_pods(job: str, monitor: Object, targets: Path) -> Object:
    (endpoint,) = monitor["podMetricsEndpoints"]
    selector = monitor["selector"]
    marked = [
        {
            "source_labels": [f"{_META}_pod_labelpresent_{_sanitized(expression['key'])}"],
            "regex": "true",
            "action": "keep",
        }
        for expression in selector.get("matchExpressions", ())
    ]
    labelled = [
        {"source_labels": [f"{_META}_pod_label_{_sanitized(key)}"], "regex": value, "action": "keep"}
        for key, value in selector.get("matchLabels", {}).items()
    ]
    return {
        "job_name": job,
        "honor_labels": endpoint.get("honorLabels", False),
        "metrics_path": endpoint["path"],
        "file_sd_configs": [{"files": [str(targets)], "refresh_interval": INTERVAL}],
        "relabel_configs": [
            # As the Prometheus operator does: what has ended is no target.
            {"source_labels": [f"{_META}_pod_phase"], "regex": "(Failed|Succeeded)", "action": "drop"},
            *marked,
            *labelled,
            {
                "source_labels": [f"{_META}_pod_container_port_name"],
                "regex": endpoint["port"],
                "action": "keep",
            },
            {"source_labels": [f"{_META}_namespace"], "target_label": "namespace"},
            {"source_labels": [f"{_META}_pod_name"], "target_label": "pod"},
            *map(_snake_case, endpoint.get("relabelings", ())),
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
        tell_targets([pod for trial in trials for pod in await trial.items("pods")], folder)
        await asyncio.sleep(LOOK_EVERY)


def tell_targets(pods: Iterable[Object], folder: Path) -> None:
    """What Prometheus's own discovery would find among these pods."""
    found = [target for pod in pods for target in _targets(pod)]
    write_whole(folder / TARGETS, json.dumps(found).encode())


async def scores_told(server: Prometheus, sweep: str, began: float, ended: float) -> dict[str, dict[int, set[float]]]:
    """Every score with which a trainer was scraped, by episode and by how many evaluations it had then done."""
    metrics = ("validation_score", "evaluations_done", "trainer_info")
    scores, done, info = [await _samples(server, f"seedsweep_{name}", sweep, began, ended) for name in metrics]
    told: dict[str, dict[int, set[float]]] = {}
    for scrape, (labels, score) in scores.items():
        episode = labels["episode"]
        # A pod's address may have gone to another one, which Prometheus learns a moment later.
        if info[scrape][0]["exported_episode"] == episode:
            told.setdefault(episode, {}).setdefault(int(done[scrape][1]), set()).add(score)
    return told


def assert_as_recorded(told: Mapping[str, Mapping[int, set[float]]], curves: Mapping[str, Sequence[float]]) -> None:
    """What trainers were scraped with is what is on record of every episode, to the last bit, at every scrape."""
    assert set(told) == set(curves)
    for episode, by_evaluation in told.items():
        # Who is stopped may have trained on, past the rung that its record ends at.
        on_record = {k: scores for k, scores in by_evaluation.items() if k <= len(curves[episode])}
        assert on_record == {k: {curves[episode][k - 1]} for k in on_record}
        assert on_record


async def _samples(
    server: Prometheus, name: str, sweep: str, began: float, ended: float
) -> dict[tuple[str, float], tuple[dict[str, str], float]]:
    """All samples of a metric of trainers as they were scraped, with their labels, by pod and moment."""
    found = await server.query(f'{name}{{sweep="{sweep}"}}[{int(ended - began) + 1}s]', ended)
    return {
        (series["metric"]["pod"], moment): (series["metric"], float(value))
        for series in found
        for moment, value in series["values"]
    }


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
