"""Values: each is described and does something, and the schema refuses whatever is not one."""

import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from chart.rendering import CHART, EVERYTHING, THROUGH_PROMETHEUS, manifest, refusal
from chart.table import at, rows, with_table
from cluster.objects import with_change
from seedsweep.api.seeds import MAX_EPISODES

FILE = CHART / "values.yaml"
VALUES: dict[str, Any] = YAML(typ="safe", pure=True).load(FILE)
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
PATHS = [row.path for row in rows(FILE)]
LABELS = [
    *("nodeSelector", "networkPolicy.prometheusNamespaceLabels", "admissionPolicy.namespaceLabels"),
    *(f"metrics.{kind}.labels" for kind in ("podMonitors", "rules", "dashboards")),
]

IMAGES = [
    "seedsweep-operator",
    "team/seedsweep",
    "registry.local:5000/team/seedsweep",
    "localhost:5000/seedsweep",
    "registry.example/a/b/c_d/e-f.g",
]
NO_REPOSITORIES = [
    "",
    "a b",
    "a:1",
    "registry.local:5000/a:1",
    f"a@sha256:{'0' * 64}",
    "a//b",
    "/a",
    "a/",
    "A/b/C",
    "a:0/b",
]
CIDRS = ["10.0.0.0/8", "192.0.2.7/32", "0.0.0.0/0", "::/0", "2001:db8::1/128", "fd00:1:2:3:4:5:6:7/64", "fe80::/10"]
NO_CIDRS = ["10.0.0.0", "10.0.0.0/33", "10.0.0.256/8", "::/129", "1::2::3/64"]
NO_KEYS = ["", "a b", "-a", "a/", "/a", "A.example/a", "a/b/c", "a" * 64, "a..b/c"]
NO_NAMES = ["", "A", "a_b", "-a", "a-", "a..b", "a.-b", "a" * 254]

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
    *(
        ("prometheus.url", url, "/prometheus/url")
        for url in (
            "prometheus:9090",
            "ftp://prometheus",
            "http://a:b@prometheus",
            "http://prometheus?a=b",
            "http:// x",
        )
    ),
    ("prometheus.tokenSecretName", "reader", "/prometheus/tokenSecretName"),
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
    ("webhook.url", "https://hooks.example/1", "'url'"),
    ("webhook.secretName", "A b", "/webhook/secretName"),
    ("webhook.secretKey", "a/b", "/webhook/secretKey"),
    ("networkPolicy.webhookCIDRs", ["hooks.example"], "/networkPolicy/webhookCIDRs/0"),
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
    ("metrics.podMonitor", {"enabled": True}, "'podMonitor'"),
    ("metrics.podMonitors.interval", "30", "/metrics/podMonitors/interval"),
    ("metrics.rules.label", {}, "'label'"),
    ("metrics.rules.runbooks", "", "/metrics/rules/runbooks"),
    ("metrics.podMonitors.evaluations", "yes", "/metrics/podMonitors/evaluations"),
    ("metrics.dashboards.annotations", {"a b": "c"}, "/metrics/dashboards/annotations"),
    ("metrics.dashboards.folder", "x", "'folder'"),
    ("admissionPolicy.maxEpisode", 3, "'maxEpisode'"),
    ("admissionPolicy.maxEpisodes", 0, "/admissionPolicy/maxEpisodes"),
    ("admissionPolicy.maxEpisodes", MAX_EPISODES + 1, "/admissionPolicy/maxEpisodes"),
    *(("image.repository", text, "/image/repository") for text in NO_REPOSITORIES),
    ("image.tag", "a b", "/image/tag"),
    ("image.tag", "1@sha256:" + "0" * 64, "/image/tag"),
    ("image.tag", "a" * 129, "/image/tag"),
    ("housekeeping.image", "registry.example/trainer:", "/housekeeping/image"),
    ("housekeeping.image", "https://registry.example/trainer:1", "/housekeeping/image"),
    ("housekeeping.image", "trainer:1@sha256:short", "/housekeeping/image"),
    *(("admissionPolicy.allowedImages", [t], "/admissionPolicy/allowedImages/0") for t in ("it's", "a b/", "/", "a//")),
    *(("networkPolicy.apiServerCIDRs", ["10.0.0.0/8", t], "/networkPolicy/apiServerCIDRs/1") for t in NO_CIDRS),
    ("networkPolicy.apiServerPorts", [443, 65536], "/networkPolicy/apiServerPorts/1"),
    ("networkPolicy.apiServerPorts", ["https"], "/networkPolicy/apiServerPorts/0"),
    ("networkPolicy.apiServerPorts", [], "/networkPolicy/apiServerPorts"),
    ("networkPolicy.trainerPorts", [9400, 9400], "/networkPolicy/trainerPorts"),
    ("networkPolicy.trainerNamespaces", ["a.b"], "/networkPolicy/trainerNamespaces/0"),
    ("watch.namespaces", ["a" * 64], "/watch/namespaces/0"),
    *(("serviceAccount.name", text, "/serviceAccount/name") for text in NO_NAMES),
    ("priorityClassName", "a..b", "/priorityClassName"),
    ("imagePullSecrets", [{"name": "a..b"}], "/imagePullSecrets/0/name"),
    ("episodes.serviceAccounts", ["a..b"], "/episodes/serviceAccounts/0"),
    *(("podLabels", {key: "a"}, "/podLabels") for key in NO_KEYS),
    *(("podLabels", {"a": value}, "/podLabels/a") for value in ("a b", "-", "a" * 64)),
    *((path, {"a b": "a"}, f"/{path.replace('.', '/')}") for path in LABELS),
    ("serviceAccount.annotations", {"a b": "c"}, "/serviceAccount/annotations"),
    ("podAnnotations", {"a": 1}, "/podAnnotations/a"),
    ("admissionPolicy.requiredPodLabel", "A.example/queue", "/admissionPolicy/requiredPodLabel"),
    ("resources.requests.cpu", "1Gi", "/resources/requests/cpu"),
    ("resources.requests.cpu", "0.0001", "/resources/requests/cpu"),
    ("resources.limits.memory", "512m", "/resources/limits/memory"),
    ("resources.limits.memory", "512", "/resources/limits/memory"),
    ("resources.limits.memory", 512, "/resources/limits/memory"),
    ("resources.limits.memory", "512MB", "/resources/limits/memory"),
    ("resources.limits", {"nvidia.com/gpu": "half"}, "/resources/limits/nvidia.com~1gpu"),
    ("housekeeping.deadlineSeconds", 2**31, "/housekeeping/deadlineSeconds"),
    ("runAsUser", 2**31, "/runAsUser"),
    ("rbac.liveViewers", [{"kind": "ServiceAccount", "name": "A b", "namespace": "a"}], "/rbac/liveViewers/0/name"),
    ("rbac.liveViewers", [{"kind": "User", "name": "a", "apiGroup": ""}], "/rbac/liveViewers/0/apiGroup"),
    ("tolerations", [{"key": "a b", "operator": "Exists"}], "/tolerations/0/key"),
    ("tolerations", [{"key": "a", "operator": "Exists", "value": "b"}], "/tolerations/0/value"),
    ("tolerations", [{"key": "a", "value": "b c"}], "/tolerations/0/value"),
    ("tolerations", [{"value": "b"}], "key"),
    ("tolerations", [{"key": "a", "operator": "Exists", "tolerationSeconds": 5}], "effect"),
    ("metrics.podMonitors.interval", "0s", "/metrics/podMonitors/interval"),
]

# By path: values that look unusual and are right.
RIGHT: list[tuple[str, Any]] = [
    *(("image.repository", text) for text in IMAGES),
    ("housekeeping.image", "registry.local:5000/team/trainer:1@sha256:" + "0" * 64),
    ("networkPolicy.apiServerCIDRs", CIDRS),
    ("prometheus.url", "http://[fd00::1]:9090/select/0/prometheus"),
    ("podLabels", {"example.com/team": "A_b.c", "empty": ""}),
    ("resources.limits", {"cpu": 0.5, "memory": "1.5Gi", "nvidia.com/gpu": 1}),
    ("resources.requests.memory", 268435456),
    ("tolerations", [{"operator": "Exists"}, {"key": "a", "effect": "NoExecute", "tolerationSeconds": 5}]),
    ("rbac.liveViewers", [{"kind": "User", "name": "oidc:A B"}]),
    ("metrics.podMonitors.interval", "1m30s"),
    (
        "admissionPolicy.allowedImages",
        ["registry.local:5000/", "ghcr.io/team/", "trainer:1", "trainer@sha256:" + "0" * 64],
    ),
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
    "networkPolicy.webhookCIDRs": ["192.0.2.2/32"],
    "prometheus.url": "https://thanos.monitoring/prefix",
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
        value = at(THROUGH_PROMETHEUS, path)
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


@pytest.mark.parametrize(("path", "value"), RIGHT, ids=[f"{path}={value}" for path, value in RIGHT])
def test_what_only_looks_unusual_is_taken(path: str, value: Any):
    assert manifest(with_change({}, path, value))


def is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    # Of what Python takes too: masks, zones, leading zeros and addresses of IPv4 within those of IPv6.
    return re.fullmatch(r"[0-9.]+/(0|[1-9][0-9]*)|[0-9a-fA-F:]+/(0|[1-9][0-9]*)", text) is not None


@given(st.one_of(st.ip_addresses().map(str), st.text("0123456789abf.:", max_size=20)), st.integers(-1, 200))
def test_cidrs_are_those_that_there_are(address: str, length: int):
    text = f"{address}/{length}"
    taken = re.fullmatch(SCHEMA["definitions"]["cidr"]["pattern"], text) is not None
    assert taken == is_cidr(text), text


def test_episodes_are_limited_to_what_the_definition_allows():
    assert SCHEMA["properties"]["admissionPolicy"]["properties"]["maxEpisodes"]["maximum"] == MAX_EPISODES
    assert VALUES["admissionPolicy"]["maxEpisodes"] <= MAX_EPISODES


@pytest.mark.parametrize("path", PATHS)
def test_every_value_does_something(path: str):
    base = THROUGH_PROMETHEUS if path.startswith("prometheus.") else EVERYTHING
    assert manifest(with_change(base, path, other(path))) != manifest(base)
