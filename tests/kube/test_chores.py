"""The pod that keeps house in a sweep's storage: what it is told and allowed, and what it tells."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.garbage import IDENTITY, JSON, TEXTS, Path, altered, is_recordable
from inputs.pod_sweeps import CLAIM, EVERYTHING, OWN_TRAINER, START, sweep_with, values_of, with_pod_metadata
from seedsweep.api.housekeeping import HandOver, HousekeepingTask, Pruning
from seedsweep.api.sweep import SeedSweep
from seedsweep.contract.foreign import MAX_TEXT
from seedsweep.contract.message import MAX_REASON
from seedsweep.kube.housekeeping.manifest import (
    MAX_PRUNED,
    Chore,
    chore_of,
    clean_up_manifest,
    housekeeping_manifest,
    readable_place,
)
from seedsweep.kube.housekeeping.wanted import Wanted
from seedsweep.kube.objects import names
from seedsweep.kube.pods.manifest import STORAGE, PodSettings, pod_manifest

Object = dict[str, Any]

SETTINGS = PodSettings(housekeeping_image="house:1", housekeeping_requests={"cpu": "1"}, housekeeping_seconds=60)
OURS = sweep_with({"spec.storage": CLAIM})
THEIRS = sweep_with({**EVERYTHING, "spec.trainer": {**OWN_TRAINER, **EVERYTHING["spec.trainer"]}})
TASK = HousekeepingTask(
    prune=[Pruning(episode="wi0-do0"), Pruning(episode="wi0-do1", keep=7)],
    hand_over=HandOver(episode="wi0-do1", evaluation=7, card="# Card\n\n$(HOME) costs $$ 5"),
)


def manifest_of(sweep: SeedSweep = OURS, task: HousekeepingTask = TASK, attempt: int = 0) -> Object:
    return housekeeping_manifest(sweep, SETTINGS, task, attempt)


def container_of(sweep: SeedSweep = OURS) -> Object:
    containers: list[Object] = manifest_of(sweep)["spec"]["containers"]
    (container,) = containers
    return container


def live(pod: Object, **status: Any) -> Object:
    """As an API server shows it."""
    metadata = {**pod["metadata"], "uid": "pod-1", "resourceVersion": "7", "creationTimestamp": "2026-01-01T11:59:00Z"}
    return {**pod, "metadata": metadata, "status": {"phase": "Pending", **status}}


def ended(message: str, code: int = 0, /, **status: Any) -> Object:
    state = {"exitCode": code, "message": message, "finishedAt": "2026-01-01T11:59:30Z"}
    phase = "Succeeded" if code == 0 else "Failed"
    containers = [{"name": "trainer", "state": {"terminated": state}}]
    return live(manifest_of(), phase=phase, containerStatuses=containers, **status)


# --- what it is


def test_its_name_tells_the_sweep_and_no_episode_and_it_goes_with_the_sweep():
    metadata = manifest_of()["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("demo-housekeeping", "team")
    assert names.episode_of(metadata["name"]) is None
    assert names.owner_uid(metadata) == "sweep-uid"


def test_its_labels_find_it_as_the_sweeps_and_never_as_an_episodes():
    labels = manifest_of(THEIRS)["metadata"]["labels"]
    assert labels[names.LABEL_SWEEP_UID] == "sweep-uid"
    assert labels["app.kubernetes.io/component"] == "housekeeping"
    assert labels["team"] == "nlp"
    assert not {names.LABEL_EPISODE, names.LABEL_WEIGHT_INIT, names.LABEL_DATA_ORDER} & labels.keys()


def test_no_label_or_annotation_of_a_user_makes_it_another_pod():
    given = {"team": "nlp", names.LABEL_COMPONENT: "trainer", names.LABEL_EPISODE: "wi0-do0"}
    labels = manifest_of(with_pod_metadata(labels=given))["metadata"]["labels"]
    assert labels[names.LABEL_COMPONENT] == names.HOUSEKEEPING
    assert labels["team"] == "nlp"
    assert names.LABEL_EPISODE not in labels
    template = with_pod_metadata(annotations={names.ANNOTATION_STOP_AFTER: "1", names.ANNOTATION_ATTEMPT: "abc"})
    assert manifest_of(template, attempt=3)["metadata"]["annotations"] == {names.ANNOTATION_ATTEMPT: "3"}


def test_no_queue_makes_it_wait_for_gpus():
    template = {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "gpus"}}}
    assert (
        "kueue.x-k8s.io/queue-name" not in manifest_of(sweep_with({"spec.podTemplate": template}))["metadata"]["labels"]
    )
    assert not {"schedulingGates", "resourceClaims", "topologySpreadConstraints"} & manifest_of(THEIRS)["spec"].keys()


def test_it_asks_for_no_gpu_but_for_what_the_administrator_says():
    assert container_of(THEIRS)["resources"] == {"requests": {"cpu": "1"}}
    assert manifest_of()["spec"]["activeDeadlineSeconds"] == 60


def test_it_sees_what_episodes_see_and_may_run_where_they_may():
    ours, episodes = manifest_of(THEIRS)["spec"], pod_manifest(THEIRS, START)["spec"]
    for field in ("volumes", "nodeSelector", "tolerations", "imagePullSecrets", "securityContext"):
        assert ours[field] == episodes[field]
    for field in ("volumeMounts", "envFrom", "securityContext"):
        assert ours["containers"][0][field] == episodes["containers"][0][field]
    assert ours["affinity"]["nodeAffinity"] == episodes["affinity"]["nodeAffinity"]


def test_it_would_rather_run_beside_the_episodes_for_a_claim_may_be_attached_to_one_node_only():
    (preferred,) = manifest_of()["spec"]["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred["podAffinityTerm"] == {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {names.LABEL_SWEEP_UID: "sweep-uid"}},
    }


@pytest.mark.parametrize(("sweep", "image"), [(OURS, "trainer:1"), (THEIRS, "house:1")], ids=["ours", "theirs"])
def test_its_image_is_one_that_can_keep_house(sweep: SeedSweep, image: str):
    container = container_of(sweep)
    assert container["image"] == image
    assert container["command"] == ["seedsweep-trainer", "housekeep"]
    assert not {"args", "ports"} & container.keys()


# --- what it is told


def test_it_is_told_the_task_the_storage_and_the_configuration_and_of_no_episode():
    values = values_of(container_of())
    assert HousekeepingTask.model_validate_json(values["SEEDSWEEP_TASK"]) == TASK
    assert values["SEEDSWEEP_STORAGE_DIR"] == f"{STORAGE}/team/sweep-uid"
    assert json.loads(values["SEEDSWEEP_CONFIG"])["model"]
    assert {name for name in values if name.startswith("SEEDSWEEP_")} == {
        "SEEDSWEEP_TASK",
        "SEEDSWEEP_STORAGE_DIR",
        "SEEDSWEEP_CONFIG",
        "SEEDSWEEP_CONTRACT",
        "SEEDSWEEP_WORK_DIR",
        "SEEDSWEEP_TERMINATION_LOG",
    }


def test_credentials_of_the_trainer_are_its_own_and_a_foreign_configuration_is_not_its_business():
    given = [variable["name"] for variable in container_of(THEIRS)["env"]]
    assert "TOKEN" in given
    assert "SEEDSWEEP_CONFIG" not in given


def test_a_task_fits_into_one_variable_however_many_there_are_to_free():
    prune = {START.episode._replace(data_order=i): Pruning(episode=f"wi2147483647-do{10**9 + i}") for i in range(2100)}
    task = Wanted(prune, hand_over=TASK.hand_over).task()
    assert len(task.prune) == MAX_PRUNED
    assert task.hand_over is None, "the last one hands over"
    assert len(values_of(manifest_of(task=task)["spec"]["containers"][0])["SEEDSWEEP_TASK"]) < 128 * 1024 - 20


# --- what it tells


def test_what_it_was_asked_and_how_often_is_read_from_the_pod_itself():
    chore = chore_of(live(manifest_of(attempt=2)))
    assert chore is not None
    assert (chore.task, chore.attempt, chore.owner_uid, chore.end) == (TASK, 2, "sweep-uid", None)


def test_its_answer_is_its_termination_message():
    chore = chore_of(ended('{"weights":"/w","parameters":5}\n'))
    assert chore is not None
    assert chore.end is not None
    assert (chore.end.answer.weights, chore.end.answer.parameters, chore.end.answer.error) == ("/w", 5, "")


@pytest.mark.parametrize(
    ("pod", "error", "final"),
    [
        (ended('{"error":"no such model"}', 78), "no such model", True),
        (ended('{"error":"bucket away","weights":"/w"}', 1), "bucket away", False),
        (ended("Traceback\nMemoryError: 3 GB\n", 1), "MemoryError: 3 GB", False),
        (ended("", 137), "it ended with exit code 137", False),
        (ended("", 137, reason="Evicted", message="low on memory"), "Evicted: low on memory", False),
        (ended(""), "it left no answer: it ended with exit code 0", False),
        (ended('{"answer":42}'), 'it left no answer: {"answer":42}', False),
        (live(manifest_of(), phase="Failed", reason="DeadlineExceeded"), "DeadlineExceeded", False),
    ],
)
def test_whatever_it_leaves_says_why_it_failed(pod: Object, error: str, final: bool):
    chore = chore_of(pod)
    assert chore is not None
    assert chore.end is not None
    assert (chore.end.answer.error, chore.end.final) == (error, final)


def test_why_it_cannot_begin_is_told():
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    unplaced = chore_of(live(manifest_of(), conditions=[scheduled]))
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    unpulled = chore_of(live(manifest_of(), containerStatuses=[{"name": "trainer", "state": waiting}]))
    assert unplaced is not None
    assert unpulled is not None
    assert (unplaced.trouble, unpulled.trouble) == ("Unschedulable: 0/3 nodes", "ImagePullBackOff: no such image")


@pytest.mark.parametrize(
    "pod", [{}, {"metadata": {}}, live(pod_manifest(OURS, START)), {**live(manifest_of()), "spec": 1}]
)
def test_what_is_no_housekeeping_pod_is_none(pod: Object):
    assert chore_of(pod) is None


ANSWER = {
    "error": "",
    "parameters": 5,
    "weights": "/w",
    "exported": "hub:a/b",
    "test": {"metric": "accuracy", "score": 0.5, "n": 100, "interval": [0.4, 0.6], "confidence": 0.95},
}


def assert_recordable(chore: Chore) -> None:
    """All that goes on record of it, an API server takes."""
    assert is_recordable(chore.trouble, MAX_TEXT)
    if chore.end is None:
        return
    answer = chore.end.answer
    assert is_recordable(answer.error, MAX_REASON)
    for path in (answer.weights, answer.exported):
        assert path is None or is_recordable(path, 4_096)
    assert answer.parameters is None or 0 <= answer.parameters < 2**63
    if answer.test is not None:
        numbers = (answer.test.score or 0.0, answer.test.confidence, *(answer.test.interval or ()))
        assert all(map(math.isfinite, numbers))
        assert 0 <= answer.test.n < 2**63
    json.dumps(answer.model_dump(mode="json"), allow_nan=False)


@given(altered(ended(json.dumps(ANSWER))))
def test_a_pod_of_which_any_part_is_nonsense_is_seen_all_the_same(found: tuple[Path, Any]):
    path, nonsense = found
    chore = chore_of(nonsense)
    if chore is not None:
        assert_recordable(chore)
    else:
        asked = path[:2] == ("spec", "containers") or path == ("spec",)
        assert asked or path == ("metadata",) or (path[0] == "metadata" and path[1] in IDENTITY)


@given(JSON)
def test_nonsense_is_no_housekeeping_pod(garbage: Any):
    assert chore_of(garbage) is None


@given(altered(ANSWER).map(lambda found: json.dumps(found[1])) | JSON.map(json.dumps) | TEXTS, st.sampled_from([0, 1]))
def test_any_answer_is_recorded_or_told_as_a_failure(message: str, code: int):
    chore = chore_of(ended(message, code))
    assert chore is not None
    assert chore.end is not None
    assert_recordable(chore)
    assert code == 0 or chore.end.answer.error


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": -1},
        {"parameters": 10**400},
        {"weights": "/w\0"},
        {"weights": "/" * 5_000},
        {"exported": "\ud800"},
        {"test": {**ANSWER["test"], "score": math.nan}},  # type: ignore[dict-item]
        {"test": {**ANSWER["test"], "interval": [0.5]}},  # type: ignore[dict-item]
        {"test": {**ANSWER["test"], "n": 10**400}},  # type: ignore[dict-item]
    ],
)
def test_an_answer_that_no_record_takes_is_none(changes: Object):
    chore = chore_of(ended(json.dumps({**ANSWER, **changes})))
    assert chore is not None
    assert chore.end is not None
    assert chore.end.answer.error.startswith("it left no answer: ")


@pytest.mark.parametrize("attempt", ["abc", "-1", "9" * 20, "9" * 5_000, 3])
def test_an_attempt_that_somebody_wrote_over_hides_no_pod(attempt: Any):
    pod = live(manifest_of())
    pod["metadata"]["annotations"][names.ANNOTATION_ATTEMPT] = attempt
    chore = chore_of(pod)
    assert chore is not None
    assert chore.attempt == 0


def test_where_the_weights_are_is_told_as_people_reach_them():
    assert readable_place(OURS, f"{STORAGE}/team/uid/best") == "persistentVolumeClaim/weights:team/uid/best"
    assert readable_place(sweep_with({"spec.storage": {"uri": "s3://b/x"}}), "s3://b/x/best") == "s3://b/x/best"


# --- after the sweep


def test_what_removes_a_deleted_sweeps_storage_is_nobodys_and_tries_again_by_itself():
    pod = clean_up_manifest(OURS, SETTINGS)
    assert "ownerReferences" not in pod["metadata"]
    assert pod["metadata"]["name"] == "demo-clean-up-sweep-ui"
    assert pod["spec"]["restartPolicy"] == "OnFailure"
    chore = chore_of(live(pod))
    assert chore is not None
    assert chore.task == HousekeepingTask(remove_all=True)
