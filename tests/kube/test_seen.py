"""What a pod tells: where it is, what keeps it from beginning, how it ended."""

import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_sweeps import START, sweep_with
from seedsweep.api.episode import EndReason, EpisodeId
from seedsweep.engine.observation import Ending
from seedsweep.kube import names
from seedsweep.kube.pods import pod_manifest
from seedsweep.kube.seen import PodFacts, ending_of, facts_of, vanished
from seedsweep.scrape import Expected
from seedsweep_trainer.contract import Message, Outcome, TrainerInfo, encode_message

Object = dict[str, Any]

EPISODE = EpisodeId(3, 7)
EXPECTED = Expected("wi3-do7", "u1", 0.0, 1.0)
MESSAGE = Message(TrainerInfo("wi3-do7", "u1"), Outcome.DONE, 10, 100, 100, checkpoint=10, scores=(0.25, 0.5))
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
END = datetime(2026, 5, 4, 11, 30, tzinfo=UTC)
MEMORY = "The node was low on resource: memory."
REASON = "training diverged from its plan"


def pod(status: Object | None = None, **metadata: Any) -> Object:
    """A pod as an API server shows it."""
    found = copy.deepcopy(MANIFEST)
    found["metadata"] |= {"uid": "u1", "resourceVersion": "12", "creationTimestamp": "2026-05-04T11:00:00Z", **metadata}
    found["status"] = {"phase": "Pending", **(status or {})}
    return found


MANIFEST = pod_manifest(sweep_with(), START)


def condition(kind: str, status: str, **fields: str) -> Object:
    return {"type": kind, "status": status, "lastTransitionTime": "2026-05-04T11:00:05Z", **fields}


def container(state: Object, name: str = "trainer", **fields: Any) -> Object:
    return {"name": name, "image": "trainer:1", "state": state, **fields}


def facts(status: Object | None = None, **metadata: Any) -> PodFacts:
    found = facts_of(pod(status, **metadata))
    assert found is not None
    return found


def ended(code: int, words: str = "", cause: str = "Error", **status: Any) -> PodFacts:
    """A pod whose container has ended."""
    state = {"exitCode": code, "reason": cause, "finishedAt": "2026-05-04T11:30:00Z"}
    if words:
        state["message"] = words
    phase = "Succeeded" if code == 0 else "Failed"
    return facts({"phase": phase, "containerStatuses": [container({"terminated": state})], **status})


def said(message: Message = MESSAGE, **changes: Any) -> str:
    return encode_message(replace(message, **changes)).decode()


def ending(seen: PodFacts) -> Ending:
    found = ending_of(seen, EXPECTED, NOW)
    assert found is not None
    return found[0]


# --- where it is


def test_a_pod_that_was_just_created_waits_for_a_place():
    seen = facts()
    assert (seen.uid, seen.version, seen.episode, seen.owner_uid) == ("u1", 12, EPISODE, "sweep-uid")
    assert seen.stop_after == 6
    assert seen.created == datetime(2026, 5, 4, 11, tzinfo=UTC)
    assert (seen.bound, seen.unschedulable_since, seen.ip, seen.trouble, seen.taken) == (None, None, None, "", "")
    assert ending_of(seen, EXPECTED, NOW) is None


def test_a_running_pod_tells_where_it_is_and_since_when():
    status = {
        "phase": "Running",
        "podIP": "10.0.0.7",
        "conditions": [condition("PodScheduled", "True")],
        "containerStatuses": [container({"running": {}}, imageID="trainer@sha256:1")],
    }
    seen = facts_of({**pod(status), "spec": {"nodeName": "node-7"}})
    assert seen is not None
    assert (seen.ip, seen.node, seen.image, seen.running) == ("10.0.0.7", "node-7", "trainer@sha256:1", True)
    assert seen.bound == datetime(2026, 5, 4, 11, 0, 5, tzinfo=UTC)
    assert ending_of(seen, EXPECTED, NOW) is None


def test_a_pod_for_which_there_is_no_place_says_since_when_and_why():
    unplaced = condition("PodScheduled", "False", reason="Unschedulable", message="0/8 nodes are available")
    seen = facts({"conditions": [unplaced]})
    assert seen.unschedulable_since == datetime(2026, 5, 4, 11, 0, 5, tzinfo=UTC)
    assert seen.bound is None
    assert seen.trouble == "Unschedulable: 0/8 nodes are available"


def test_a_pod_behind_the_gate_of_a_queue_is_not_unschedulable_and_says_what_it_waits_for():
    gated = condition("PodScheduled", "False", reason="SchedulingGated", message="Scheduling is blocked")
    seen = facts({"conditions": [gated]})
    assert seen.unschedulable_since is None
    assert seen.trouble == "SchedulingGated: Scheduling is blocked"


@pytest.mark.parametrize(
    "reason",
    ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "RunContainerError"],
)
def test_what_keeps_a_container_from_beginning_is_told(reason: str):
    seen = facts({"containerStatuses": [container({"waiting": {"reason": reason, "message": "no such thing"}})]})
    assert seen.trouble == f"{reason}: no such thing"


@pytest.mark.parametrize("waiting", [{}, {"reason": "ContainerCreating"}, {"reason": "PodInitializing"}])
def test_waiting_for_a_container_to_be_made_is_no_trouble(waiting: Object):
    assert facts({"containerStatuses": [container({"waiting": waiting})]}).trouble == ""


def test_trouble_of_a_container_that_was_put_before_the_trainer_is_told():
    stuck = container({"waiting": {"reason": "ImagePullBackOff", "message": "proxy:2"}}, name="proxy")
    waiting = container({"waiting": {"reason": "PodInitializing"}})
    seen = facts({"initContainerStatuses": [stuck], "containerStatuses": [waiting]})
    assert seen.trouble == "ImagePullBackOff: proxy:2"


def test_long_explanations_are_cut():
    seen = facts({"containerStatuses": [container({"waiting": {"reason": "ErrImagePull", "message": "x" * 10_000}})]})
    assert len(seen.trouble) == 300


def test_the_trainers_container_is_found_beside_others():
    beside = container({"terminated": {"exitCode": 1}}, name="a-proxy")
    seen = facts({"phase": "Running", "containerStatuses": [beside, container({"running": {}})]})
    assert seen.running
    assert ending_of(seen, EXPECTED, NOW) is None


def test_labels_that_somebody_changed_do_not_make_it_another_episodes():
    seen = facts(labels={names.LABEL_WEIGHT_INIT: "5", names.LABEL_DATA_ORDER: "5"})
    assert seen.episode == EPISODE


@pytest.mark.parametrize("name", ["demo", "demo-wi3-do7-probe", "rte"])
def test_a_pod_of_another_name_is_no_episodes(name: str):
    assert facts_of(pod(name=name)) is None


@pytest.mark.parametrize("owners", [[], [{"kind": "Job", "uid": "j", "controller": True}]])
def test_a_pod_of_nobody_or_of_another_kind_has_no_sweep(owners: list[Object]):
    assert facts(ownerReferences=owners).owner_uid is None


# --- how it ended


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.DONE, EndReason.DONE),
        (Outcome.STOPPED, EndReason.STOPPED_AT_RUNG),
        (Outcome.DIVERGED, EndReason.DIVERGED),
        (Outcome.INTERRUPTED, EndReason.INTERRUPTED),
    ],
)
def test_last_words_tell_how_a_clean_end_is_meant(outcome: Outcome, reason: EndReason):
    found = ending_of(ended(0, said(outcome=outcome), cause="Completed"), EXPECTED, NOW)
    assert found is not None
    assert found[0] == Ending(reason, END, 0)
    assert found[1] is not None
    assert found[1].scores == (0.25, 0.5)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1, EndReason.FAILED),
        (139, EndReason.FAILED),
        (78, EndReason.BAD_CONFIGURATION),
        (79, EndReason.OUT_OF_MEMORY),
        (137, EndReason.INTERRUPTED),
        (143, EndReason.INTERRUPTED),
    ],
)
def test_exit_codes_tell_failures_apart(code: int, reason: EndReason):
    assert ending(ended(code)).reason == reason


def test_a_failure_keeps_what_was_published_and_its_own_reason():
    found = ending_of(ended(1, said(outcome=Outcome.FAILED, reason=REASON)), EXPECTED, NOW)
    assert found is not None
    assert found[0] == Ending(EndReason.FAILED, END, 1, REASON)
    assert found[1] is not None


def test_a_failure_without_last_words_is_explained_by_what_was_printed_last():
    output = "step 40\nTraceback (most recent call last):\nModuleNotFoundError: No module named 'x'\n\n"
    assert ending(ended(1, output)).message == "ModuleNotFoundError: No module named 'x'"


def test_output_of_a_trainer_that_was_killed_explains_nothing():
    assert ending(ended(137, "step 40\nstep 41\n")).message == ""


def test_a_pod_that_was_killed_for_memory_ran_out_of_it():
    seen = ending(ended(137, said(outcome=Outcome.RUNNING), cause="OOMKilled"))
    assert seen.reason == EndReason.OUT_OF_MEMORY
    assert "raise the limit" in seen.message


def test_a_worker_that_was_killed_for_memory_does_not_undo_a_clean_end():
    assert ending(ended(0, said(), cause="OOMKilled")).reason == EndReason.DONE


DISRUPTIONS = [
    {
        "conditions": [
            condition("DisruptionTarget", "True", reason="PreemptionByScheduler", message="a higher priority")
        ]
    },
    {"conditions": [condition("DisruptionTarget", "True", reason="DeletionByTaintManager")]},
    {"reason": "Evicted", "message": MEMORY},
    {"reason": "Terminated", "message": "Pod was terminated in response to imminent node shutdown."},
]


@pytest.mark.parametrize("disruption", DISRUPTIONS)
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (137, said(outcome=Outcome.RUNNING)),
        (143, ""),
        (1, "KeyboardInterrupt"),
        # A trainer of one's own that takes SIGTERM for a reason to leave in order.
        (0, ""),
        (0, said(outcome=Outcome.INTERRUPTED)),
    ],
)
def test_a_pod_that_was_taken_from_its_node_counts_as_interrupted(disruption: Object, code: int, words: str):
    seen = ending(ended(code, words, **disruption))
    assert seen.reason == EndReason.INTERRUPTED
    assert seen.message != ""


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.STOPPED, Outcome.DIVERGED])
def test_a_pod_that_had_finished_before_it_was_taken_has_finished(outcome: Outcome):
    seen = ending(ended(0, said(outcome=outcome), **DISRUPTIONS[0]))
    assert seen.reason != EndReason.INTERRUPTED


def test_who_took_a_pod_is_told():
    assert ending(ended(143, **DISRUPTIONS[0])).message == "PreemptionByScheduler: a higher priority"
    assert ending(ended(137, **DISRUPTIONS[2])).message == f"Evicted: {MEMORY}"


def test_a_disruption_that_did_not_happen_takes_nothing():
    averted = [condition("DisruptionTarget", "False", reason="PreemptionByScheduler")]
    assert ending(ended(1, conditions=averted)).reason == EndReason.FAILED


@pytest.mark.parametrize("reason", ["OutOfcpu", "UnexpectedAdmissionError", "NodeAffinity"])
def test_a_pod_that_its_node_would_not_have_counts_as_interrupted(reason: str):
    seen = ending(facts({"phase": "Failed", "reason": reason, "message": "Pod was rejected"}))
    assert seen == Ending(EndReason.INTERRUPTED, NOW, None, f"{reason}: Pod was rejected")


def test_a_pod_collected_with_its_lost_node_counts_as_interrupted():
    collected = condition("DisruptionTarget", "True", reason="DeletionByPodGC", message="node is gone")
    left = [container({"running": {}})]
    seen = ending(facts({"phase": "Failed", "conditions": [collected], "containerStatuses": left}))
    assert (seen.reason, seen.message) == (EndReason.INTERRUPTED, "DeletionByPodGC: node is gone")


def test_a_pod_that_is_told_to_end_lives_until_it_has():
    running = {"phase": "Running", "containerStatuses": [container({"running": {}})]}
    seen = facts(running, deletionTimestamp="2026-05-04T10:00:00Z")
    assert seen.deleted is not None
    assert ending_of(seen, EXPECTED, NOW) is None


def test_a_deleted_pod_counts_as_interrupted_whatever_its_trainer_made_of_it():
    state = {"terminated": {"exitCode": 1, "finishedAt": "2026-05-04T11:30:00Z"}}
    seen = facts({"containerStatuses": [container(state)]}, deletionTimestamp="2026-05-04T11:31:00Z")
    assert ending(seen) == Ending(EndReason.INTERRUPTED, END, 1, "its pod was deleted")


def test_a_container_that_has_ended_is_over_while_another_beside_it_goes_on():
    state = {"terminated": {"exitCode": 0, "finishedAt": "2026-05-04T11:30:00Z", "message": said()}}
    beside = container({"running": {}}, name="proxy")
    assert ending(facts({"phase": "Running", "containerStatuses": [container(state), beside]})).reason == EndReason.DONE


def test_a_pod_that_succeeded_without_a_trace_of_its_container_ended_well():
    assert ending(facts({"phase": "Succeeded"})) == Ending(EndReason.DONE, NOW, 0)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (said(scores=(0.25, 1.5)), "its metrics cannot be used: the score of evaluation 2 is 1.5"),
        (said(info=TrainerInfo("wi3-do7", "other")), "its metrics cannot be used: "),
    ],
)
def test_last_words_that_cannot_be_are_not_taken_and_say_why(message: str, why: str):
    found = ending_of(ended(0, message), EXPECTED, NOW)
    assert found is not None
    assert found[1] is None
    assert found[0].message.startswith(why)


def test_last_words_that_cannot_be_do_not_stand_for_output():
    assert ending(ended(1, said(scores=(0.25, 1.5)))).message == ""


def test_a_pod_that_is_gone_without_a_word_counts_as_interrupted():
    assert vanished(facts(), NOW) == Ending(EndReason.INTERRUPTED, NOW, None, "its pod is gone")


def test_a_pod_that_is_gone_says_who_took_it_where_that_was_seen():
    assert vanished(facts(DISRUPTIONS[1]), NOW).message == "DeletionByTaintManager"
    assert vanished(facts(deletionTimestamp="2026-05-04T11:31:00Z"), NOW).message == "its pod was deleted"


# --- anything else

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WHOLE = pod(
    {
        "phase": "Failed",
        "reason": "Evicted",
        "podIP": "10.0.0.7",
        "conditions": [condition("PodScheduled", "True"), condition("DisruptionTarget", "True", reason="x")],
        "initContainerStatuses": [container({"waiting": {"reason": "x"}})],
        "containerStatuses": [
            container({"terminated": {"exitCode": 1, "message": "x", "finishedAt": "2026-05-04T11:30:00Z"}})
        ],
    },
    deletionTimestamp="2026-05-04T11:31:00Z",
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Of everything within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in paths(item, (*path, key)))]


@given(path=st.sampled_from([path for path in paths(WHOLE) if path]), garbage=JSON, missing=st.booleans())
def test_a_pod_of_which_any_part_is_nonsense_surprises_nobody(path: tuple[Any, ...], garbage: Any, missing: bool):
    found = copy.deepcopy(WHOLE)
    *way, last = path
    place = found
    for key in way:
        place = place[key]
    if missing:
        del place[last]
    else:
        place[last] = garbage
    seen = facts_of(found)
    if seen is not None:
        for text in (seen.uid, seen.phase, seen.trouble, seen.taken, *filter(None, (seen.ip, seen.node, seen.image))):
            assert isinstance(text, str)
        ending_of(seen, EXPECTED, NOW)
        vanished(seen, NOW)


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), JSON))
def test_nonsense_is_no_pod_of_ours(garbage: Object):
    assert facts_of(garbage) is None
