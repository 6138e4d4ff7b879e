"""`seedsweep watch` and `wait` on a real API server: what people with few rights, or without an operator, see."""

import pytest

from cluster.controlplane import ControlPlane
from cluster.own_network import run_there
from cluster.recorded import KINDS, Cluster
from host.live_pages import news
from host.runners import read_until, runner
from inputs import records


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
    cluster.allow("viewer", *KINDS)
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


def test_a_page_shows_what_is_on_record_to_the_end(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.allow("viewer", *KINDS)
    as_user(cluster, "viewer", monkeypatch)
    with runner("watch", "rte", "--web") as process:
        told = news(process)
        first = next(told)
        assert "3 finished, 3 lost, 1 failed, 1 diverged" in first["head"]["cards"][1]["text"]
        assert 'cannot get resource "services/proxy"' in first["notice"]
        cluster.publish()
        # Each part holds only what has changed.
        last = {name: value for part in told for name, value in part.items()}
        process.communicate()
    assert process.returncode == 0
    assert last["ending"]["words"].startswith("rte is complete: best 0.")
    commands = [command for step in last["ending"]["steps"] for command in step["commands"]]
    assert f"seedsweep report sweep/rte -n {cluster.namespace}" in commands
    assert (last["head"]["phase"], last["notice"]) == ("Complete", "")


def test_a_script_waits_with_the_right_to_sweeps_alone(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.allow("viewer", "seedsweeps")
    as_user(cluster, "viewer", monkeypatch)
    with runner("wait", "rte", "--for", "cut") as process:
        said, _ = process.communicate()
    assert (process.returncode, said.split(", ")[0]) == (0, "rte: the cut at evaluation 6 has kept 3 of 8")
    with runner("wait", "rte", "--timeout", "1s") as process:
        said, _ = process.communicate()
    assert process.returncode == 124
    assert said.startswith("rte: not complete after 1 s")
    with runner("wait", "rte") as process:
        cluster.publish()
        said, _ = process.communicate()
    assert process.returncode == 0
    assert said.startswith("rte is complete: best 0.")


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


def test_a_sweep_is_watched_live_through_the_api_servers_proxy() -> None:
    printed = run_there("cluster.watch_program")
    assert int(printed.split()[-3]) > 0
    assert "✓ demo is complete" in printed
