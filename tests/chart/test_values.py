"""Values: each is described and does something, and the schema refuses whatever is not one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from chart.rendering import CHART, EVERYTHING, manifest, refusal
from chart.table import at, rows, with_table
from cluster.objects import with_change

FILE = CHART / "values.yaml"
VALUES: dict[str, Any] = YAML(typ="safe", pure=True).load(FILE)
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
PATHS = [row.path for row in rows(FILE)]

# By path: the value, and what the refusal has to name.
WRONG: list[tuple[str, Any, str]] = [
    ("imgae", {"tag": "1"}, "'imgae'"),
    ("image.tagg", "1", "'tagg'"),
    ("image.tag", "latest", "/image/tag"),
    ("image.tag", 1.0, "/image/tag"),
    ("image.digest", "sha256:short", "/image/digest"),
    ("image.pullPolicy", "Sometimes", "/image/pullPolicy"),
    ("imagePullSecrets", [{"nam": "a"}], "'nam'"),
    ("watch.namespace", ["nlp"], "'namespace'"),
    ("watch.namespaces", "nlp", "/watch/namespaces"),
    ("watch.namespaces", ["NLP"], "/watch/namespaces/0"),
    ("watch.namespaces", ["nlp", "nlp"], "/watch/namespaces"),
    ("log.format", "xml", "/log/format"),
    ("log.level", "DEBUG", "'level'"),
    ("episodes.serviceAccount", ["a"], "'serviceAccount'"),
    ("watch", None, "watch"),
    ("image.repository", None, "repository"),
    ("housekeeping.deadlineSeconds", None, "deadlineSeconds"),
    ("networkPolicy.trainerPorts", None, "trainerPorts"),
    ("networkPolicy.prometheusNamespaceLabels", {"kubernetes.io/metadata.name": None}, "/networkPolicy/prometheus"),
    ("rbac.liveViewers", [{"kind": "ServiceAccount", "name": "bot"}], "namespace"),
    ("admissionPolicy.requiredPodLabel", "foo/", "/admissionPolicy/requiredPodLabel"),
    ("housekeeping.imag", "a", "'imag'"),
    ("housekeeping.image", "a b", "/housekeeping/image"),
    ("housekeeping.requests.memory", "much", "/housekeeping/requests/memory"),
    ("housekeeping.deadlineSeconds", 0, "/housekeeping/deadlineSeconds"),
    ("serviceAccount.nmae", "a", "'nmae'"),
    ("rbac.created", True, "'created'"),
    ("rbac.liveViewers", [{"kind": "Robot", "name": "r2"}], "/rbac/liveViewers/0/kind"),
    ("resources.request", {"cpu": 1}, "'request'"),
    ("resources.requests.cpu", "much", "/resources/requests/cpu"),
    ("resources.limits.memoryy", "1Gi", "'memoryy'"),
    ("runAsUser", 0, "/runAsUser"),
    ("tolerations", [{"operater": "Exists"}], "'operater'"),
    ("tolerations", [{"operator": "Always"}], "/tolerations/0/operator"),
    ("affinity.podAfinity", {}, "'podAfinity'"),
    ("networkPolicy.enable", True, "'enable'"),
    ("networkPolicy.enabled", "yes", "/networkPolicy/enabled"),
    ("networkPolicy.apiServerPorts", [0], "/networkPolicy/apiServerPorts/0"),
    ("networkPolicy.trainerPorts", [], "/networkPolicy/trainerPorts"),
    ("metrics.podMonitor", {"enabled": True}, "'podMonitor'"),
    ("metrics.podMonitors.interval", "30", "/metrics/podMonitors/interval"),
    ("metrics.rules.label", {}, "'label'"),
    ("metrics.dashboards.folder", "x", "'folder'"),
    ("admissionPolicy.maxEpisode", 3, "'maxEpisode'"),
    ("admissionPolicy.maxEpisodes", 0, "/admissionPolicy/maxEpisodes"),
    ("admissionPolicy.allowedImages", ["it's"], "/admissionPolicy/allowedImages/0"),
]

# What else a value could be, where another text or number of its kind would not do.
OTHERS: dict[str, Any] = {
    "affinity": {"podAffinity": {}},
    "housekeeping.requests.cpu": "2",
    "housekeeping.requests.memory": "8Gi",
    "image.digest": "sha256:" + "1" * 64,
    "image.pullPolicy": "Always",
    "log.format": "json",
    "metrics.podMonitors.interval": "7s",
    "networkPolicy.apiServerCIDRs": ["192.0.2.1/32"],
    "networkPolicy.apiServerPorts": [7443],
    "networkPolicy.trainerNamespaces": ["speech"],
    "networkPolicy.trainerPorts": [9401],
    "resources.limits.memory": "1Gi",
    "resources.requests.cpu": "2",
    "resources.requests.memory": "1Gi",
    "runAsUser": 1001,
}


def other(path: str) -> Any:
    """Another value than the one in EVERYTHING, or the default."""
    if path in OTHERS:
        return OTHERS[path]
    try:
        value = at(EVERYTHING, path)
    except KeyError:
        value = at(VALUES, path)
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return "other"
        case list():
            return []
        case _:
            return {"other": "x"}


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def closed(schema: dict[str, Any], values: Any) -> bool:
    """Whether the schema has these values' names, and no others, all the way down."""
    if "items" in schema:
        return closed(schema["items"], None)
    if "properties" not in schema:
        return True
    known = schema["properties"]
    if schema["additionalProperties"] is not False or (values and set(values) != known.keys() - {"global"}):
        return False
    return all(closed(below, (values or {}).get(name)) for name, below in known.items())


def test_every_value_is_described():
    described = tuple(PATHS)
    assert [leaf for leaf in leaves(VALUES) if not any(f"{leaf}.".startswith(f"{path}.") for path in described)] == []


def test_the_readme_has_every_value_as_it_is():
    readme = (CHART / "README.md").read_text()
    assert readme == with_table(readme, FILE), "run PYTHONPATH=tests python -m chart.table"


def test_the_schema_has_the_values_names_and_takes_no_others():
    assert closed(SCHEMA, VALUES)


@pytest.mark.parametrize(("path", "value", "named"), WRONG, ids=[f"{path}={value}" for path, value, _ in WRONG])
def test_what_is_not_a_value_is_refused_by_its_name(path: str, value: Any, named: str):
    assert named in refusal(with_change({}, path, value))


@pytest.mark.parametrize("path", PATHS)
def test_every_value_does_something(path: str):
    values = with_change(EVERYTHING, path, other(path))
    assert manifest(values) != manifest(EVERYTHING)
