"""An average of a custom trainer's weights in a cluster: who makes and scores it, and what a pod's end means."""

import json
from typing import Any

import pytest

from inputs.pod_sweeps import CLAIM, EVERYTHING, OWN_TRAINER, sweep_with, values_of
from kube.test_chores import SETTINGS, live
from seedsweep.api.housekeeping import HandOver, HousekeepingTask, Member, Pruning
from seedsweep.api.status import Average
from seedsweep.kube.housekeeping.manifest import ChoreEnd, chore_of, housekeeping_manifest
from seedsweep.kube.pods.manifest import SCRATCH, STORAGE, PodSettings, pod_problems

Object = dict[str, Any]

WEIGHTS = {"weights": {"scoreCommand": ["python", "loop.py", "$(SEEDSWEEP_WEIGHTS_DIR)"]}}
OWN = sweep_with({**EVERYTHING, "spec.trainer": {**OWN_TRAINER, **EVERYTHING["spec.trainer"], **WEIGHTS}})
MEMBERS = [Member(episode=f"wi0-do{i}", evaluation=7, score=0.5 + i / 4) for i in range(2)]
NAMES = ["wi0-do0", "wi0-do1"]
ASKED = HandOver(episode="wi0-do1", evaluation=7, score=0.75, own=True, average=MEMBERS, card="# Card")
TASK = HousekeepingTask(prune=[Pruning(episode="wi0-do9")], hand_over=ASKED)


def spec_of(task: HousekeepingTask = TASK) -> Object:
    spec: Object = housekeeping_manifest(OWN, SETTINGS, task, 0)["spec"]
    return spec


def part(name: str) -> Object:
    found: dict[str, Object] = {c["name"]: c for c in (*spec_of()["initContainers"], *spec_of()["containers"])}
    return found[name]


def test_the_average_is_made_by_our_image_scored_by_the_trainers_and_handed_over_by_ours():
    told = [(c["name"], c["image"], c["command"]) for c in (*spec_of()["initContainers"], *spec_of()["containers"])]
    assert told == [
        ("average", "house:1", ["seedsweep-trainer", "average"]),
        ("score", "mine:1", WEIGHTS["weights"]["scoreCommand"]),
        ("trainer", "house:1", ["seedsweep-trainer", "housekeep"]),
    ]


@pytest.mark.parametrize(
    "task",
    [
        HousekeepingTask(prune=TASK.prune),
        HousekeepingTask(hand_over=ASKED.evolve(average=[])),
        HousekeepingTask(hand_over=ASKED.evolve(own=False)),
    ],
)
def test_without_an_average_of_such_weights_nothing_comes_before_the_hand_over(task: HousekeepingTask):
    assert "initContainers" not in spec_of(task)


def test_all_three_know_where_the_average_is_and_only_ours_know_the_task_and_the_storage():
    place = {
        "SEEDSWEEP_WEIGHTS_DIR": f"{SCRATCH}/average/weights",
        "SEEDSWEEP_SCORE_FILE": f"{SCRATCH}/average/score/score.json",
    }
    for name in ("average", "score", "trainer"):
        values = values_of(part(name))
        assert {key: values[key] for key in place} == place
        assert json.loads(values["SEEDSWEEP_METRIC"]) == {"name": "acc", "goal": "maximize"}
        assert ("SEEDSWEEP_TASK" in values, "SEEDSWEEP_STORAGE_DIR" in values) == (name != "score", name != "score")
        assert len(part(name)["env"]) == len({variable["name"] for variable in part(name)["env"]})


def test_the_score_command_gets_what_an_episode_gets_but_no_episode_no_gpu_and_no_storage():
    score, episode = part("score"), spec_of()["containers"][0]
    values = values_of(score)
    assert values["SEEDSWEEP_CONTRACT"] == "1"
    assert "SEEDSWEEP_CONFIG" in {variable["name"] for variable in score["env"]}
    assert not {"SEEDSWEEP_EPISODE", "SEEDSWEEP_METRICS_PORT", "SEEDSWEEP_CHECKPOINT_DIR"} & set(values)
    assert score["securityContext"] == episode["securityContext"]
    assert score["envFrom"] == episode["envFrom"]
    assert {mount["mountPath"] for mount in score["volumeMounts"]} == {
        mount["mountPath"] for mount in episode["volumeMounts"]
    } - {STORAGE}
    amounts = [name for kind in score["resources"].values() for name in kind]
    assert amounts
    assert not any("/" in name for name in amounts)
    assert not {"ports", "args"} & score.keys()


def terminated(name: str, code: int, message: str = "", reason: str = "") -> Object:
    return {"name": name, "state": {"terminated": {"exitCode": code, "message": message, "reason": reason}}}


def end_of(*before: Object, **status: Any) -> ChoreEnd:
    """Of a pod whose own container never began."""
    pod = housekeeping_manifest(OWN, SETTINGS, TASK, 0)
    waits = [{"name": "trainer", "state": {"waiting": {"reason": "PodInitializing"}}}]
    chore = chore_of(live(pod, phase="Failed", initContainerStatuses=list(before), containerStatuses=waits, **status))
    assert chore is not None
    assert chore.end is not None
    return chore.end


MADE = terminated("average", 0, "{}")
UNSCORED = "it could not be scored: the score command"


@pytest.mark.parametrize(
    ("scored", "status", "reason"),
    [
        (terminated("score", 1, "...\nValueError: no data\n"), {}, "ended with exit code 1: ValueError: no data"),
        (terminated("score", 127), {}, "ended with exit code 127"),
        (
            terminated("score", 128, "exec: no-such-program", "StartError"),
            {},
            "cannot be started: exec: no-such-program",
        ),
        (
            terminated("score", 137, "", "OOMKilled"),
            {},
            "was ended by SIGKILL (out of memory: raise trainer.resources.limits)",
        ),
        (terminated("score", 137), {"reason": "DeadlineExceeded"}, "took longer than 60 s"),
        ({"name": "score", "state": {"running": {}}}, {"reason": "DeadlineExceeded"}, "took longer than 60 s"),
    ],
)
def test_a_score_command_that_fails_or_takes_too_long_is_no_failure_of_the_hand_over(
    scored: Object, status: Object, reason: str
):
    end = end_of(MADE, scored, **status)
    assert end.answer.average == Average(members=2, episodes=NAMES, members_score=0.625, reason=f"{UNSCORED} {reason}")
    assert end.answer.only_tried


@pytest.mark.parametrize(
    "status",
    [
        {"reason": "Evicted"},
        {"reason": "NodeShutdown"},
        {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]},
    ],
)
def test_a_pod_that_is_taken_while_it_scores_has_failed_and_is_tried_again(status: Object):
    end = end_of(MADE, terminated("score", 137), **status)
    assert not end.answer.only_tried
    assert end.answer.error


def test_a_pod_that_somebody_deletes_while_it_scores_is_no_score_command_that_fails():
    pod = live(housekeeping_manifest(OWN, SETTINGS, TASK, 0), phase="Failed")
    pod["status"]["initContainerStatuses"] = [MADE, terminated("score", 143)]
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    chore = chore_of(pod)
    assert chore is not None
    assert chore.end is not None
    assert chore.end.answer.error


def test_why_no_average_could_be_made_is_the_answer_of_the_pod():
    said = json.dumps({"average": {"members": 2, "handedOver": False, "reason": "w of wi0-do1 is not finite"}})
    assert end_of(terminated("average", 1, said)).answer.average == Average(
        members=2, episodes=NAMES, reason="w of wi0-do1 is not finite"
    )
    others = json.dumps({"instead": [{"evaluation": 3, "score": 0.5}]})
    assert [best.evaluation for best in end_of(terminated("average", 1, others)).answer.instead] == [3]


def test_a_storage_that_fails_while_the_average_is_made_is_a_failure():
    end = end_of(terminated("average", 1, '{"error": "the bucket is away"}'))
    assert (end.answer.error, end.final) == ("the bucket is away", False)
    assert end_of(terminated("average", 78, '{"error": "no such bucket"}')).final
    assert end_of(terminated("average", 137)).answer.error == "it ended with exit code 137"


def test_an_own_trainer_with_weights_needs_an_image_that_hands_them_over():
    (problem,) = pod_problems(OWN, PodSettings(service_accounts=frozenset({"trainer", "default"})))[-1:]
    assert problem.path == "spec.trainer.weights"
    assert "housekeeping.image of the chart" in problem.remedy
    there = pod_problems(OWN, SETTINGS)
    assert all(problem.path != "spec.trainer.weights" for problem in there)
    without = sweep_with({"spec.trainer": {**OWN_TRAINER, **WEIGHTS}})
    assert pod_problems(without, PodSettings()) == []
    assert any(
        p.path == "spec.trainer.weights"
        for p in pod_problems(
            sweep_with({"spec.storage": CLAIM, "spec.trainer": {**OWN_TRAINER, **WEIGHTS}}), PodSettings()
        )
    )
