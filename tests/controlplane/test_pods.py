"""Pods of episodes on a real API server and scheduler: what they take of a pod, and what they tell of it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster.controlplane import ControlPlane
from cluster.objects import RESTRICTED
from cluster.polling import PATIENCE, PERIOD, poll
from inputs.pod_sweeps import EVERYTHING, START, sweep_with
from seedsweep.api.reading.parse import load_sweep
from seedsweep.engine.decisions import StartEpisode
from seedsweep.kube.pods.facts import PodFacts, facts_of
from seedsweep.kube.pods.manifest import PodSettings, pod_manifest, pod_problems

EXAMPLES = Path(__file__).parents[2] / "examples"

Object = dict[str, Any]


@pytest.fixture
def restricted(control_plane: ControlPlane, namespace: str) -> str:
    """A namespace that takes only pods of the restricted profile."""
    labels = {"metadata": {"labels": RESTRICTED}}
    code, answer = control_plane.request("PATCH", f"/api/v1/namespaces/{namespace}", labels)
    assert code == 200, answer
    # The API server hears of labels in its own time.
    poll(lambda: tried(control_plane, namespace, unrestricted(namespace))[0] == 403 or None)
    return namespace


def unrestricted(namespace: str) -> Object:
    """A pod that is not of that profile."""
    manifest = pod_manifest(sweep_with(namespace=namespace), START)
    del manifest["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"]
    return manifest


def tried(control_plane: ControlPlane, namespace: str, manifest: Object) -> tuple[int, Object]:
    """The answer to a pod that is not created."""
    return control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", manifest)


@pytest.mark.parametrize("fields", [{}, EVERYTHING], ids=["least", "everything"])
def test_a_pod_of_the_restricted_profile_is_accepted_as_it_was_meant(
    control_plane: ControlPlane, restricted: str, fields: dict[str, Any]
):
    manifest = pod_manifest(sweep_with(fields, restricted), replace(START, avoid_node="node-7"))
    code, answer = tried(control_plane, restricted, manifest)
    assert code == 201, answer
    assert dropped(manifest["spec"], answer["spec"]) == []


FOR_CLUSTERS = ["quickstart", "kueue", "volcano", "mig", "shared-gpu", "claimed-gpu"]


@pytest.mark.parametrize("example", FOR_CLUSTERS)
def test_pods_of_the_examples_for_clusters_are_accepted_as_they_were_meant(
    control_plane: ControlPlane, restricted: str, example: str
):
    sweep = load_sweep(EXAMPLES / f"{example}.yaml")
    sweep = sweep.evolve(metadata=sweep.metadata.evolve(namespace=restricted, uid="sweep-uid"))
    assert pod_problems(sweep, PodSettings()) == []
    manifest = pod_manifest(sweep, START)
    code, answer = tried(control_plane, restricted, manifest)
    assert code == 201, answer
    assert dropped(manifest["spec"], answer["spec"]) == []


def test_the_restricted_profile_is_really_held_to(control_plane: ControlPlane, restricted: str):
    code, answer = tried(control_plane, restricted, unrestricted(restricted))
    assert code == 403
    assert "violates PodSecurity" in answer["message"]


def dropped(sent: Any, taken: Any, path: str = "") -> list[str]:
    """Where the API server did not take what was sent: it ignores fields that it does not know."""
    if isinstance(sent, dict):
        return [lost for key, value in sent.items() for lost in dropped(value, (taken or {}).get(key), f"{path}.{key}")]
    if isinstance(sent, list):
        taken = [*(taken or ()), *[None] * len(sent)]
        return [lost for i, value in enumerate(sent) for lost in dropped(value, taken[i], f"{path}[{i}]")]
    return [] if str(sent) == str(taken) else [f"{path}: {sent} became {taken}"]


def created(
    control_plane: ControlPlane,
    namespace: str,
    fields: dict[str, Any],
    holds: Callable[[PodFacts], object],
    start: StartEpisode = START,
) -> PodFacts:
    """The facts of a new pod as soon as something holds of it."""
    manifest = pod_manifest(sweep_with(fields, namespace), start)
    # There is no such sweep, and what it owns would be collected.
    del manifest["metadata"]["ownerReferences"]
    control_plane.create(f"/api/v1/namespaces/{namespace}/pods", manifest)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        _, pod = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/pods/{manifest['metadata']['name']}")
        facts = facts_of(pod)
        assert facts is not None
        if holds(facts):
            return facts
        time.sleep(PERIOD)
    raise AssertionError(f"never seen: {facts}")


def test_a_pod_that_runs_says_where(control_plane: ControlPlane, namespace: str):
    facts = created(control_plane, namespace, {}, lambda facts: facts.running)
    assert facts.bound
    assert facts.node is not None
    assert facts.ip is not None
    assert (facts.episode, facts.stop_after, facts.trouble) == (START.episode, START.stop_after, "")


def test_a_pod_for_which_there_are_no_gpus_says_so(control_plane: ControlPlane, namespace: str):
    fields = {"spec.trainer.resources": {"limits": {"nvidia.com/gpu": 1000}}}
    facts = created(control_plane, namespace, fields, lambda facts: facts.trouble)
    assert facts.unschedulable
    assert "Insufficient nvidia.com/gpu" in facts.trouble


def test_a_pod_behind_a_gate_says_so_and_is_not_unschedulable(control_plane: ControlPlane, namespace: str):
    fields = {"spec.podTemplate": {"spec": {"schedulingGates": [{"name": "example.com/queue"}]}}}
    facts = created(control_plane, namespace, fields, lambda facts: facts.trouble)
    assert facts.trouble.startswith("SchedulingGated: ")
    assert not facts.unschedulable


@pytest.mark.parametrize(("failed", "other"), [("node-000", "node-001"), ("node-001", "node-000")])
def test_a_retry_runs_elsewhere_where_it_can(control_plane: ControlPlane, namespace: str, failed: str, other: str):
    two = {"key": "kubernetes.io/hostname", "operator": "In", "values": [failed, other]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [two]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    fields = {"spec.podTemplate": {"spec": {"affinity": affinity}}}
    retry = replace(START, avoid_node=failed)
    assert created(control_plane, namespace, fields, lambda facts: facts.node, retry).node == other


def test_a_retry_runs_where_it_failed_if_there_is_nothing_else(control_plane: ControlPlane, namespace: str):
    fields = {"spec.podTemplate": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "node-000"}}}}
    retry = replace(START, avoid_node="node-000")
    assert created(control_plane, namespace, fields, lambda facts: facts.node, retry).node == "node-000"
