"""The test cluster itself: what other tests take for granted of it."""

import ipaddress
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cluster.controlplane import ControlPlane
from cluster.loopback import Network
from cluster.polling import poll

Object = dict[str, Any]

TESTS = Path(__file__).parents[1]


def gpu_pod(name: str, gpus: int = 1) -> Object:
    trainer = {"name": "trainer", "image": "trainer:1", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    return {"metadata": {"name": name}, "spec": {"containers": [trainer], "restartPolicy": "Never"}}


class Pods:
    """Pods of one namespace, as admin."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._create = control_plane.create
        self._request = control_plane.request
        self._path = f"/api/v1/namespaces/{namespace}/pods"

    def create(self, pod: Object) -> Object:
        created: Object = self._create(self._path, pod)
        return created

    def get(self, name: str) -> tuple[int, Object]:
        return self._request("GET", f"{self._path}/{name}")

    def delete(self, name: str, **options: Any) -> int:
        return self._request("DELETE", f"{self._path}/{name}", options)[0]

    def patch_status(self, name: str, status: Object) -> int:
        return self._request("PATCH", f"{self._path}/{name}/status", {"status": status})[0]

    def in_phase(self, name: str, phase: str) -> Object:
        """The pod once it is in a phase."""

        def look() -> Object | None:
            _, pod = self.get(name)
            return pod if pod["status"]["phase"] == phase else None

        return poll(look)

    def gone(self, name: str) -> None:
        """Wait until it is gone."""
        poll(lambda: {} if self.get(name)[0] == 404 else None)


@pytest.fixture
def pods(control_plane: ControlPlane, namespace: str) -> Pods:
    return Pods(control_plane, namespace)


def test_scheduled_pods_run_on_a_loopback_address_each(control_plane: ControlPlane, pods: Pods) -> None:
    for number in range(20):
        pods.create(gpu_pod(f"pod-{number}"))
    running = [pods.in_phase(f"pod-{number}", "Running") for number in range(20)]
    addresses = {pod["status"]["podIP"] for pod in running}
    assert len(addresses) == 20
    network = ipaddress.ip_network(control_plane.network.pods, strict=False)
    assert all(ipaddress.ip_address(address) in network for address in addresses)
    assert all(pod["status"]["containerStatuses"][0]["state"].keys() == {"running"} for pod in running)


def test_pod_that_asks_for_more_gpus_than_a_node_has_stays_pending_and_says_why(pods: Pods) -> None:
    pods.create(gpu_pod("greedy", gpus=9))

    def refusal() -> Object | None:
        conditions: list[Object] = pods.get("greedy")[1]["status"].get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == "PodScheduled"), None)

    condition = poll(refusal)
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in condition["message"]


def test_pod_whose_status_says_that_it_ended_stays_ended(pods: Pods) -> None:
    pods.create(gpu_pod("done"))
    pods.in_phase("done", "Running")
    assert pods.patch_status("done", {"phase": "Succeeded"}) == 200
    pods.create(gpu_pod("later"))
    pods.in_phase("later", "Running")
    assert pods.get("done")[1]["status"]["phase"] == "Succeeded"


def test_pod_whose_container_waits_stays_pending(pods: Pods) -> None:
    pods.create(gpu_pod("unpullable"))
    pods.in_phase("unpullable", "Running")
    waiting = {
        "name": "trainer",
        "image": "trainer:1",
        "ready": False,
        "state": {"waiting": {"reason": "ImagePullBackOff"}},
    }
    assert pods.patch_status("unpullable", {"phase": "Pending", "containerStatuses": [waiting]}) == 200
    pods.create(gpu_pod("later"))
    pods.in_phase("later", "Running")
    assert pods.get("unpullable")[1]["status"]["phase"] == "Pending"


def test_deleted_pod_goes_without_waiting_for_its_grace_period(pods: Pods) -> None:
    patient = gpu_pod("loser")
    patient["spec"]["terminationGracePeriodSeconds"] = 3600
    pods.create(patient)
    pods.in_phase("loser", "Running")
    assert pods.delete("loser") == 200
    pods.gone("loser")


def test_what_an_object_owns_is_collected_with_it(control_plane: ControlPlane, namespace: str, pods: Pods) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    owner = control_plane.create(path, {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    owned = gpu_pod("owned")
    owned["metadata"]["ownerReferences"] = [reference]
    pods.create(owned)
    control_plane.request("DELETE", f"{path}/owner")
    pods.gone("owned")


def test_audit_log_shows_who_deleted_what_under_which_precondition(
    control_plane: ControlPlane, namespace: str, pods: Pods
) -> None:
    since = control_plane.audit_position()
    uid = pods.create(gpu_pod("loser"))["metadata"]["uid"]
    assert pods.delete("loser", preconditions={"uid": "another"}) == 409
    assert pods.delete("loser", preconditions={"uid": uid}) == 200
    events = [event for event in control_plane.audit(since) if (event.namespace, event.user) == (namespace, "admin")]
    assert [(event.verb, event.resource, event.name, event.code) for event in events] == [
        ("create", "pods", "loser", 201),
        ("delete", "pods", "loser", 409),
        ("delete", "pods", "loser", 200),
    ]
    assert [event.body["preconditions"]["uid"] for event in events[1:] if event.body] == ["another", uid]


def test_every_answered_write_is_in_the_audit_log(control_plane: ControlPlane, pods: Pods) -> None:
    for number in range(50):
        since = control_plane.audit_position()
        pods.create(gpu_pod(f"pod-{number}"))
        names = [event.name for event in control_plane.audit(since) if event.verb == "create"]
        assert f"pod-{number}" in names


def test_user_without_a_role_is_refused(control_plane: ControlPlane, namespace: str) -> None:
    code, answer = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/pods", user="viewer")
    assert (code, answer["reason"]) == (403, "Forbidden")


def test_state_outlives_the_api_server(namespace: str) -> None:
    with ControlPlane() as control_plane:
        before = control_plane.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "kept"}})
        control_plane.kill_api_server()
        with pytest.raises(OSError, match="refused"):
            control_plane.request("GET", "/version")
        control_plane.start_api_server()
        assert control_plane.request("GET", "/api/v1/namespaces/default/configmaps/kept") == (200, before)


def test_namespace_quota_is_enforced(control_plane: ControlPlane, namespace: str) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    path = f"/api/v1/namespaces/{namespace}"
    control_plane.create(f"{path}/resourcequotas", quota)

    def refusal() -> Object | None:
        # Before it is counted, it lets pass, or refuses for that reason.
        code, answer = control_plane.request("POST", f"{path}/pods", gpu_pod("one-too-many"))
        return answer if code == 403 and "exceeded quota: none" in answer["message"] else None

    poll(refusal)


def test_kubectl_reads_what_the_kubeconfig_says(control_plane: ControlPlane, namespace: str) -> None:
    kubeconfig = control_plane.kubeconfig("admin", namespace)
    command = [str(control_plane.kubectl), f"--kubeconfig={kubeconfig}", "get", "serviceaccounts", "-o", "name"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert printed == "serviceaccount/default\n"


@pytest.mark.usefixtures("control_plane")
def test_cluster_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = "import json, signal; from cluster.controlplane import ControlPlane\n"
    program += "print(json.dumps(ControlPlane().daemons.pids()), flush=True); signal.pause()"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=TESTS, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    assert pids.keys() == {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    poll(lambda: None if any(Path(f"/proc/{pid}").exists() for pid in pids.values()) else {})


def test_two_networks_never_meet() -> None:
    first, second = Network(), Network()
    try:
        assert first.host != second.host
        assert not ipaddress.ip_network(first.pods, strict=False).overlaps(
            ipaddress.ip_network(second.pods, strict=False)
        )
    finally:
        first.close()
        second.close()
