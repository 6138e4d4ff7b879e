"""What may befall pods and trainers: each end is told apart and on record, and nobody else is harmed by it."""

from typing import Any

import pytest

from cluster.ends import fault_free_end
from cluster.simulator.faults import (
    End,
    Fault,
    Halt,
    Lie,
    Lies,
    Quirk,
    crash,
    diverge,
    evict,
    preempt,
    run_out_of_memory,
    stall,
)
from cluster.simulator.logs import serving_logs
from cluster.simulator.script import Script
from cluster.trial import Trial, on_trial, sweep_of
from seedsweep.contract.message import Outcome
from seedsweep.contract.protocol import ExitCode

VICTIM = "wi0-do1"
"""By its curve neither the winner nor the last."""
DEADLINE = 10
"""Seconds without progress: those who do not hang are long done by then."""


def script(*faults: Fault, seconds: float = 0.2) -> Script:
    return Script(seconds=seconds, faults=faults)


async def attempts_of(trial: Trial, episode: str = VICTIM) -> list[dict[str, Any]]:
    """Ended attempts on record."""
    _, found = await trial.request("GET", trial.path("episodes", f"demo-{episode}"))
    return [a for a in found.get("status", {}).get("attempts", ()) if a.get("reason") is not None]


async def test_pods_deleted_by_hand_are_replaced_before_the_cut_and_after_it(control_plane, namespace: str):
    survivors = [e for e, verdict in fault_free_end(sweep_of(), script()).verdicts.items() if verdict == "Finished"]
    # They run as long as nobody deletes them.
    before, after = Fault(stall(after=1), VICTIM, attempt=0), [Fault(stall(after=5), e, attempt=0) for e in survivors]
    play = script(before, *after)
    assert VICTIM not in survivors
    async with on_trial(control_plane, namespace, play) as trial:
        await trial.apply(sweep := sweep_of())
        await trial.running(8)
        await trial.delete("pods", f"demo-{VICTIM}")
        await trial.cut()
        for survivor in survivors:
            await trial.delete("pods", f"demo-{survivor}")
        await trial.completed(sweep, play)
        assert (await attempts_of(trial))[0]["reason"] == "Interrupted"
        for survivor in survivors:
            assert [a["reason"] for a in await attempts_of(trial, survivor)] == ["Interrupted", "Done"]


PASSING: dict[str, tuple[Halt | Quirk, str, str | None]] = {
    "evicted": (evict(after=1), "Interrupted", "NodePressure"),
    "preempted": (preempt(after=1), "Interrupted", "Preempted"),
    "killed without a word": (crash(1, exit_code=137, outcome=None), "Interrupted", "Killed"),
    "given notice": (Halt(1, End(143, Outcome.INTERRUPTED, "Error")), "Interrupted", "Terminated"),
    "ended without a score": (Quirk.MUTE, "MetricsUnavailable", None),
}


@pytest.mark.parametrize("what", PASSING)
async def test_a_trainer_starts_again_when_it_was(control_plane, namespace: str, what: str):
    happens, reason, kind = PASSING[what]
    play = script(Fault(happens, VICTIM, attempt=0))
    async with on_trial(control_plane, namespace, play) as trial:
        await trial.apply(sweep := sweep_of())
        await trial.completed(sweep, play)
        first, *_ = await attempts_of(trial)
        assert (first["reason"], first.get("interruption")) == (reason, kind)


async def test_an_episode_whose_node_is_drained_goes_on_and_spends_no_budget(control_plane, namespace: str):
    play = script(Fault(stall(after=1), VICTIM, attempt=0))
    async with on_trial(control_plane, namespace, play) as trial:
        await trial.apply(sweep := sweep_of(backoffLimitPerEpisode=0))
        await trial.running(8)
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": f"demo-{VICTIM}"}}
        code, answer = await trial.request("POST", trial.path("pods", f"demo-{VICTIM}/eviction"), eviction)
        assert code == 201, answer
        await trial.completed(sweep, play)
        first, *_ = await attempts_of(trial)
        assert (first["reason"], first["interruption"]) == ("Interrupted", "Evicted")


FAILING: dict[str, tuple[Halt, str, str]] = {
    "an exit code": (crash(1, exit_code=3), "Failed", "RuntimeError"),
    "its memory": (run_out_of_memory(after=1), "OutOfMemory", "OOMKilled"),
}


@pytest.mark.parametrize("what", FAILING)
async def test_an_episode_whose_budget_is_spent_has_failed_by(control_plane, namespace: str, what: str):
    halt, reason, message = FAILING[what]
    play = script(Fault(halt, VICTIM))
    async with on_trial(control_plane, namespace, play) as trial:
        await trial.apply(sweep := sweep_of(backoffLimitPerEpisode=0))
        await trial.completed(sweep, play, breaks={VICTIM: 2})
        attempts = await attempts_of(trial)
        assert [a["reason"] for a in attempts] == [reason]
        assert message in attempts[0]["message"]


LOG = "".join(f"step {i}\n" for i in range(1, 501))


async def test_a_trainer_that_crashed_leaves_the_end_of_what_it_printed(control_plane, namespace: str):
    segfault = Halt(1, End(139, Outcome.RUNNING, "Error"))
    play = script(Fault(segfault, VICTIM, attempt=0))
    async with on_trial(control_plane, namespace, play) as trial, serving_logs(control_plane, LOG) as asked:
        await trial.apply(sweep := sweep_of())
        await trial.completed(sweep, play)
        first, *_ = await attempts_of(trial)
        assert (first["reason"], first["message"]) == ("Failed", "ended by SIGSEGV")
        assert first["output"].splitlines() == [f"step {i}" for i in range(491, 501)]
        assert asked == [f"demo-{VICTIM}"]


async def test_a_trainer_that_hangs_leaves_the_end_of_what_it_printed(control_plane, namespace: str):
    play = script(Fault(stall(after=1), VICTIM, attempt=0))
    async with on_trial(control_plane, namespace, play) as trial, serving_logs(control_plane, LOG):
        await trial.apply(sweep := sweep_of(progressDeadlineSeconds=DEADLINE))
        await trial.completed(sweep, play)
        first, *_ = await attempts_of(trial)
        assert (first["reason"], first["output"].splitlines()[-1]) == ("Stuck", "step 500")


async def test_a_trainer_that_hangs_is_stopped_at_its_deadline(control_plane, namespace: str):
    play = script(Fault(stall(after=1), VICTIM))
    async with on_trial(control_plane, namespace, play) as trial:
        await trial.apply(sweep := sweep_of(backoffLimitPerEpisode=0, progressDeadlineSeconds=DEADLINE))
        await trial.completed(sweep, play, breaks={VICTIM: 2})
        assert [(a["stop"], a["reason"]) for a in await attempts_of(trial)] == [("Stuck", "Stuck")]


async def test_a_configuration_that_is_refused_three_times_fails_the_sweep(control_plane, namespace: str):
    play = script(Fault(crash(0, exit_code=ExitCode.BAD_CONFIGURATION)))
    async with on_trial(control_plane, namespace, play) as trial:
        await trial.apply(sweep_of())
        failed = await trial.condition("Failed")
        assert failed["reason"] == "BadConfiguration"
        assert "told to crash" in failed["message"]
        assert await trial.settled_wrong() == []


async def test_metrics_that_are_never_there_end_the_episode_and_not_in_waiting(control_plane, namespace: str):
    play = script(Fault(Quirk.MUTE, VICTIM))
    async with on_trial(control_plane, namespace, play) as trial:
        await trial.apply(sweep := sweep_of())
        await trial.completed(sweep, play, breaks={VICTIM: 1})
        assert [a["reason"] for a in await attempts_of(trial)] == ["MetricsUnavailable"] * 2


@pytest.mark.parametrize("lies", [Lies.OTHER_EPISODE, Lies.GARBAGE])
async def test_metrics_that_are_not_its_own_are_never_taken_for_its_own(control_plane, namespace: str, lies: Lies):
    play = script(Fault(Lie(lies), VICTIM))
    async with on_trial(control_plane, namespace, play) as trial:
        await trial.apply(sweep := sweep_of())
        # Its message tells the truth in the end.
        await trial.completed(sweep, play)


async def test_an_episode_that_diverges_is_out_and_not_started_again(control_plane, namespace: str):
    play = script(Fault(diverge(after=1), VICTIM))
    async with on_trial(control_plane, namespace, play) as trial:
        await trial.apply(sweep := sweep_of())
        await trial.completed(sweep, play, diverges={VICTIM: 2})
        assert [a["reason"] for a in await attempts_of(trial)] == ["Diverged"]


ENDLESS: dict[str, tuple[dict[str, Any], tuple[Fault, ...], str]] = {
    "no node has room for it": ({"podTemplate": {"spec": {"nodeSelector": {"no": "such"}}}}, (), "Unschedulable"),
    "its image cannot be pulled": ({}, (Fault(Quirk.UNPULLABLE),), "ImagePullBackOff"),
}


@pytest.mark.parametrize("why", ENDLESS)
async def test_a_pod_that_never_begins_is_told_and_ends_with_the_deadline(control_plane, namespace: str, why: str):
    spec, faults, reason = ENDLESS[why]
    async with on_trial(control_plane, namespace, script(*faults)) as trial:
        await trial.apply(sweep_of(**spec))
        await trial.condition("Stalled", holds=lambda stalled: reason in stalled["message"])
        await trial.edit(activeDeadlineSeconds=1)
        failed = await trial.condition("Failed")
        assert failed["reason"] == "DeadlineExceeded"
        assert await trial.settled_wrong() == []
        await trial.none_left("pods")
