"""From an empty GPU cluster to a winner, on a real node: run by test_node.py in a network of the node's own.

Two pretend GPUs for six episodes. In the middle, the release is upgraded and the operator's pod deleted.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from chart.rendering import CHART, HOME
from cluster import binaries
from cluster.controlplane import ControlPlane
from cluster.objects import RESTRICTED
from cluster.watched import OPERATOR, assert_as_recorded
from node.images import reference
from node.machine import USERS, Node
from node.network import NodeNetwork
from node.scraped import Scraped, scraped
from seedsweep.kube.objects.names import LABEL_EPISODE
from seedsweep.report.beside import read_beside
from seedsweep.report.findings.verdict import verdict_of
from seedsweep.report.record import read_record

GPUS = 2
EPISODES, KEPT = 6, 3
NAMESPACE = "nlp"
CLAIM = "sweeps"
CLAIM_UID = 65532
"""Whom both images run as."""
QUICKSTART = CHART.parents[1] / "examples" / "cluster" / "quickstart.yaml"
PATIENCE = 1500.0
SAID_WITHIN = 60.0
MISSING = "seedsweep-trainer:0.0.0"

Object = dict[str, Any]


@dataclass
class Story:
    """A cluster, and what was seen happen on it."""

    control_plane: ControlPlane
    node: Node
    storage: Path
    transcript: list[str] = field(default_factory=list)
    at_once: int = 0
    """The most trainers' pods that ran at one moment."""
    operators: set[str] = field(default_factory=set)
    """UIDs of the operator's pods that were there."""
    watched: str = ""
    """What `seedsweep watch` printed, from the first trainer that is read to the end."""
    trainers: list[Object] = field(default_factory=list)
    """Pods of episodes while they trained."""
    scraped: Scraped = field(init=False)
    """What Prometheus has seen, from before the operator was installed."""

    def run(self, command: str, *, given: str = "") -> str:
        """A line that a person types; what it prints, which is kept for the transcript."""
        return self.finish(self.begin(command), given=given)

    def begin(self, command: str) -> subprocess.Popen[str]:
        """A line that a person types in another terminal."""
        tools = [str(path.parent) for path in binaries.find(["kubectl", "helm"]).values()]
        environment = os.environ | {
            "KUBECONFIG": str(self.control_plane.kubeconfig(namespace=NAMESPACE)),
            "PATH": os.pathsep.join([*tools, str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HELM_CACHE_HOME": str(self.node.folder / "helm"),
        }
        pipe = subprocess.PIPE
        return subprocess.Popen(
            ["sh", "-c", command],
            env=environment,
            cwd=CHART.parents[1],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], *, given: str = "") -> str:
        """What it printed; it must have done what it was to do."""
        try:
            printed, _ = process.communicate(given, timeout=300)
        finally:
            process.kill()
        assert isinstance(process.args, list)
        command = os.fsdecode(process.args[-1])
        self.transcript.append(f"$ {command}\n{printed}")
        assert process.returncode == 0, f"{command}: {printed}\n{self.node.logs()}"
        return printed

    def items(self, path: str) -> list[Object]:
        """Objects at the API server."""
        code, found = self.control_plane.request("GET", path)
        assert code == 200, found
        items: list[Object] = found["items"]
        return items

    def sweep(self) -> Object:
        """As it stands."""
        (found,) = self.items(f"/apis/seedsweep.io/v1alpha1/namespaces/{NAMESPACE}/seedsweeps")
        return {"status": {}, **found}

    def stalled(self, name: str) -> Object:
        """What a sweep says about why it does not get on; empty while it says nothing."""
        path = f"/apis/seedsweep.io/v1alpha1/namespaces/{NAMESPACE}/seedsweeps/{name}"
        conditions = self.control_plane.request("GET", path)[1].get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == "Stalled" and c["status"] == "True"), {})

    def record(self, plural: str) -> list[Object]:
        """Episodes or cuts."""
        return self.items(f"/apis/seedsweep.io/v1alpha1/namespaces/{NAMESPACE}/{plural}")

    def episodes_pods(self) -> list[Object]:
        """All of the sweep's, but not those that keep house."""
        pods = self.items(f"/api/v1/namespaces/{NAMESPACE}/pods")
        return [pod for pod in pods if LABEL_EPISODE in pod["metadata"].get("labels", {})]

    def wait(self, reached: Callable[[], bool], what: str, *, within: float = PATIENCE) -> None:
        """Look until something is so, and keep an eye on pods meanwhile."""
        deadline = time.monotonic() + within
        while not reached():
            self._look()
            assert time.monotonic() < deadline, f"never {what}: {self.told()}"
            time.sleep(0.5)

    def told(self) -> str:
        """What the cluster says about itself, for a failure's message."""
        pods = [
            f"{pod['metadata']['namespace']}/{pod['metadata']['name']} {json.dumps(pod['status'])[:1500]}"
            for pod in self.items("/api/v1/pods")
        ]
        logs = subprocess.run(
            [
                str(self.control_plane.kubectl),
                f"--kubeconfig={self.control_plane.kubeconfig()}",
                *("logs", f"--namespace={HOME}", "deployment/seedsweep-operator", "--tail=40"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        status = json.dumps(self.sweep()["status"].get("conditions"), indent=1)
        return "\n".join([status, *pods, logs.stdout, logs.stderr, self.node.logs()])

    def _look(self) -> None:
        trainers = self.items(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io/component=trainer")
        self.at_once = max(self.at_once, sum(pod["status"]["phase"] == "Running" for pod in trainers))
        self.operators |= {pod["metadata"]["uid"] for pod in self.items(f"/api/v1/namespaces/{HOME}/pods")}


def prepare_storage(control_plane: ControlPlane, folder: Path) -> None:
    """A volume of the node's, and the claim on it."""
    folder.mkdir()
    os.chown(folder, CLAIM_UID, CLAIM_UID)
    control_plane.create(
        "/api/v1/persistentvolumes",
        {
            "metadata": {"name": CLAIM},
            "spec": {
                "capacity": {"storage": "10Gi"},
                "accessModes": ["ReadWriteMany"],
                "storageClassName": "",
                "hostPath": {"path": str(folder)},
                "claimRef": {"namespace": NAMESPACE, "name": CLAIM},
            },
        },
    )
    control_plane.create(
        f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims",
        {
            "metadata": {"name": CLAIM},
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "storageClassName": "",
                "resources": {"requests": {"storage": "10Gi"}},
            },
        },
    )


def quickstart() -> Object:
    """The example, for fewer episodes, with the image that the node has."""
    sweep: Object = YAML(typ="safe", pure=True).load(QUICKSTART)
    spec = sweep["spec"]
    spec["seeds"]["grid"]["weightInits"]["count"] = EPISODES // 2
    spec["parallelism"] = GPUS
    spec["trainer"]["image"] = spec["trainer"]["image"].removeprefix("REGISTRY/")
    return sweep


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    archives = [Path(path) for path in os.environ["SEEDSWEEP_ARCHIVES"].split(os.pathsep)]
    with ControlPlane(USERS, network=NodeNetwork()) as control_plane, Node(control_plane, gpus=GPUS) as node:
        node.load(archives)
        for name in (HOME, NAMESPACE):
            control_plane.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": RESTRICTED}})
        story = Story(control_plane, node, node.folder / "storage")
        prepare_storage(control_plane, story.storage)
        with scraped(control_plane, node.folder / "prometheus") as story.scraped:
            yield story
        print("\n".join(story.transcript))


@pytest.fixture(scope="module")
def installed(story: Story) -> Story:
    story.run(f"helm install seedsweep charts/seedsweep --namespace {HOME} --wait --timeout 3m")
    return story


@pytest.fixture(scope="module")
def swept(installed: Story) -> Story:
    """The sweep is over; it was disturbed twice."""
    story = installed
    story.run("kubectl apply -f -", given=json.dumps(quickstart()))
    story.wait(lambda: len(story.record("episodes")) >= 1, "an episode on record")
    story.wait(lambda: story.sweep()["status"].get("counts", {}).get("running", 0) >= 1, "a trainer that is read")
    story.trainers = story.episodes_pods()
    with story.begin("seedsweep watch quickstart") as watching:
        try:
            story.run(
                f"helm upgrade seedsweep charts/seedsweep --namespace {HOME} --set podAnnotations.again=yes --wait"
            )
            story.wait(lambda: bool(story.record("cuts")), "a cut")
            story.run(f"kubectl delete pod --namespace {HOME} --selector app.kubernetes.io/component=operator")
            story.wait(lambda: "completionTime" in story.sweep()["status"], "over")
            story.watched = story.finish(watching)
        finally:
            watching.kill()
    story.run("kubectl get ssw,epi,cuts")
    return story


def test_the_operator_is_a_pod_of_the_restricted_profile_with_the_charts_rights(installed: Story):
    (pod,) = [
        pod
        for pod in installed.items(f"/api/v1/namespaces/{HOME}/pods")
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "operator"
    ]
    assert pod["spec"]["serviceAccountName"] == "seedsweep-operator"
    assert pod["status"]["containerStatuses"][0]["image"] == reference("operator")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


def test_helm_test_passes(installed: Story):
    assert "Succeeded" in installed.run(f"helm test seedsweep --namespace {HOME}")


def test_more_episodes_than_gpus_end_with_a_winner_through_an_upgrade_and_a_lost_operator(swept: Story):
    status = swept.sweep()["status"]
    assert status["phase"] == "Complete", swept.told()
    assert status["best"]["score"] > 0.5
    assert len(swept.record("episodes")) == EPISODES
    assert swept.at_once <= GPUS
    assert len(swept.operators) >= 3


def test_who_watched_saw_the_cut_and_the_winner_through_an_upgrade_and_a_lost_operator(swept: Story):
    best = swept.sweep()["status"]["best"]
    assert "No live view from the operator" in swept.watched, "while there was none"
    assert "survivors train to the end" in swept.watched, "after the cut"
    assert f"by {best['episode']}" in swept.watched


def test_the_cut_kept_the_best(swept: Story):
    (cut,) = swept.record("cuts")
    assert (cut["data"]["keep"], len(cut["data"]["ranked"])) == (KEPT, EPISODES)
    scores = cut["data"]["scores"]
    assert scores == sorted(scores, reverse=True)


def test_no_pod_of_an_episode_is_left(swept: Story):
    swept.wait(lambda: not swept.episodes_pods(), "all gone", within=SAID_WITHIN)


def test_survivors_resumed_from_the_claim_instead_of_training_again(swept: Story):
    cost = swept.sweep()["status"]["cost"]
    assert cost["usefulSteps"] == 60 * KEPT + 30 * (EPISODES - KEPT)
    assert cost["wastedSteps"] == 0


def test_the_winner_is_handed_over_on_the_claim_with_its_card_and_test_score(swept: Story):
    best = swept.sweep()["status"]["best"]
    claim, _, folder = best["weights"].partition(":")
    assert claim == f"persistentVolumeClaim/{CLAIM}"
    winner = swept.storage / folder
    assert json.loads((winner / "test.json").read_text())["score"] == best["test"]["score"]
    assert best["episode"] in (winner / "README.md").read_text()


def test_the_winner_is_fetched_through_the_api_server_and_loads(swept: Story, tmp_path: Path):
    said = swept.run(f"seedsweep fetch quickstart --to {tmp_path}/winner")
    winner = tmp_path / "winner" / "best"
    assert str(winner) in said
    # torch and transformers take seconds to import, and nothing before needs them.
    from transformers import AutoModelForSequenceClassification

    assert AutoModelForSequenceClassification.from_pretrained(winner).num_labels == 2
    record = read_record(tmp_path / "winner")
    assert verdict_of(record, read_beside(tmp_path / "winner", record)).withheld == (), "answers came home with it"


def test_a_trainers_pod_has_no_token_and_a_root_that_is_read_only(swept: Story):
    assert swept.trainers
    for pod in swept.trainers:
        mounts = pod["spec"]["containers"][0]["volumeMounts"]
        assert not [mount for mount in mounts if "serviceaccount" in mount["mountPath"]]
        assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_prometheus_was_told_the_scores_that_are_on_record(swept: Story):
    curves = {
        episode["metadata"]["labels"][LABEL_EPISODE]: episode["status"]["scores"]
        for episode in swept.record("episodes")
    }
    assert_as_recorded(swept.scraped.scores("quickstart"), curves)


def test_prometheus_has_followed_the_operator_through_an_upgrade_and_its_loss(swept: Story):
    status, found = swept.sweep()["status"], swept.scraped

    def when_complete(metric: str) -> set[float]:
        # Of the operator that saw the end: those before it told of earlier bests, and are remembered for a while.
        told = found.ever(f'{metric} and on (sweep, pod) seedsweep_sweep_phase{{phase="Complete"}}')
        return {float(value) for series in told for _, value in series["values"]}

    swept.wait(lambda: bool(when_complete("seedsweep_best_score")), "scraped when it was over", within=SAID_WITHIN)
    assert when_complete("seedsweep_best_score") == {status["best"]["score"]}
    assert when_complete("seedsweep_cut_threshold_score") == {status["cuts"][0]["threshold"]}
    assert len({series["metric"]["pod"] for series in found.ever(f'up{{job="{OPERATOR}"}} == 1')}) >= 3
    assert found.ever('ALERTS{alertstate="firing"}') == []
    quantiles = found.ever("namespace_sweep:seedsweep_validation_score:quantile")
    assert {series["metric"]["quantile"] for series in quantiles} == {"0", "0.25", "0.5", "0.75", "1"}


def test_a_trainers_image_that_is_not_there_is_said_by_the_sweep(swept: Story):
    sweep = quickstart()
    sweep["metadata"]["name"] = "mistyped"
    sweep["spec"]["trainer"]["image"] = MISSING
    del sweep["spec"]["storage"]
    swept.run("kubectl apply -f -", given=json.dumps(sweep))
    try:
        swept.wait(lambda: bool(swept.stalled("mistyped")), "stalled", within=SAID_WITHIN)
        found = swept.stalled("mistyped")
    finally:
        swept.run("kubectl delete ssw mistyped --wait")
    assert found["reason"] == "CannotBegin"
    assert MISSING in found["message"]


def test_an_operators_image_that_is_not_there_is_said_by_its_pod(swept: Story):
    swept.run(f"helm upgrade seedsweep charts/seedsweep --namespace {HOME} --set image.tag=0.0.0")

    def said() -> list[str]:
        pods = swept.items(f"/api/v1/namespaces/{HOME}/pods")
        states = [state for pod in pods for state in pod["status"].get("containerStatuses", ())]
        return [state["state"]["waiting"].get("message", "") for state in states if "waiting" in state["state"]]

    try:
        swept.wait(lambda: any(":0.0.0" in message for message in said()), "told", within=SAID_WITHIN)
    finally:
        swept.run(f"helm rollback seedsweep --namespace {HOME} --wait")


def test_uninstalling_leaves_the_sweep_its_record_and_its_data(swept: Story):
    before = swept.sweep()["status"]["best"]
    swept.run(f"helm uninstall seedsweep --namespace {HOME} --wait")
    assert swept.sweep()["status"]["best"] == before
    assert len(swept.record("episodes")) == EPISODES
    assert list(swept.storage.rglob("*.safetensors"))
