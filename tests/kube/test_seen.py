"""What a pod tells: where it is, what keeps it from beginning, who took it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.garbage import IDENTITY, JSON, TEXTS, Path, altered, is_recordable
from inputs.pod_statuses import EPISODE, EXPECTED, NOW, Object, condition, container, facts, pod
from seedsweep.api.episode import EndReason, EpisodeId
from seedsweep.contract.foreign import MAX_TEXT
from seedsweep.contract.message import MAX_REASON
from seedsweep.contract.protocol import Env
from seedsweep.kube.objects import names
from seedsweep.kube.pods.endings import ending_of, vanished
from seedsweep.kube.pods.facts import PodFacts, facts_of, moment, moment_or_none

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


BEGUN = {
    "phase": "Running",
    "podIP": "10.0.0.7",
    "conditions": [condition("PodScheduled", "True")],
    "containerStatuses": [container({"running": {}})],
}


def test_a_pod_that_gets_its_place_and_then_runs_only_begins():
    bound = facts({"phase": "Pending", "conditions": [condition("PodScheduled", "True")]})
    assert bound.only_begins(facts())
    assert facts(BEGUN).only_begins(bound)


@pytest.mark.parametrize(
    "status",
    [
        {**BEGUN, "phase": "Failed"},
        {**BEGUN, "phase": "Failed", "reason": "Evicted"},
        {**BEGUN, "containerStatuses": [container({"terminated": {"exitCode": 1}})]},
        {**BEGUN, "containerStatuses": [container({"waiting": {"reason": "ErrImagePull"}})]},
        {"conditions": [condition("PodScheduled", "False", reason="Unschedulable")]},
    ],
)
def test_a_pod_that_ends_or_finds_no_place_does_more_than_begin(status: Object):
    assert not facts(status).only_begins(facts(BEGUN))


def test_a_pod_that_finds_its_place_at_last_does_more_than_begin():
    unplaced = condition("PodScheduled", "False", reason="Unschedulable", message="0/8 nodes are available")
    assert not facts(BEGUN).only_begins(facts({"conditions": [unplaced]}))


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

WHOLE = pod(
    {
        "phase": "Failed",
        "reason": "Evicted",
        "message": "low on memory",
        "podIP": "10.0.0.7",
        "conditions": [
            condition("PodScheduled", "True"),
            condition("DisruptionTarget", "True", reason="x"),
            condition("Ready", "False"),
        ],
        "initContainerStatuses": [container({"waiting": {"reason": "x", "message": "y"}})],
        "containerStatuses": [
            container({"terminated": {"exitCode": 1, "message": "x", "finishedAt": "2026-05-04T11:30:00Z"}}),
            container({"running": {}}, name="a-proxy"),
        ],
    },
    deletionTimestamp="2026-05-04T11:31:00Z",
    deletionGracePeriodSeconds=30,
    finalizers=["a/b"],
)


def assert_fit_for_use(seen: PodFacts) -> None:
    """Texts fit into records, times can be counted with, and how it ended can be told."""
    for text in (seen.uid, seen.name, seen.phase, seen.trouble, seen.taken, seen.held_by):
        assert is_recordable(text, MAX_TEXT)
    for optional in (seen.owner_uid, seen.ip, seen.node, seen.image):
        assert optional is None or is_recordable(optional, MAX_TEXT)
    assert timedelta() <= seen.grace < timedelta(days=36_500)
    assert NOW + seen.grace > NOW - timedelta(days=1)
    assert (seen.taken == "") == (seen.interruption is None)
    for ending, _ in filter(None, (ending_of(seen, EXPECTED, NOW), (vanished(seen, NOW), None))):
        assert is_recordable(ending.message, MAX_REASON)
        assert is_recordable(ending.output, MAX_REASON)
        assert ending.exit_code is None or abs(ending.exit_code) < 2**31


@given(altered(WHOLE))
def test_a_pod_of_which_any_part_is_nonsense_is_seen_all_the_same(found: tuple[Path, Any]):
    path, nonsense = found
    seen = facts_of(nonsense)
    if seen is not None:
        assert_fit_for_use(seen)
    elif path != ("metadata",):
        assert path[0] == "metadata"
        assert path[1] in IDENTITY


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), JSON) | JSON)
def test_nonsense_is_no_pod_of_ours(garbage: Any):
    assert facts_of(garbage) is None


@pytest.mark.parametrize("address", ["metadata.internal", "10.0.0.7:9400", "10.0.0.7/x", "", "0x7f.1", "10.0.0.7 "])
def test_an_address_that_would_have_to_be_looked_up_is_none(address: str):
    assert facts({"podIP": address}).ip is None


@pytest.mark.parametrize("address", ["10.0.0.7", "fd00::7"])
def test_the_address_is_the_pods_own(address: str):
    assert facts({"podIP": address}).ip == address


@pytest.mark.parametrize("annotations", [{}, {names.ANNOTATION_STOP_AFTER: "1"}, None, 5])
def test_where_it_stops_is_what_its_trainer_was_told_whatever_somebody_writes_on_it(annotations: Any):
    assert facts(annotations=annotations).stop_after == 6


@pytest.mark.parametrize("told", ["abc", "-1", "0", "6.5", "9" * 5_000, "\N{ARABIC-INDIC DIGIT SIX}", 6, None])
def test_a_stop_after_that_is_none_hides_no_pod(told: Any):
    odd = pod()
    (variable,) = (v for v in odd["spec"]["containers"][0]["env"] if v["name"] == Env.STOP_AFTER)
    variable["value"] = told
    seen = facts_of(odd)
    assert seen is not None
    assert (seen.episode, seen.stop_after) == (EPISODE, None)


@pytest.mark.parametrize("port", [0, -1, 65536, "9400", None, True])
def test_a_port_that_is_none_hides_no_pod(port: Any):
    odd = pod()
    odd["spec"]["containers"][0]["ports"][0]["containerPort"] = port
    seen = facts_of(odd)
    assert seen is not None
    assert (seen.episode, seen.port) == (EPISODE, None)


@pytest.mark.parametrize(
    "name", ["demo-wi03-do7", "demo-wi3-do07", "demo-wi2147483648-do0", "demo-wi0-do9999999999", "demo-wi3-do7\n"]
)
def test_a_name_that_no_episode_has_is_no_episodes(name: str):
    assert names.episode_of(name) is None


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_an_episode_is_found_by_the_name_of_its_pod(weight_init: int, data_order: int):
    episode = EpisodeId(weight_init, data_order)
    assert names.episode_of(names.object_name("a-wi1-do2", episode)) == episode


@given(TEXTS)
def test_any_name_is_an_episodes_or_nobodys(name: str):
    episode = names.episode_of(f"demo{name}")
    assert episode is None or f"demo{name}".endswith(f"-{episode.name}")


# --- times


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-05-04T11:30:00Z", datetime(2026, 5, 4, 11, 30, tzinfo=UTC)),
        ("2026-05-04T11:30:00.123456Z", datetime(2026, 5, 4, 11, 30, 0, 123456, tzinfo=UTC)),
        ("2026-05-04T13:30:00+02:00", datetime(2026, 5, 4, 11, 30, tzinfo=UTC)),
        ("2026-05-04T11:30:00", datetime(2026, 5, 4, 11, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_it_was_written(written: str, meant: datetime):
    assert moment(written) == meant
    assert moment(written).tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [
        "",
        "now",
        5,
        None,
        [],
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "\ud800",
    ],
)
def test_what_no_clock_shows_is_no_time(written: Any):
    with pytest.raises(ValueError, match=r"no time|of these times"):
        moment(written)


@given(JSON | st.datetimes().map(str))
def test_anything_is_a_time_or_none(written: Any):
    found = moment_or_none(written)
    assert found is None or found.tzinfo is UTC


def test_an_end_at_a_time_that_cannot_be_is_an_end():
    state = {"terminated": {"exitCode": 1, "finishedAt": "9999-12-31T23:59:59Z"}}
    ended = ending_of(facts({"phase": "Failed", "containerStatuses": [container(state)]}), EXPECTED, NOW)
    assert ended is not None
    assert (ended[0].reason, ended[0].at) == (EndReason.FAILED, NOW)
