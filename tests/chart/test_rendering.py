"""What the chart makes of its values."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import seedsweep
from chart.rendering import CHART, EVERYTHING, HOME, THROUGH_PROMETHEUS, Object, of_kind, refusal, render, run_helm, the
from cluster.objects import with_change
from inputs.pod_sweeps import CLAIM, sweep_with
from seedsweep.api.sweep import API_VERSION
from seedsweep.cli import main
from seedsweep.cluster.fetch_pod import fetch_manifest
from seedsweep.cluster.observer import Service
from seedsweep.contract.protocol import DEFAULT_METRICS_PORT
from seedsweep.kube.objects import names
from seedsweep.kube.objects.weights import ClaimFolder

ROOT = CHART.parents[1]
RULES = YAML(typ="safe", pure=True).load(CHART / "files" / "operator-rules.yaml")
PEOPLE = ("seedsweep-view", "seedsweep-edit", "seedsweep-admin")


def read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path)


def rights(role: Object) -> set[tuple[str, str]]:
    return {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}


def test_package_image_and_chart_are_of_one_version():
    chart = read(CHART / "Chart.yaml")
    image = read(ROOT / "examples" / "quickstart.yaml")["spec"]["trainer"]["image"]
    dockerfile = set(re.findall(r"^ARG VERSION=(.*)$", (ROOT / "Dockerfile").read_text(), re.M))
    project = re.findall(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    found = {chart["version"], chart["appVersion"], image.split(":")[1], *dockerfile, *project, seedsweep.__version__}
    assert found == {seedsweep.__version__}


def test_helm_of_both_lines_reads_the_chart():
    # v2 is the format of Helm 3 and 4; library features of Helm 4 alone would need v3.
    assert read(CHART / "Chart.yaml")["apiVersion"] == "v2"
    assert "0 chart(s) failed" in run_helm("lint", "--strict", str(CHART), values=EVERYTHING)


def test_a_cluster_that_is_too_old_is_refused_before_anything_is_installed():
    said = run_helm("template", "seedsweep", str(CHART), "--kube-version=1.29.9", values={}, refused=True)
    assert "requires kubeVersion: >=1.30.0-0" in said
    assert "1.29.9" in said


def test_the_operator_is_where_watch_looks_for_it():
    (service,) = of_kind(render(), "Service")
    (port,) = service["spec"]["ports"]
    found = f"{service['metadata']['namespace']}/{service['metadata']['name']}:{port['name']}"
    assert Service.parse(found) == Service("seedsweep-system", "seedsweep-operator", "http")


def test_the_operator_is_started_with_options_that_it_has(capsys: pytest.CaptureFixture[str]):
    deployment = the(render(EVERYTHING), "Deployment", "seedsweep-operator")
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments == [
        "operator",
        "--log-format=text",
        *("--namespace=nlp", "--namespace=vision"),
        "--service-account=trainer",
        "--housekeeping-image=registry.example/trainer:1",
        "--housekeeping-requests=cpu=500m,memory=2Gi",
        "--housekeeping-seconds=3600",
    ]
    more = the(render(THROUGH_PROMETHEUS), "Deployment", "seedsweep-operator")["spec"]["template"]["spec"]
    assert [argument for argument in more["containers"][0]["args"] if argument not in arguments] == [
        "--prometheus=http://prometheus.monitoring:9090",
        "--prometheus-token-file=/var/run/secrets/seedsweep/prometheus/word",
    ]
    with pytest.raises(SystemExit) as ended:
        main([*more["containers"][0]["args"], "--help"])
    assert ended.value.code == 0
    assert "Watch SeedSweeps" in capsys.readouterr().out


def test_in_listed_namespaces_the_operator_has_a_role_each_and_nothing_else():
    objects = render({"watch": {"namespaces": ["nlp", "vision"]}})
    roles = of_kind(objects, "Role", "seedsweep-operator")
    assert [role["metadata"]["namespace"] for role in roles] == ["nlp", "vision"]
    assert all(role["rules"] == RULES for role in roles)
    assert of_kind(objects, "ClusterRole", "seedsweep-operator") == of_kind(objects, "ClusterRoleBinding") == []
    for binding in of_kind(objects, "RoleBinding"):
        (subject,) = binding["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": "seedsweep-operator", "namespace": HOME}
        assert binding["roleRef"]["kind"] == "Role"


def test_without_listed_namespaces_the_same_rules_hold_in_all():
    objects = render()
    assert the(objects, "ClusterRole", "seedsweep-operator")["rules"] == RULES
    (subject,) = the(objects, "ClusterRoleBinding", "seedsweep-operator")["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "seedsweep-operator", "namespace": HOME}
    assert of_kind(objects, "Role") == []


@pytest.mark.parametrize("name", PEOPLE)
def test_nobody_writes_the_record(name: str):
    granted = rights(the(render(), "ClusterRole", name))
    record = {right for right in granted if right[0] != "seedsweeps"}
    assert {verb for _, verb in record} == {"get", "list", "watch"}
    assert {"episodes", "cuts", "seedsweeps/status"} <= {resource for resource, _ in record}


def test_who_views_does_not_write_sweeps_and_who_edits_does():
    objects = render()
    assert ("seedsweeps", "create") not in rights(the(objects, "ClusterRole", "seedsweep-view"))
    for name in ("seedsweep-edit", "seedsweep-admin"):
        role = the(objects, "ClusterRole", name)
        assert ("seedsweeps", "create") in rights(role)
        assert role["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{name.split('-')[1]}"] == "true"


def test_live_viewers_may_reach_the_operators_service_and_no_other():
    role = the(render(EVERYTHING), "Role", "seedsweep-live-view")
    (rule,) = role["rules"]
    assert rule["resourceNames"] == ["seedsweep-operator:http"]
    assert (rule["resources"], rule["verbs"]) == (["services/proxy"], ["get"])


def test_trainers_are_found_by_the_labels_and_the_port_that_their_pods_have():
    objects = render(EVERYTHING)
    marked = [{"key": names.LABEL_SWEEP_UID, "operator": "Exists"}]
    monitor = the(objects, "PodMonitor", "seedsweep-trainers")["spec"]
    assert monitor["selector"] == {"matchExpressions": marked}
    assert monitor["podMetricsEndpoints"][0]["port"] == "metrics"
    labels = {names.LABEL_SWEEP, names.LABEL_EPISODE, names.LABEL_WEIGHT_INIT, names.LABEL_DATA_ORDER}
    found = {name for rule in monitor["podMetricsEndpoints"][0]["relabelings"] for name in rule["sourceLabels"]}
    assert found == {f"__meta_kubernetes_pod_label_{re.sub('[^a-z]', '_', label)}" for label in labels}
    policies = of_kind(objects, "NetworkPolicy", "seedsweep-trainers")
    assert [policy["metadata"]["namespace"] for policy in policies] == ["nlp", "vision"]
    for policy in policies:
        assert policy["spec"]["podSelector"] == {"matchExpressions": marked}
        (rule,) = policy["spec"]["ingress"]
        assert rule.keys() == {"from"}, "at whatever port a sweep has them serve metrics"
    limited = render(with_change(EVERYTHING, "networkPolicy.trainerPorts", [DEFAULT_METRICS_PORT]))
    for policy in of_kind(limited, "NetworkPolicy", "seedsweep-trainers"):
        assert policy["spec"]["ingress"][0]["ports"] == [{"port": DEFAULT_METRICS_PORT}]


def test_who_fetches_the_winner_is_reached_by_the_api_server_alone():
    limits = {"enabled": True, "apiServerCIDRs": ["192.0.2.1/32"]}
    policies = of_kind(render({**EVERYTHING, "networkPolicy": limits}), "NetworkPolicy", "seedsweep-fetch")
    assert [policy["metadata"]["namespace"] for policy in policies] == ["nlp", "vision"]
    pod = fetch_manifest(sweep_with({"spec.storage": CLAIM}), [ClaimFolder("weights", "nlp/1/best")], "word")
    for policy in policies:
        spec = policy["spec"]
        assert spec["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        (rule,) = spec["ingress"]
        assert rule["ports"] == [{"port": pod["spec"]["containers"][0]["ports"][0]["name"]}]
        assert rule["from"] == [{"ipBlock": {"cidr": "192.0.2.1/32"}}]


def test_by_default_networks_and_sweeps_are_limited():
    objects = render({"watch": {"namespaces": ["nlp"]}})
    names = {
        (policy["metadata"]["namespace"], policy["metadata"]["name"]) for policy in of_kind(objects, "NetworkPolicy")
    }
    assert names == {(HOME, "seedsweep-operator"), ("nlp", "seedsweep-trainers"), ("nlp", "seedsweep-fetch")}
    (policy,) = of_kind(objects, "ValidatingAdmissionPolicy")
    assert [v["expression"] for v in policy["spec"]["validations"]] == ["variables.episodes <= 1000"]


def test_as_long_as_nobody_says_where_the_api_server_is_it_may_be_anywhere():
    for policy in of_kind(render({"watch": {"namespaces": ["nlp"]}}), "NetworkPolicy"):
        if policy["metadata"]["name"] != "seedsweep-trainers":
            assert policy["spec"]["ingress"] == [{"ports": [{"port": "http"}]}]
    (operator,) = of_kind(render(), "NetworkPolicy", "seedsweep-operator")
    api_server, trainers = operator["spec"]["egress"]
    assert api_server == {"ports": [{"port": port} for port in (443, 6443, 8443, 16443)]}
    assert trainers.keys() == {"to"}


def test_the_webhook_comes_from_a_secret_and_only_then_may_it_be_reached():
    container = the(render(EVERYTHING), "Deployment", "seedsweep-operator")["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [
        {"name": "SEEDSWEEP_WEBHOOK", "valueFrom": {"secretKeyRef": {"name": "slack", "key": "hook"}}}
    ]
    values = {"webhook": {"secretName": "slack"}, "networkPolicy": {"webhookCIDRs": ["192.0.2.0/24"]}}
    (operator,) = of_kind(render(values), "NetworkPolicy", "seedsweep-operator")
    _, _, hook, names = operator["spec"]["egress"]
    assert hook == {"ports": [{"port": 443}], "to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}
    assert names == {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}


def test_where_a_prometheus_is_asked_the_operator_reaches_no_trainer_and_all_series_are_kept():
    values = {
        "watch": {"namespaces": ["nlp"]},
        "prometheus": {"url": "http://prometheus.monitoring:9090/tenant", "tokenSecretName": "reader"},
        "metrics": {"podMonitors": {"enabled": True}},
    }
    objects = render(values)
    pod = the(objects, "Deployment", "seedsweep-operator")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = container["volumeMounts"]
    assert "--prometheus=http://prometheus.monitoring:9090/tenant" in container["args"]
    assert f"--prometheus-token-file={mount['mountPath']}/token" in container["args"]
    assert [volume["secret"]["secretName"] for volume in pod["volumes"]] == ["reader"]
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    (operator,) = of_kind(objects, "NetworkPolicy", "seedsweep-operator")
    _, prometheus, names = operator["spec"]["egress"]
    assert prometheus == {"to": [monitoring]}
    assert names == {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    (trainers,) = of_kind(objects, "NetworkPolicy", "seedsweep-trainers")
    assert trainers["spec"]["ingress"] == [{"from": [monitoring]}]
    (endpoint,) = the(objects, "PodMonitor", "seedsweep-trainers")["spec"]["podMetricsEndpoints"]
    assert "metricRelabelings" not in endpoint


def test_limits_of_two_releases_have_names_of_their_own_and_hold_in_their_namespaces():
    bindings = [
        of_kind(render({"watch": {"namespaces": [tenant]}}, f"--namespace={home}"), "ValidatingAdmissionPolicyBinding")
        for home, tenant in (("one", "nlp"), ("two", "vision"))
    ]
    assert len({binding["metadata"]["name"] for (binding,) in bindings}) == 2
    for (binding,), tenant in zip(bindings, ("nlp", "vision"), strict=True):
        (only,) = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
        assert (only["key"], only["operator"], only["values"]) == ("kubernetes.io/metadata.name", "In", [tenant])
    (everywhere,) = of_kind(render(), "ValidatingAdmissionPolicyBinding")
    assert "matchResources" not in everywhere["spec"]


def test_a_policy_that_would_limit_nothing_is_refused():
    assert "nothing is limited" in refusal({"admissionPolicy": {"maxEpisodes": None}})
    assert of_kind(render({"admissionPolicy": {"enabled": False}}), "ValidatingAdmissionPolicy") == []


def test_labels_for_finders_never_stand_twice():
    switch = {"enabled": True, "labels": {"app.kubernetes.io/name": "theirs", "team": "ml"}}
    objects = render({"metrics": dict.fromkeys(("podMonitors", "rules", "dashboards"), switch)})
    for kind in ("PodMonitor", "PrometheusRule", "ConfigMap"):
        for found in of_kind(objects, kind):
            labels = found["metadata"]["labels"]
            assert (labels["team"], labels["app.kubernetes.io/name"]) == ("ml", "seedsweep")


def test_the_dashboards_are_shipped_for_grafanas_sidecar():
    annotated = {**EVERYTHING, "metrics": {"dashboards": {"enabled": True, "annotations": {"grafana_folder": "ML"}}}}
    shipped = the(render(annotated), "ConfigMap", "seedsweep-dashboards")
    assert shipped["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert shipped["metadata"]["annotations"] == {"grafana_folder": "ML"}
    boards = {path.name: json.loads(path.read_text()) for path in (CHART / "dashboards").iterdir()}
    assert {name: json.loads(text) for name, text in shipped["data"].items()} == boards


def test_every_alert_leads_to_its_runbook():
    runbooks = "https://wiki.example/seedsweep"
    objects = render({"metrics": {"rules": {"enabled": True, "runbooks": runbooks}}})
    groups = the(objects, "PrometheusRule", "seedsweep-alerts")["spec"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert [rule["annotations"]["runbook_url"] for rule in rules] == [f"{runbooks}/{r['alert']}.md" for r in rules]
    recording = the(objects, "PrometheusRule", "seedsweep-recording")["spec"]
    assert all("record" in rule for group in recording["groups"] for rule in group["rules"])


def test_series_for_each_evaluation_are_dropped_unless_asked_for():
    def drops(values: dict[str, Any]) -> bool:
        objects = render({"metrics": {"podMonitors": {"enabled": True, **values}}})
        (endpoint,) = the(objects, "PodMonitor", "seedsweep-trainers")["spec"]["podMetricsEndpoints"]
        return "metricRelabelings" in endpoint

    assert drops({})
    assert not drops({"evaluations": True})


def test_the_policy_is_about_the_kind_that_there_is():
    policy = the(render(EVERYTHING), "ValidatingAdmissionPolicy", f"seedsweep-limits.{HOME}.seedsweep")
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
    assert f"{rule['apiGroups'][0]}/{rule['apiVersions'][0]}" == API_VERSION
