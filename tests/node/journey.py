"""From an empty GPU cluster to a winner, on a real node: run by test_node.py in a network of the node's own.

Two pretend GPUs for six episodes. In the middle, the release is upgraded and the operator's pod deleted. Then trainers
of one's own, whose survivors are averaged.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from chart.rendering import CHART, HOME
from cluster.controlplane import ControlPlane
from cluster.objects import RESTRICTED
from cluster.watched import OPERATOR, assert_as_recorded
from node.images import reference
from node.machine import USERS, Node
from node.network import NodeNetwork
from node.own_trainer import AVERAGED, FAILING, best_weights, handed_over, run_both
from node.scraped import scraped
from node.story import CLAIM, NAMESPACE, Object, Story, prepare_storage
from seedsweep.kube.housekeeping.scoring import SCORE
from seedsweep.kube.objects.names import LABEL_EPISODE
from seedsweep.kube.pods.manifest import CONTAINER as TRAINER
from seedsweep.kube.pods.manifest import STORAGE
from seedsweep.report.beside import read_beside
from seedsweep.report.findings.verdict import verdict_of
from seedsweep.report.record import read_record

GPUS = 2
EPISODES, KEPT = 6, 3
FILE = CHART.parents[1] / "examples" / "cluster" / "quickstart.yaml"
SAID_WITHIN = 60.0
MISSING = "seedsweep-trainer:0.0.0"


def quickstart() -> Object:
    """The example, for fewer episodes, with the image that the node has."""
    sweep: Object = YAML(typ="safe", pure=True).load(FILE)
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
    story.trainers = story.pods(TRAINER)
    with story.begin("seedsweep watch quickstart") as watching:
        try:
            story.run(
                f"helm upgrade seedsweep charts/seedsweep --namespace {HOME} --wait "
                f"--set housekeeping.image={reference('trainer')}"
            )
            story.wait(lambda: bool(story.record("cuts")), "a cut")
            story.run(f"kubectl delete pod --namespace {HOME} --selector app.kubernetes.io/component=operator")
            story.wait(lambda: "completionTime" in story.sweep()["status"], "over")
            story.watched = story.finish(watching)
        finally:
            watching.kill()
    story.run("kubectl get ssw,epi,cuts")
    return story


@pytest.fixture(scope="module")
def averaged(swept: Story) -> list[Object]:
    """Two sweeps with a trainer of one's own are over: the housekeeping pods of the one whose average is scored."""
    return run_both(swept)


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
    swept.wait(lambda: not swept.pods(TRAINER), "all gone", within=SAID_WITHIN)


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


def test_an_average_of_an_own_trainer_is_made_scored_by_its_command_and_handed_over(
    swept: Story, averaged: list[Object]
):
    status = swept.sweep(AVERAGED)["status"]
    assert status["phase"] == "Complete", swept.told()
    average = status["best"]["average"]
    assert average["handedOver"], average
    assert average["members"] == len(average["episodes"]) == 2
    assert average["score"] >= average["membersScore"] > 0.5
    assert json.loads((handed_over(swept, AVERAGED) / "average.json").read_text())["score"] == average["score"]


def test_the_score_command_ran_in_a_container_of_its_own_without_a_gpu_and_without_the_storage(
    averaged: list[Object],
):
    scores = [part for pod in averaged for part in pod["spec"].get("initContainers", ()) if part["name"] == SCORE]
    assert scores
    for score in scores:
        assert not [name for kind in score["resources"].values() for name in kind if "/" in name]
        assert STORAGE not in {mount["mountPath"] for mount in score["volumeMounts"]}


def test_what_is_fetched_is_the_mean_of_the_members_weights(swept: Story, averaged: list[Object], tmp_path: Path):
    swept.run(f"seedsweep fetch {AVERAGED} --to {tmp_path}/own")
    found = load_file(tmp_path / "own" / "best" / "model.safetensors")
    episodes = swept.sweep(AVERAGED)["status"]["best"]["average"]["episodes"]
    members = [best_weights(swept, AVERAGED, episode) for episode in episodes]
    assert found.keys() == members[0].keys()
    for name, tensor in found.items():
        assert not np.array_equal(members[0][name], members[1][name])
        np.testing.assert_array_equal(tensor, sum(member[name] for member in members) / len(members))


def test_where_the_score_command_fails_the_winner_is_handed_over_with_the_reason(swept: Story, averaged: list[Object]):
    status = swept.sweep(FAILING)["status"]
    assert status["phase"] == "Complete", swept.told()
    average = status["best"]["average"]
    assert not average.get("handedOver", False)
    # It has looked for the storage.
    assert average["reason"].startswith("it could not be scored: the score command ended with exit code 2: ls: ")
    assert STORAGE in average["reason"]
    winner = best_weights(swept, FAILING, status["best"]["episode"])
    for name, tensor in load_file(handed_over(swept, FAILING) / "model.safetensors").items():
        np.testing.assert_array_equal(tensor, winner[name])


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
