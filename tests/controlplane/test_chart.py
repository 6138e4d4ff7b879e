"""The chart on a real API server: what it installs, what that lets people do, and what it refuses."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from chart.rendering import CHART, EVERYTHING, HOME, Object, manifest, render, run_helm, the
from chart.schemas import LOCATION, write_schemas
from cluster import binaries
from cluster.controlplane import ADMIN, ControlPlane
from cluster.objects import CRDS, EPISODE, RESTRICTED, run_kubectl
from cluster.polling import poll
from cluster.rights import bind
from inputs import sweeps
from inputs.pod_sweeps import sweep_with
from seedsweep.api.sweep import API_VERSION
from seedsweep.kube.pods.manifest import PodSettings, pod_problems

MONITORING = "monitoring.coreos.com/v1"
"""Kinds that the test cluster does not know."""
LIMITED = {"sweeps": "limited"}
AUTHOR = "author"
GROUP = API_VERSION.split("/")[0]
VALUES: dict[str, Any] = {
    "networkPolicy": {"enabled": True, "trainerNamespaces": [HOME]},
    "metrics": {"dashboards": {"enabled": True}},
    "admissionPolicy": EVERYTHING["admissionPolicy"],
}
SKIPPED = "PodMonitor,PrometheusRule"
QUICKSTART = CHART.parents[1] / "examples" / "quickstart.yaml"


def release(control_plane: ControlPlane, command: str, *flags: str, values: dict[str, Any] | None = None) -> str:
    where = [f"--namespace={HOME}", f"--kubeconfig={control_plane.kubeconfig()}"]
    return run_helm(command, "seedsweep", *flags, *where, values=values)


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane, kinds: None) -> Iterator[str]:
    """The chart, in a namespace of restricted pods; what Helm said."""
    control_plane.create("/api/v1/namespaces", {"metadata": {"name": HOME, "labels": RESTRICTED}})
    yield release(control_plane, "install", str(CHART), values=VALUES)
    release(control_plane, "uninstall", "--ignore-not-found")
    control_plane.request("DELETE", f"/api/v1/namespaces/{HOME}")


@pytest.fixture
def limited(control_plane: ControlPlane, installed: str, namespace: str) -> str:
    """A namespace in which the admission policy holds."""
    labels = {"metadata": {"labels": LIMITED}}
    code, answer = control_plane.request("PATCH", f"/api/v1/namespaces/{namespace}", labels)
    assert code == 200, answer
    # The policy wants a queue. The API server hears of policies and labels in its own time.
    poll(lambda: post(control_plane, namespace, sweep())[0] == 422 or None)
    return namespace


@pytest.fixture
def author(control_plane: ControlPlane, installed: str, namespace: str) -> str:
    """A user who holds the chart's edit role in the test's namespace, and nothing else."""
    bind(control_plane, namespace, AUTHOR, "seedsweep-edit")
    control_plane.until_allowed(AUTHOR, namespace, "create", GROUP, "seedsweeps")
    return AUTHOR


def sweep(fields: dict[str, Any] | None = None) -> Object:
    """A sweep as people write it, with an image; fields by their dotted paths."""
    text = sweeps.changed("spec.trainer.image", "registry.example/ml/trainer:1")
    for path, value in (fields or {}).items():
        text = sweeps.changed(path, value, text)
    found: Object = YAML(typ="safe", pure=True).load(text)
    return found


def post(control_plane: ControlPlane, namespace: str, body: Object, user: str = ADMIN) -> tuple[int, str]:
    """What the API server says to one of our objects; nothing is created."""
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/{body['kind'].lower()}s"
    code, answer = control_plane.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", body, user=user)
    return code, answer.get("message", "")


def may(control_plane: ControlPlane, namespace: str, verb: str, resource: str) -> bool:
    """Whether the author may do something there."""
    group = "" if resource in ("pods", "secrets") else GROUP
    return control_plane.allows(AUTHOR, namespace, verb, group, resource)


def read_yaml(path: Path) -> Object:
    found: Object = YAML(typ="safe", pure=True).load(path)
    return found


def test_helm_installs_it_and_says_what_to_do_next(installed: str):
    assert "kubectl apply -f sweep.yaml" in installed
    assert "seedsweep watch NAME" in installed
    assert "helm show crds" not in installed


def test_the_restricted_profile_takes_the_operators_pod_and_the_charts_test(
    control_plane: ControlPlane, installed: str
):
    selector = "--selector=app.kubernetes.io/component=operator"
    run_kubectl(control_plane, "wait", "--for=create", "--timeout=120s", f"--namespace={HOME}", "pod", selector)
    test = the(render(VALUES), "Pod", "seedsweep-test")
    code, answer = control_plane.request("POST", f"/api/v1/namespaces/{HOME}/pods?dryRun=All", test)
    assert code == 201, answer


def test_the_api_server_knows_every_field_that_the_chart_sets(control_plane: ControlPlane, installed: str):
    for name in EVERYTHING["watch"]["namespaces"]:
        run_kubectl(control_plane, "create", "namespace", name)
    known = [found for found in render(EVERYTHING) if found["apiVersion"] != MONITORING]
    command = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"]
    told = run_kubectl(control_plane, *command, given=json.dumps({"apiVersion": "v1", "kind": "List", "items": known}))
    assert len(told.splitlines()) == len(known)


def test_kubeconform_finds_nothing_wrong_in_the_chart_the_definitions_and_the_examples(
    control_plane: ControlPlane, kinds: None, tmp_path: Path
):
    code, document = control_plane.request("GET", "/openapi/v2")
    assert code == 200
    write_schemas(document, tmp_path)

    def conforms(text: str) -> subprocess.CompletedProcess[str]:
        # The test cluster does not know the Prometheus operator's kinds.
        command = [str(binaries.find(["kubeconform"])["kubeconform"]), "-strict", "-summary", f"-skip={SKIPPED}"]
        command += [f"-schema-location={tmp_path}/{LOCATION}"]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)

    definitions = [path.read_text() for path in sorted(CRDS.iterdir())]
    whole = "\n---\n".join([manifest(EVERYTHING), manifest(), *definitions, QUICKSTART.read_text()])
    done = conforms(whole)
    assert done.returncode == 0, done.stdout
    assert re.search(r"Valid: ([0-9]+), Invalid: 0, Errors: 0, Skipped: 4$", done.stdout, re.M), done.stdout
    for wrong in (whole.replace("replicas: 1", "replicaz: 1"), whole.replace("learningRate:", "learningRat:")):
        assert conforms(wrong).returncode == 1


def test_the_quota_that_the_docs_show_counts_kinds_that_there_are(control_plane: ControlPlane, kinds: None):
    (shown,) = re.findall(
        r"```yaml\n(.*?kind: ResourceQuota.*?)```", (CHART.parents[1] / "docs" / "install.md").read_text(), re.S
    )
    quota = YAML(typ="safe", pure=True).load(shown)
    quota["metadata"]["namespace"] = "default"
    code, answer = control_plane.request("POST", "/api/v1/namespaces/default/resourcequotas?dryRun=All", quota)
    assert code == 201, answer
    ours = {name.removeprefix("count/") for name in quota["spec"]["hard"] if "seedsweep.io" in name}
    assert ours == {definition["metadata"]["name"] for definition in map(read_yaml, CRDS.iterdir())}


def test_who_may_edit_writes_sweeps_and_reads_the_record(control_plane: ControlPlane, namespace: str, author: str):
    assert post(control_plane, namespace, sweep(), author)[0] == 201
    for resource in ("seedsweeps", "episodes", "cuts"):
        assert may(control_plane, namespace, "list", resource)


def test_the_clusters_own_edit_role_includes_the_charts(control_plane: ControlPlane, installed: str, namespace: str):
    bind(control_plane, namespace, AUTHOR, "edit")
    poll(lambda: post(control_plane, namespace, sweep(), AUTHOR)[0] == 201 or None)
    assert post(control_plane, namespace, EPISODE, AUTHOR)[0] == 403


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete", "deletecollection"])
@pytest.mark.parametrize("resource", ["episodes", "cuts", "seedsweeps/status", "pods", "secrets"])
def test_who_may_edit_sweeps_writes_neither_the_record_nor_pods(
    control_plane: ControlPlane, namespace: str, author: str, resource: str, verb: str
):
    assert not may(control_plane, namespace, verb, resource)


def test_a_forged_score_is_refused(control_plane: ControlPlane, namespace: str, author: str):
    code, said = post(control_plane, namespace, EPISODE, author)
    assert code == 403
    assert "cannot create resource" in said


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"spec.podTemplate": {"spec": {"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}}}, "hostPath"),
        ({"spec.podTemplate": {"spec": {"hostNetwork": True}}}, "hostNetwork"),
        ({"spec.podTemplate": {"spec": {"hostPID": True}}}, "hostPID"),
        ({"spec.podTemplate": {"spec": {"securityContext": {"runAsUser": 0}}}}, "runAsUser"),
        ({"spec.podTemplate": {"spec": {"containers": [{"name": "x", "image": "x"}]}}}, "containers"),
        ({"spec.podTemplate": {"spec": {"nodeName": "node-0"}}}, "nodeName"),
        ({"spec.trainer.securityContext": {"privileged": True}}, "securityContext"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_sweep_reaches_no_host_and_no_privilege(
    control_plane: ControlPlane, namespace: str, author: str, fields: dict[str, Any], named: str
):
    code, said = post(control_plane, namespace, sweep(fields), author)
    assert code in (400, 422)
    assert named in said


def test_a_foreign_service_account_is_refused_by_the_operator():
    named = sweep_with({"spec.podTemplate": {"spec": {"serviceAccountName": "cluster-admin"}}})

    def blamed(*listed: str) -> set[str]:
        return {problem.path for problem in pod_problems(named, PodSettings(service_accounts=frozenset(listed)))}

    assert blamed("trainer") - blamed("cluster-admin") == {"spec.podTemplate.spec.serviceAccountName"}


QUEUED = {"spec.podTemplate": {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "gpus"}}}}


def allowed(control_plane: ControlPlane, namespace: str, fields: dict[str, Any]) -> tuple[bool, str]:
    code, said = post(control_plane, namespace, sweep({**QUEUED, **fields}))
    assert code in (201, 422), said
    return code == 201, said


@pytest.mark.parametrize(
    ("seeds", "fits"),
    [
        ({"grid": {"weightInits": {"count": 4}, "dataOrders": {"values": [5, 9]}}}, True),
        ({"grid": {"weightInits": {"count": 3}, "dataOrders": {"count": 3}}}, False),
        ({"grid": {"weightInits": {"count": 9}, "dataOrders": {"count": 9}, "sample": {"size": 8}}}, True),
        ({"grid": {"weightInits": {"count": 9}, "dataOrders": {"count": 9}, "sample": {"size": 9}}}, False),
        ({"pairs": [{"weightInit": i, "dataOrder": i} for i in range(8)]}, True),
        ({"pairs": [{"weightInit": i, "dataOrder": i} for i in range(9)]}, False),
        ({"single": {"count": 8}}, True),
        ({"single": {"values": list(range(9))}}, False),
    ],
    ids=str,
)
def test_the_policy_counts_episodes_of_every_form(
    control_plane: ControlPlane, limited: str, seeds: dict[str, Any], fits: bool
):
    passed, said = allowed(control_plane, limited, {"spec.seeds": seeds})
    assert passed == fits
    assert fits or "episodes, and a sweep may have 8 here" in said


@pytest.mark.parametrize(
    ("image", "fits"),
    [
        ("registry.example/ml/any/trainer:2", True),
        ("registry.example/mlx/trainer:2", False),
        ("example/trainer", True),
        ("example/trainer:0.1.0", True),
        ("example/trainer@sha256:" + "a" * 64, True),
        ("example/trainer-of-mine:1", False),
        ("example/trainer:5000/elsewhere", False),
        ("evil.example/registry.example/ml/trainer", False),
    ],
)
def test_the_policy_allows_listed_images_and_what_is_below_listed_folders(
    control_plane: ControlPlane, limited: str, image: str, fits: bool
):
    passed, said = allowed(control_plane, limited, {"spec.trainer.image": image})
    assert passed == fits
    assert fits or f"spec.trainer.image {image} is not among the images allowed here" in said


def test_the_policy_asks_for_the_queue_and_only_where_it_holds(
    control_plane: ControlPlane, limited: str, namespace: str
):
    code, said = post(control_plane, limited, sweep())
    assert code == 422
    assert "has to set kueue.x-k8s.io/queue-name" in said
    nameless = {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": ""}}}
    assert post(control_plane, limited, sweep({"spec.podTemplate": nameless}))[0] == 422
    assert post(control_plane, "default", sweep())[0] == 201


def test_the_queue_cannot_be_left_while_a_sweep_is_suspended(control_plane: ControlPlane, limited: str):
    suspended = sweep({**QUEUED, "spec.suspend": True, "metadata.name": "suspended"})
    path = f"/apis/{API_VERSION}/namespaces/{limited}/seedsweeps"
    control_plane.create(path, suspended)
    code, said = control_plane.request("PATCH", f"{path}/suspended", {"spec": {"podTemplate": None}})
    assert (code, "has to set kueue.x-k8s.io/queue-name" in str(said)) == (422, True)
    assert control_plane.request("PATCH", f"{path}/suspended", {"spec": {"suspend": False}})[0] == 200


def test_a_second_release_beside_the_first_limits_sweeps_by_default_and_in_its_own_namespaces(
    control_plane: ControlPlane, installed: str, namespace: str
):
    home = f"{namespace}-home"
    control_plane.create("/api/v1/namespaces", {"metadata": {"name": home}})
    where = [f"--namespace={home}", f"--kubeconfig={control_plane.kubeconfig()}"]
    values = {"watch": {"namespaces": [namespace]}, "rbac": {"aggregate": False}}
    too_many = sweep({"spec.seeds": {"single": {"count": 1001}}})
    run_helm("install", "second", str(CHART), *where, values=values)
    try:
        refused = poll(
            lambda: next((said for code, said in [post(control_plane, namespace, too_many)] if code == 422), None)
        )
        assert "gives 1001 episodes, and a sweep may have 1000 here" in refused
        assert post(control_plane, namespace, sweep({"spec.seeds": {"single": {"count": 1000}}}))[0] == 201
        assert post(control_plane, "default", too_many)[0] == 201
    finally:
        run_helm("uninstall", "second", *where)
        control_plane.request("DELETE", f"/api/v1/namespaces/{home}")


def test_an_upgrade_says_how_to_bring_definitions_up_to_date_and_that_does(control_plane: ControlPlane, installed: str):
    old = {"spec": {"names": {"shortNames": ["old"]}}}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/seedsweeps.seedsweep.io"
    assert control_plane.request("PATCH", path, old)[0] == 200
    said = release(control_plane, "upgrade", str(CHART), values=VALUES)
    assert control_plane.request("GET", path)[1]["spec"]["names"]["shortNames"] == ["old"]
    (line,) = re.findall(r"helm show crds CHART \| kubectl (.*)", said)
    run_kubectl(control_plane, *line.split(), given=run_helm("show", "crds", str(CHART)))
    assert control_plane.request("GET", path)[1]["spec"]["names"]["shortNames"] == ["ssw"]


def test_uninstalling_leaves_sweeps_and_their_record(control_plane: ControlPlane, installed: str, namespace: str):
    path = f"/apis/{API_VERSION}/namespaces/{namespace}"
    uid = control_plane.create(f"{path}/seedsweeps", sweep())["metadata"]["uid"]
    release(control_plane, "uninstall")
    try:
        assert control_plane.request("GET", f"{path}/seedsweeps/demo")[1]["metadata"]["uid"] == uid
        assert control_plane.request("GET", f"{path}/episodes")[0] == 200
        code, left = control_plane.request("GET", f"/apis/apps/v1/namespaces/{HOME}/deployments")
        assert (code, left["items"]) == (200, [])
    finally:
        release(control_plane, "install", str(CHART), values=VALUES)
