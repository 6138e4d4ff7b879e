"""`seedsweep watch` on a real API server: what a person with few rights, and without an operator, gets to see."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import records
from cluster.beyond_loopback import ENTER
from cluster.controlplane import ControlPlane
from needs import lack
from runners import read_until, runner
from seedsweep.api.base import ApiModel
from seedsweep.kube import names

TESTS = Path(__file__).parents[1]
READ = ["get", "list"]

Object = dict[str, Any]


@dataclass
class Cluster:
    """A record as an operator would leave it in a namespace."""

    control_plane: ControlPlane
    namespace: str
    record: records.Record
    uid: str = ""

    @property
    def api(self) -> str:
        return f"/apis/seedsweep.io/v1alpha1/namespaces/{self.namespace}"

    def write(self) -> None:
        """Create the sweep, not over yet, with all its episodes and cuts."""
        self.uid = self.control_plane.create(f"{self.api}/seedsweeps", self._body(self.record.sweep))["metadata"]["uid"]
        self.publish(phase="Running", completion_time=None, conditions=[], best=None)
        for plural, owned in (("episodes", self.record.episodes), ("cuts", self.record.cuts)):
            for item in owned:
                body = self._body(item)
                body["metadata"]["labels"] = names.labels("rte", self.uid)
                body["metadata"]["ownerReferences"] = [names.owner_reference("rte", self.uid)]
                self.control_plane.create(f"{self.api}/{plural}", body)
                if "status" in body:
                    self._patch_status(f"{plural}/{item.metadata.name}", body["status"])

    def publish(self, **update: object) -> None:
        """Write the sweep's status, with parts of the record's replaced."""
        status = self.record.with_status(**update).status.model_dump(mode="json", by_alias=True, exclude_none=True)
        self._patch_status("seedsweeps/rte", status)

    def allow(self, user: str, *resources: str) -> None:
        """Let a user read kinds of ours in the namespace, and nothing else."""
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        rule = {"apiGroups": ["seedsweep.io"], "resources": list(resources), "verbs": READ}
        self.control_plane.create(f"{rbac}/roles", {"metadata": {"name": "look"}, "rules": [rule]})
        group = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"name": "look"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "look"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        }
        self.control_plane.create(f"{rbac}/rolebindings", binding)

    def _body(self, item: ApiModel) -> Object:
        body: Object = item.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
        return {"apiVersion": "seedsweep.io/v1alpha1", "kind": type(item).__name__, **body}

    def _patch_status(self, path: str, status: Object) -> None:
        code, answer = self.control_plane.request("PATCH", f"{self.api}/{path}/status", {"status": status})
        assert code == 200, answer


@pytest.fixture
def cluster(control_plane: ControlPlane, kinds: None, namespace: str) -> Cluster:
    found = Cluster(control_plane, namespace, records.finished())
    found.write()
    return found


def as_user(cluster: Cluster, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.control_plane.kubeconfig(user, cluster.namespace)))


def test_a_viewer_without_the_right_to_the_proxy_sees_the_record_to_the_end(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.allow("viewer", "seedsweeps", "episodes", "cuts")
    as_user(cluster, "viewer", monkeypatch)
    with runner("watch", "rte") as process:
        assert process.stdout is not None
        assert 'cannot get resource "services/proxy"' in process.stdout.readline()
        assert read_until(process, "3 finished, 3 lost, 1 failed, 1 diverged; best 0.", 1)
        cluster.publish()
        rest, _ = process.communicate()
    assert process.returncode == 0
    assert "✓ rte is complete" in rest
    assert f"kubectl -n {cluster.namespace} get cut rte-b0-r0 -o yaml" in rest


def test_without_an_operator_the_missing_service_is_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(cluster, "admin", monkeypatch)
    with runner("watch", "rte", "--operator", f"{cluster.namespace}/seedsweep-operator:http") as process:
        assert process.stdout is not None
        assert 'services "seedsweep-operator" not found' in process.stdout.readline()


def test_a_right_that_is_missing_is_named_and_ends_the_watch(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.allow("viewer", "seedsweeps")
    as_user(cluster, "viewer", monkeypatch)
    with runner("watch", "rte") as process:
        said, _ = process.communicate()
    assert process.returncode == 2
    assert said.startswith('episodes.seedsweep.io is forbidden: User "viewer" cannot list')
    assert "Traceback" not in said


def test_a_name_that_is_not_there_is_told_with_those_that_are(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(cluster, "admin", monkeypatch)
    with runner("watch", "ret") as process:
        said, _ = process.communicate()
    assert process.returncode == 2
    assert f"no SeedSweep ret in namespace {cluster.namespace}: there are rte" in said


def test_the_view_goes_on_after_the_api_server_was_away(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(cluster, "admin", monkeypatch)
    with runner("watch", "rte") as process:
        assert read_until(process, "Running: ", 1)
        cluster.control_plane.kill_api_server()
        try:
            assert read_until(process, "the API server cannot be reached", 1)
        finally:
            cluster.control_plane.start_api_server()
        cluster.publish()
        rest, _ = process.communicate()
    assert process.returncode == 0
    assert "✓ rte is complete" in rest


def test_a_sweep_is_watched_live_through_the_api_servers_proxy() -> None:
    if subprocess.run([*ENTER, "true"], capture_output=True, timeout=60, check=False).returncode != 0:
        lack("netns", "right to make a network of one's own (unshare --map-root-user --net)")
    program = [sys.executable, "-m", "cluster.beyond_loopback"]
    done = subprocess.run(
        [*ENTER, *program],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-3]) > 3
    assert "✓ demo is complete" in done.stdout
