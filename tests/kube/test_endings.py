"""How a pod ended, and whose doing it was."""

import pytest

from inputs.pod_statuses import EXPECTED, MEMORY, NOW, REASON, Object, condition, container, ended, ending, facts, said
from seedsweep.api.episode import EndReason, Interruption
from seedsweep.contract.message import Outcome, TrainerInfo
from seedsweep.engine.observation import Ending
from seedsweep.kube.pods.endings import ending_of, vanished


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
    assert (found[0].reason, found[0].at, found[0].exit_code, found[0].output) == (reason, NOW, 0, "")
    assert found[1] is not None
    assert found[1].scores == (0.25, 0.5)


def test_a_clean_end_may_say_what_went_wrong_beside_it():
    words = "not all that reports are made from could be written: s3://bucket refuses"
    assert ending(ended(0, said(outcome=Outcome.DONE, reason=words))).message == words


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
    assert found[0] == Ending(EndReason.FAILED, NOW, 1, REASON)
    assert found[1] is not None


def test_a_failure_without_last_words_is_explained_by_what_was_printed_last():
    output = "step 40\nTraceback (most recent call last):\nModuleNotFoundError: No module named 'x'\n\n"
    seen = ending(ended(1, output))
    assert seen.message == "ModuleNotFoundError: No module named 'x'"
    assert seen.output == output.strip()


def test_only_the_end_of_a_long_output_is_kept():
    seen = ending(ended(1, "".join(f"step {i}\n" for i in range(500))))
    assert seen.output.splitlines() == [f"step {i}" for i in range(490, 500)]
    assert len(ending(ended(1, "x" * 10_000)).output) == 1_000


def test_output_of_a_trainer_that_was_killed_explains_nothing():
    assert ending(ended(137, "step 40\nstep 41\n")).message == "SIGKILL from outside"


@pytest.mark.parametrize(("code", "signal"), [(139, "SIGSEGV"), (134, "SIGABRT"), (135, "SIGBUS"), (136, "SIGFPE")])
def test_a_trainer_that_crashed_is_told_by_its_signal(code: int, signal: str):
    seen = ending(ended(code, said(outcome=Outcome.RUNNING)))
    assert (seen.reason, seen.message, seen.interruption) == (EndReason.FAILED, f"ended by {signal}", None)
    assert ending(ended(code, "step 40\n")).message == f"ended by {signal}: step 40"


@pytest.mark.parametrize(("code", "kind"), [(143, Interruption.TERMINATED), (137, Interruption.KILLED)])
def test_a_signal_that_nobody_owns_up_to_is_an_interruption(code: int, kind: Interruption):
    seen = ending(ended(code, said(outcome=Outcome.RUNNING)))
    assert (seen.reason, seen.interruption) == (EndReason.INTERRUPTED, kind)
    assert "from outside" in seen.message


def test_a_program_that_is_not_there_is_a_failure_in_the_words_of_the_runtime():
    words = 'failed to create containerd task: exec: "train": executable file not found in $PATH'
    seen = ending(ended(128, words, cause="StartError"))
    assert (seen.reason, seen.message) == (EndReason.FAILED, f"StartError: {words}")


def test_a_container_that_its_node_cannot_find_again_was_lost_with_it():
    words = "The container could not be located when the pod was terminated"
    seen = ending(ended(137, words, cause="ContainerStatusUnknown"))
    assert (seen.reason, seen.interruption) == (EndReason.INTERRUPTED, Interruption.NODE_LOST)
    assert words in seen.message


def test_a_pod_that_was_killed_for_memory_ran_out_of_it():
    seen = ending(ended(137, said(outcome=Outcome.RUNNING), cause="OOMKilled"))
    assert seen.reason == EndReason.OUT_OF_MEMORY
    assert "raise the limit" in seen.message


def test_a_worker_that_was_killed_for_memory_does_not_undo_a_clean_end():
    assert ending(ended(0, said(), cause="OOMKilled")).reason == EndReason.DONE


def disrupted(reason: str, message: str = "so it was", kind: str = "DisruptionTarget") -> Object:
    return {"conditions": [condition(kind, "True", reason=reason, message=message)]}


SHUTDOWN = "Pod was terminated in response to imminent node shutdown."
BY_KUBELET = disrupted("TerminationByKubelet")
TAKEN: dict[str, tuple[Object, Interruption, str]] = {
    "the scheduler": (
        disrupted("PreemptionByScheduler", "a higher priority"),
        Interruption.PREEMPTED,
        "PreemptionByScheduler: a higher priority",
    ),
    "Kueue": (
        disrupted("WorkloadEvictedDueToPreempted", "Preempted to accommodate a workload", "TerminationTarget"),
        Interruption.PREEMPTED_BY_QUEUE,
        "WorkloadEvictedDueToPreempted: Preempted to accommodate a workload",
    ),
    "Volcano": (
        {"conditions": [condition("Ready", "False", reason="Evict", message="Pod is evicted, because of reclaim")]},
        Interruption.PREEMPTED_BY_QUEUE,
        "Evict: Pod is evicted, because of reclaim",
    ),
    "a drain": (
        disrupted("EvictionByEvictionAPI", "Eviction API: evicting"),
        Interruption.EVICTED,
        "EvictionByEvictionAPI: Eviction API: evicting",
    ),
    "a taint": (disrupted("DeletionByTaintManager", ""), Interruption.TAINTED, "DeletionByTaintManager"),
    "a node that does not exist any more": (
        disrupted("DeletionByPodGC", "PodGC: node no longer exists"),
        Interruption.NODE_LOST,
        "DeletionByPodGC: PodGC: node no longer exists",
    ),
    "a node without memory": (
        {"reason": "Evicted", "message": MEMORY, **BY_KUBELET},
        Interruption.NODE_PRESSURE,
        f"Evicted: {MEMORY}",
    ),
    "a node that is shut down": (
        {"reason": "Terminated", "message": SHUTDOWN, **BY_KUBELET},
        Interruption.NODE_SHUTDOWN,
        f"Terminated: {SHUTDOWN}",
    ),
    "a pod that its node cannot do without": (
        {"reason": "Preempting", "message": "Preempted in order to admit critical pod", **BY_KUBELET},
        Interruption.PREEMPTED,
        "Preempting: Preempted in order to admit critical pod",
    ),
    "a deadline that somebody gave the pod": (
        {"reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the specified deadline"},
        Interruption.POD_DEADLINE,
        "DeadlineExceeded: Pod was active on the node longer than the specified deadline",
    ),
    "somebody new": (disrupted("EvictionByRobots"), Interruption.EVICTED, "EvictionByRobots: so it was"),
}


@pytest.mark.parametrize("who", TAKEN)
def test_who_took_a_pod_is_told_in_one_word_and_in_their_own(who: str):
    status, kind, text = TAKEN[who]
    for code in (137, 143):
        seen = ending(ended(code, said(outcome=Outcome.RUNNING), **status))
        assert (seen.reason, seen.interruption, seen.message) == (EndReason.INTERRUPTED, kind, text)
    gone = vanished(facts(status), NOW)
    assert (gone.interruption, gone.message) == (kind, text)


def test_memory_that_its_container_may_not_have_is_a_failure_whoever_notices():
    evicted = TAKEN["a node without memory"][0]
    assert ending(ended(137, cause="OOMKilled", **evicted)).reason == EndReason.OUT_OF_MEMORY


@pytest.mark.parametrize("disruption", [status for status, *_ in TAKEN.values()], ids=TAKEN)
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
    seen = ending(ended(0, said(outcome=outcome), **TAKEN["the scheduler"][0]))
    assert seen.reason != EndReason.INTERRUPTED


def test_a_disruption_that_did_not_happen_takes_nothing():
    averted = [condition("DisruptionTarget", "False", reason="PreemptionByScheduler")]
    assert ending(ended(1, conditions=averted)).reason == EndReason.FAILED


@pytest.mark.parametrize("reason", ["OutOfcpu", "UnexpectedAdmissionError", "NodeAffinity"])
def test_a_pod_that_its_node_would_not_have_counts_as_interrupted(reason: str):
    seen = ending(facts({"phase": "Failed", "reason": reason, "message": "Pod was rejected"}))
    assert seen == Ending(EndReason.INTERRUPTED, NOW, None, f"{reason}: Pod was rejected", Interruption.NOT_ADMITTED)


def test_a_pod_collected_with_its_lost_node_counts_as_interrupted():
    collected = condition("DisruptionTarget", "True", reason="DeletionByPodGC", message="node is gone")
    left = [container({"running": {}})]
    seen = ending(facts({"phase": "Failed", "conditions": [collected], "containerStatuses": left}))
    assert (seen.reason, seen.message) == (EndReason.INTERRUPTED, "DeletionByPodGC: node is gone")


def test_a_pod_that_is_told_to_end_lives_until_it_has():
    running = {"phase": "Running", "containerStatuses": [container({"running": {}})]}
    seen = facts(running, deletionTimestamp="2026-05-04T10:00:00Z")
    assert seen.deleted
    assert ending_of(seen, EXPECTED, NOW) is None


def test_a_deleted_pod_counts_as_interrupted_whatever_its_trainer_made_of_it():
    state = {"terminated": {"exitCode": 1, "finishedAt": "2026-05-04T11:30:00Z"}}
    seen = facts({"containerStatuses": [container(state)]}, deletionTimestamp="2026-05-04T11:31:00Z")
    assert ending(seen) == Ending(EndReason.INTERRUPTED, NOW, 1, "its pod was deleted", Interruption.DELETED)


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
    assert vanished(facts(), NOW) == Ending(EndReason.INTERRUPTED, NOW, None, "its pod is gone", Interruption.VANISHED)


def test_a_pod_that_is_gone_says_who_took_it_where_that_was_seen():
    assert vanished(facts(deletionTimestamp="2026-05-04T11:31:00Z"), NOW).message == "its pod was deleted"
