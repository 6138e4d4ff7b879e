"""What a pod tells: where it is, what keeps it from beginning, who took it."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_statuses import EPISODE, EXPECTED, NOW, Object, condition, container, facts, pod
from seedsweep.kube import names
from seedsweep.kube.endings import ending_of, vanished
from seedsweep.kube.seen import facts_of

# --- where it is


def test_a_pod_that_was_just_created_waits_for_a_place():
    seen = facts()
    assert (seen.uid, seen.version, seen.episode, seen.owner_uid) == ("u1", 12, EPISODE, "sweep-uid")
    assert seen.stop_after == 6
    assert (seen.bound, seen.unschedulable, seen.ip, seen.trouble, seen.taken) == (False, False, None, "", "")
    assert ending_of(seen, EXPECTED, NOW) is None


def test_a_running_pod_tells_where_it_is():
    status = {
        "phase": "Running",
        "podIP": "10.0.0.7",
        "conditions": [condition("PodScheduled", "True")],
        "containerStatuses": [container({"running": {}}, imageID="trainer@sha256:1")],
    }
    seen = facts_of({**pod(status), "spec": {"nodeName": "node-7"}})
    assert seen is not None
    assert (seen.ip, seen.node, seen.image, seen.running) == ("10.0.0.7", "node-7", "trainer@sha256:1", True)
    assert seen.bound
    assert ending_of(seen, EXPECTED, NOW) is None


def test_a_pod_for_which_there_is_no_place_says_why():
    unplaced = condition("PodScheduled", "False", reason="Unschedulable", message="0/8 nodes are available")
    seen = facts({"conditions": [unplaced]})
    assert seen.unschedulable
    assert not seen.bound
    assert seen.trouble == "Unschedulable: 0/8 nodes are available"


def test_a_pod_behind_the_gate_of_a_queue_is_not_unschedulable_and_says_what_it_waits_for():
    gated = condition("PodScheduled", "False", reason="SchedulingGated", message="Scheduling is blocked")
    seen = facts({"conditions": [gated]})
    assert not seen.unschedulable
    assert seen.trouble == "SchedulingGated: Scheduling is blocked"
    assert seen.gated


def test_a_pod_whose_node_fell_silent_says_so():
    # As the node controller of Kubernetes leaves it: a kubelet would give a reason.
    status = {"phase": "Running", "containerStatuses": [container({"running": {}}, ready=True)]}
    silent = facts({**status, "conditions": [condition("Ready", "False")]})
    assert silent.silent
    for ready in (condition("Ready", "True"), condition("Ready", "False", reason="ContainersNotReady")):
        assert not facts({**status, "conditions": [ready]}).silent


def test_a_pod_that_is_told_to_end_says_how_long_it_has_and_what_holds_it():
    seen = facts(
        deletionTimestamp="2026-05-04T11:31:00Z", deletionGracePeriodSeconds=90, finalizers=["kueue.x-k8s.io/managed"]
    )
    assert (seen.deleted, seen.grace, seen.held_by) == (True, timedelta(seconds=90), "kueue.x-k8s.io/managed")
    assert not facts().deleted


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
        for text in (
            seen.uid,
            seen.phase,
            seen.trouble,
            seen.taken,
            seen.held_by,
            *filter(None, (seen.ip, seen.node, seen.image)),
        ):
            assert isinstance(text, str)
        ending_of(seen, EXPECTED, NOW)
        vanished(seen, NOW)


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), JSON))
def test_nonsense_is_no_pod_of_ours(garbage: Object):
    assert facts_of(garbage) is None
