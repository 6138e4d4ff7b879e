"""kube-linter's default checks, on all that the chart makes, with the least and with everything switched on.

The tool itself is in none of the package registries; what it checks is written down here, by its own names.
"""

from typing import Any

import pytest

from chart.rendering import EVERYTHING, THROUGH_PROMETHEUS, Object, of_kind, pods_of, render, the

PLAIN_WORDS_OF_SECRETS = ("secret", "password", "token", "key")


@pytest.fixture(
    scope="module", params=[None, EVERYTHING, THROUGH_PROMETHEUS], ids=["least", "everything", "through Prometheus"]
)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return render(request.param)


@pytest.fixture(scope="module")
def pods(objects: list[Object]) -> list[Object]:
    found = list(pods_of(objects))
    assert len(found) == 2  # the operator and the chart's test
    return found


@pytest.fixture(scope="module")
def containers(pods: list[Object]) -> list[Object]:
    return [container for pod in pods for container in pod["containers"]]


def ports_of(container: Object) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container.get("ports", ())}


def labels_of(workload: Object) -> dict[str, str]:
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def test_dangling_service_and_invalid_target_ports(objects: list[Object]):
    (workload,) = of_kind(objects, "Deployment")
    for service in of_kind(objects, "Service"):
        assert service["spec"]["selector"].items() <= labels_of(workload).items()
        known = ports_of(workload["spec"]["template"]["spec"]["containers"][0])
        assert all(port["targetPort"] in known for port in service["spec"]["ports"])


def test_exposed_services(objects: list[Object]):
    assert all(service["spec"].get("type", "ClusterIP") == "ClusterIP" for service in of_kind(objects, "Service"))


def test_mismatching_selector(objects: list[Object]):
    for workload in of_kind(objects, "Deployment"):
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels_of(workload).items()


def test_non_existent_service_account_and_deprecated_field(objects: list[Object], pods: list[Object]):
    made = {account["metadata"]["name"] for account in of_kind(objects, "ServiceAccount")}
    for pod in pods:
        assert "serviceAccount" not in pod
        assert pod.get("serviceAccountName") in made | {None}


def test_default_service_account_gets_no_token(pods: list[Object]):
    assert all("serviceAccountName" in pod or pod["automountServiceAccountToken"] is False for pod in pods)


def test_latest_tag(containers: list[Object]):
    for container in containers:
        tag = container["image"].split("@")[0].rsplit("/", 1)[-1].partition(":")[2]
        assert tag not in ("", "latest")


def test_host_namespaces_and_sensitive_host_mounts_and_docker_sock(pods: list[Object]):
    for pod in pods:
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        assert not [volume for volume in pod.get("volumes", ()) if "hostPath" in volume]


def test_privileged_and_escalating_containers_and_capabilities(containers: list[Object]):
    for container in containers:
        context = container["securityContext"]
        assert not context.get("privileged")
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "procMount" not in context


def test_run_as_non_root_and_unsafe_sysctls(pods: list[Object]):
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] >= 10_000
        assert "sysctls" not in pod["securityContext"]


def test_no_read_only_root_file_system(containers: list[Object]):
    assert all(container["securityContext"]["readOnlyRootFilesystem"] is True for container in containers)


def test_unset_cpu_and_memory_requirements(containers: list[Object]):
    for container in containers:
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_probes_ask_a_port_that_the_container_opens(objects: list[Object]):
    for workload in of_kind(objects, "Deployment"):
        for container in workload["spec"]["template"]["spec"]["containers"]:
            probes = [container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
            assert all(probe["httpGet"]["port"] in ports_of(container) for probe in probes)


def test_ssh_port(containers: list[Object]):
    assert not [container for container in containers if 22 in ports_of(container).values()]


def test_env_var_secret_and_duplicate_env_var(containers: list[Object]):
    for container in containers:
        names = [variable["name"] for variable in container.get("env", ())]
        assert len(names) == len(set(names))
        assert not [name for name in names if any(word in name.lower() for word in PLAIN_WORDS_OF_SECRETS)]


def test_no_anti_affinity_is_needed_by_one_replica(objects: list[Object]):
    workload = the(objects, "Deployment", "seedsweep-operator")
    assert workload["spec"]["replicas"] == 1
    assert workload["spec"]["strategy"] == {"type": "Recreate"}


def test_no_extensions_v1beta(objects: list[Object]):
    assert not [found for found in objects if "beta" in found["apiVersion"] or "extensions" in found["apiVersion"]]


def test_wildcards_and_access_to_secrets_and_to_creating_rights(objects: list[Object]):
    for role in [*of_kind(objects, "Role"), *of_kind(objects, "ClusterRole")]:
        for rule in role["rules"]:
            everything: list[Any] = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "*" not in everything
            assert not {"secrets", "roles", "clusterroles", "pods/exec", "pods/attach"} & set(rule["resources"])
