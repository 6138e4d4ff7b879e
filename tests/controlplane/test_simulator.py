"""Pods of a real API server whose trainers are simulated, or are processes of this machine."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from kubernetes.aio.client import V1Pod
from kubernetes.aio.config import new_client_from_config

from cluster.controlplane import ControlPlane
from cluster.episode_pods import PORT, START, Pods, state_of, status_of, uid_of
from cluster.polling import eventually
from cluster.simulator.faults import Fault, Halt, Quirk, crash, diverge, evict, preempt, run_out_of_memory, stall
from cluster.simulator.processes import run_trainers
from cluster.simulator.script import Script
from cluster.simulator.simulator import simulate
from inputs.sweeps import changed
from seedsweep.api.episode import EpisodeId
from seedsweep.api.reading.parse import load_sweep, parse_sweep
from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.message import Message, Outcome, decode_message
from seedsweep.contract.metrics_client import fetch, metrics_session
from seedsweep.contract.scrape import Expected, parse_reading

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.yaml"


@pytest_asyncio.fixture
async def pods(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Pods]:
    async with await new_client_from_config(str(control_plane.kubeconfig("admin"))) as client:
        yield Pods(client, namespace)


def url(pod: V1Pod) -> str:
    return f"http://{status_of(pod).pod_ip}:{PORT}/metrics"


def last_words(pod: V1Pod) -> Message | None:
    terminated = state_of(pod).terminated
    assert terminated is not None
    return decode_message(terminated.message or "")


async def test_trained_pod_succeeds_with_its_whole_curve_in_its_message(pods: Pods) -> None:
    script = Script()
    async with simulate(pods.client, script, pods.namespace) as trainers:
        pod = await pods.ended(await pods.create())
    message = last_words(pod)
    assert status_of(pod).phase == "Succeeded"
    assert message is not None
    assert (message.info.uid, message.outcome) == (uid_of(pod), Outcome.DONE)
    assert message.scores == script.behaviour(START.episode, 0).curve.scores
    attempt = trainers.record.attempts[uid_of(pod)]
    assert (attempt.steps_trained, len(attempt.visible)) == (100, 10)


async def test_running_pod_serves_its_own_metrics_until_it_is_deleted(pods: Pods) -> None:
    script = Script(seconds=0.1, faults=(Fault(stall(after=2)),))
    async with simulate(pods.client, script, pods.namespace) as trainers, metrics_session() as session:
        name = await pods.create()
        pod = await pods.until(name, lambda pod: uid_of(pod) in trainers.record.attempts)
        attempt = trainers.record.attempts[uid_of(pod)]

        async def two_scores() -> bool | None:
            body = await fetch(session, url(pod), 60)
            return len(parse_reading(body, Expected("wi1-do2", uid_of(pod))).scores) == 2 or None

        async def ended() -> float | None:
            return attempt.ended

        await eventually(two_scores)
        await pods.delete(name)
        await eventually(ended)
        with pytest.raises(ScrapeError):
            await fetch(session, url(pod), 60)
    assert 20 <= trainers.record.steps_trained <= 25


async def test_next_attempt_goes_on_from_what_the_last_has_stored(pods: Pods) -> None:
    sweep = parse_sweep(changed("spec.storage", {"uri": "memory://here"}))
    async with simulate(pods.client, Script(), pods.namespace) as trainers:
        name = await pods.create(sweep, replace(START, stop_after=3))
        first = last_words(await pods.ended(name))
        await pods.delete(name)
        second = last_words(await pods.ended(await pods.create(sweep, replace(START, attempt=1))))
    assert first is not None
    assert second is not None
    assert (first.outcome, first.checkpoint, len(first.scores)) == (Outcome.STOPPED, 3, 3)
    assert (second.steps_at_start, len(second.scores), trainers.record.steps_trained) == (30, 10, 100)
    assert second.scores[:3] == first.scores


async def test_attempt_whose_checkpoint_was_lost_starts_again(pods: Pods) -> None:
    sweep = parse_sweep(changed("spec.storage", {"uri": "memory://here"}))
    script = Script(faults=(Fault(Quirk.LOSES_CHECKPOINT, attempt=1),))
    async with simulate(pods.client, script, pods.namespace):
        name = await pods.create(sweep, replace(START, stop_after=3))
        await pods.ended(name)
        await pods.delete(name)
        second = last_words(await pods.ended(await pods.create(sweep, replace(START, attempt=1))))
    assert second is not None
    assert second.steps_at_start == 0


@pytest.mark.parametrize(
    ("halt", "code", "reason", "outcome"),
    [
        (crash(2, exit_code=7), 7, "Error", Outcome.FAILED),
        (crash(2, exit_code=7, outcome=None), 7, "Error", None),
        (run_out_of_memory(2), 137, "OOMKilled", Outcome.RUNNING),
        (diverge(2), 0, "Completed", Outcome.DIVERGED),
        (evict(2), 137, "Error", Outcome.RUNNING),
    ],
)
async def test_faults_end_pods_as_a_kubelet_would(
    pods: Pods, halt: Halt, code: int, reason: str, outcome: Outcome | None
) -> None:
    async with simulate(pods.client, Script(faults=(Fault(halt),)), pods.namespace):
        pod = await pods.ended(await pods.create())
    terminated, message = state_of(pod).terminated, last_words(pod)
    assert terminated is not None
    assert (terminated.exit_code, terminated.reason) == (code, reason)
    assert (None if message is None else message.outcome) == outcome
    assert message is None or len(message.scores) == 2


async def test_evicted_pod_says_so(pods: Pods) -> None:
    async with simulate(pods.client, Script(faults=(Fault(evict(2)),)), pods.namespace):
        pod = await pods.ended(await pods.create())
    assert status_of(pod).reason == "Evicted"
    assert any(c.type == "DisruptionTarget" and c.status == "True" for c in status_of(pod).conditions or [])


async def test_preempted_pod_is_gone_and_only_the_attempt_that_was_told_to_be(pods: Pods) -> None:
    script = Script(faults=(Fault(preempt(2), attempt=0),))
    async with simulate(pods.client, script, pods.namespace):
        name = await pods.create()
        await pods.gone(name)
        again = await pods.ended(await pods.create(start=replace(START, attempt=1)))
    assert status_of(again).phase == "Succeeded"


async def test_silent_trainer_ends_well_and_leaves_nothing(pods: Pods) -> None:
    async with simulate(pods.client, Script(faults=(Fault(Quirk.MUTE),)), pods.namespace):
        pod = await pods.ended(await pods.create())
    assert (status_of(pod).phase, last_words(pod)) == ("Succeeded", None)


async def test_trainer_that_nobody_can_reach_or_that_is_too_quick_leaves_its_whole_curve(pods: Pods) -> None:
    faults = (Fault(Quirk.UNREACHABLE), Fault(Quirk.HURRIED))
    async with simulate(pods.client, Script(seconds=600, faults=faults), pods.namespace):
        message = last_words(await pods.ended(await pods.create()))
    assert message is not None
    assert (message.outcome, len(message.scores)) == (Outcome.DONE, 10)


def has_pending_container(pod: V1Pod) -> bool:
    status = status_of(pod)
    return status.phase == "Pending" and bool(status.container_statuses)


async def test_image_that_cannot_be_pulled_keeps_its_pod_pending(pods: Pods) -> None:
    script = Script(faults=(Fault(Quirk.UNPULLABLE, "wi1-do2"),))
    async with simulate(pods.client, script, pods.namespace):
        waiting = await pods.create()
        other = await pods.create(start=replace(START, episode=EpisodeId(3, 4)))
        await pods.ended(other)
        pod = await pods.until(waiting, has_pending_container)
    waits = state_of(pod).waiting
    assert waits is not None
    assert waits.reason == "ImagePullBackOff"


async def test_two_gauges_are_all_that_a_trainer_of_level_zero_tells(pods: Pods) -> None:
    script = Script(level="L0", gauges=("my_score", "my_progress"), faults=(Fault(stall(after=5)),))
    async with simulate(pods.client, script, pods.namespace) as trainers, metrics_session() as session:
        name = await pods.create()
        pod = await pods.until(name, lambda pod: uid_of(pod) in trainers.record.attempts)
        body = (await fetch(session, url(pod), 60)).decode()
    assert [line.split()[0] for line in body.splitlines()] == ["my_score", "my_progress"]


async def test_real_trainer_runs_behind_a_pod(pods: Pods, tmp_path: Path) -> None:
    sweep = load_sweep(QUICKSTART)
    async with run_trainers(pods.client, tmp_path, pods.namespace), metrics_session() as session:
        name = await pods.create(sweep, replace(START, stop_after=1, rungs=(1,)))
        pod = await pods.until(name, lambda pod: status_of(pod).phase == "Running")

        async def metrics() -> bytes | None:
            try:
                return await fetch(session, url(pod), 5)
            except ScrapeError:
                return None

        parse_reading(await eventually(metrics), Expected("wi1-do2", uid_of(pod)))
        ended = await pods.ended(name)
    message = last_words(ended)
    assert status_of(ended).phase == "Succeeded"
    assert message is not None
    assert (message.outcome, len(message.scores), message.evaluations_planned) == (Outcome.STOPPED, 1, 10)


async def test_command_of_a_pod_is_run_with_its_variables_and_told_to_end(pods: Pods, tmp_path: Path) -> None:
    text = changed("spec.trainer.fineTuning", ...)
    text = changed("spec.trainer.metric", {"name": "accuracy", "goal": "maximize"}, text)
    script = """
        trap 'echo told to end >> seen; exit 143' TERM
        cd "$SEEDSWEEP_WORK_DIR"
        echo "seeds $1 $SEEDSWEEP_DATA_ORDER_SEED" > seen
        sleep 60 & wait
    """
    command = ["sh", "-c", script, "sh", "$(SEEDSWEEP_WEIGHT_INIT_SEED)"]
    sweep = parse_sweep(changed("spec.trainer.command", command, text))
    async with run_trainers(pods.client, tmp_path, pods.namespace):
        name = await pods.create(sweep)
        pod = await pods.until(name, lambda pod: (tmp_path / uid_of(pod) / "seen").exists())
        await pods.delete(name)

        async def told() -> str | None:
            seen = (tmp_path / uid_of(pod) / "seen").read_text()
            return seen if "told" in seen else None

        assert await eventually(told) == "seeds 1 2\ntold to end\n"
