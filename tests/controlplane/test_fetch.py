"""`seedsweep fetch` on a real API server: real weights by the proxy, and what few rights and half a sweep lead to."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification, BertConfig

from cluster.controlplane import ControlPlane
from cluster.fetch_program import FOLDER, stored
from cluster.objects import make_claim
from cluster.own_network import run_there
from cluster.recorded import KINDS, Cluster
from host.runners import read_until, runner
from inputs import records
from seedsweep.report.beside import read_beside
from seedsweep.report.findings.verdict import verdict_of
from seedsweep.report.record import read_record
from seedsweep_trainer.storage.durable import whole_folder

PATIENCE = 600
"""Seconds."""


@pytest.fixture
def cluster(control_plane: ControlPlane, kinds: None, namespace: str) -> Cluster:
    found = Cluster(control_plane, namespace, stored(records.finished()))
    found.write()
    return found


@pytest.fixture
def viewer(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("KUBECONFIG", str(cluster.control_plane.kubeconfig("viewer", cluster.namespace)))
    return "viewer"


def fetched(to: Path) -> tuple[int, str]:
    with runner("fetch", "rte", "--to", str(to)) as process:
        try:
            said, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            pytest.fail(f"no end after {PATIENCE} s: {said}")
    return process.returncode, said


def pods_of(cluster: Cluster) -> list[str]:
    _, found = cluster.control_plane.request("GET", f"/api/v1/namespaces/{cluster.namespace}/pods")
    return [pod["metadata"]["name"] for pod in found["items"] if not pod["metadata"].get("deletionTimestamp")]


def test_real_weights_come_through_the_api_servers_proxy_with_the_record_and_load(tmp_path: Path) -> None:
    claim, to = tmp_path / "claim", tmp_path / "winner"
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=1000)
    model = AutoModelForSequenceClassification.from_config(config)
    (claim / FOLDER).parent.mkdir(parents=True)
    with whole_folder(claim / FOLDER) as folder:
        model.save_pretrained(folder)
        (folder / "README.md").write_text("# rte\n")
    run = tmp_path / "run"
    run.mkdir()
    records.write_with_answers(run, records.finished())
    (run / "attempts").rename(claim / "attempts")
    assert "0 pods are left" in run_there("cluster.fetch_program", claim, to)
    loaded = AutoModelForSequenceClassification.from_pretrained(to / "best")
    assert all(map(lambda a, b: a.equal(b), loaded.state_dict().values(), model.state_dict().values()))
    record = read_record(to)
    assert [episode.status for episode in record.episodes] == [e.status for e in records.finished().episodes]
    assert (to / "report.html").stat().st_size > 10_000
    known = read_beside(to, record)
    assert known.found.keys() == records.known(records.finished()).found.keys()
    assert verdict_of(record, known).withheld == ()
    assert (to / "curves.csv").read_text().count("\n") > 8
    assert json.loads((to / "best" / "manifest.json").read_text()).keys() >= {"README.md", "model.safetensors"}
    assert list(tmp_path.glob(".*")) == [], "nothing is left beside the folder"


def test_a_report_of_a_sweep_takes_the_right_to_look_and_no_other(
    cluster: Cluster, viewer: str, tmp_path: Path
) -> None:
    cluster.allow(viewer, *KINDS)
    with runner("report", "sweep/rte", "--to", str(tmp_path / "rte")) as process:
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    record = read_record(tmp_path / "rte")
    assert [episode.status for episode in record.episodes] == [e.status for e in records.finished().episodes]
    assert (tmp_path / "rte" / "report.html").stat().st_size > 10_000
    assert (tmp_path / "rte" / "report" / "curves.pdf").exists()
    assert 'Not all that the report compares models by came: pods is forbidden: User "viewer" cannot create' in said


def test_without_the_right_to_the_proxy_it_says_so_and_how_to_copy_and_leaves_no_pod(
    cluster: Cluster, viewer: str, tmp_path: Path
) -> None:
    make_claim(cluster.control_plane, cluster.namespace, "team")
    cluster.publish()
    cluster.allow(viewer, *KINDS, pods=["create", "get", "delete"])
    code, said = fetched(tmp_path / "winner")
    assert code == 2
    assert 'User "viewer" cannot get resource "pods/proxy"' in said
    assert f"kubectl -n {cluster.namespace} cp POD:/mnt/{FOLDER}" in said
    assert "Traceback" not in said
    assert pods_of(cluster) == []
    assert not (tmp_path / "winner").exists()


def test_ctrl_c_while_the_pod_waits_tells_why_it_waits_and_leaves_none(
    cluster: Cluster, viewer: str, tmp_path: Path
) -> None:
    cluster.publish()
    cluster.allow(viewer, *KINDS, pods=["create", "get", "delete"])
    with runner("fetch", "rte", "--to", str(tmp_path / "winner")) as process:
        assert read_until(process, 'persistentvolumeclaim "team" not found', 1)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    assert process.returncode == 130
    assert "the same command resumes" in rest
    assert pods_of(cluster) == []


def test_without_the_right_to_pods_it_says_so_and_how_to_copy(cluster: Cluster, viewer: str, tmp_path: Path) -> None:
    cluster.publish()
    cluster.allow(viewer, *KINDS)
    code, said = fetched(tmp_path / "winner")
    assert code == 2
    assert 'User "viewer" cannot create resource "pods"' in said
    assert "cp POD:/mnt/" in said


def test_what_a_viewer_may_not_read_is_named(cluster: Cluster, viewer: str, tmp_path: Path) -> None:
    cluster.publish()
    cluster.allow(viewer, "seedsweeps")
    code, said = fetched(tmp_path / "winner")
    assert code == 2
    assert said.startswith('episodes.seedsweep.io is forbidden: User "viewer" cannot list')


def test_a_sweep_that_is_not_over_has_nothing_to_fetch_yet(cluster: Cluster, viewer: str, tmp_path: Path) -> None:
    cluster.allow(viewer, *KINDS)
    code, said = fetched(tmp_path / "winner")
    assert code == 2
    assert "rte is not over" in said
    assert "seedsweep watch rte" in said
