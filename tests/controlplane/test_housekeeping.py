"""What must be done in a sweep's storage, by a pod: what is freed, the winner, a warm-up, and what may go wrong.

The pods are simulated, and with them the storage: they know what was freed, and who looked for it afterwards.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from cluster.ends import fault_free_end
from cluster.objects import run_kubectl
from cluster.polling import eventually, settled
from cluster.proxy import Answer, Break, Rule
from cluster.simulator.chores import PARAMETERS, Chores, Mishap, Part
from cluster.simulator.faults import Fault, stall
from cluster.simulator.script import Script
from cluster.trial import BUCKET, NAME, OUR_TRAINER, Object, Trial, on_trial, stored_sweep, sweep_of
from seedsweep.kube.housekeeping.comparisons import MAX_FAILURES

QUICK = Script(seconds=0.1)
OWN = {
    "image": "example/trainer:1",
    "command": ["train"],
    "metric": {"name": "accuracy", "goal": "maximize", "range": {"min": "0", "max": "1"}},
    "resources": {"limits": {"nvidia.com/gpu": 1}},
}
POD = f"{NAME}-housekeeping"


def with_mishaps(mishaps: Mapping[Part, tuple[Mishap, ...]], script: Script = QUICK, seconds: float = 0.1) -> Script:
    return replace(script, chores=Chores(seconds, mishaps))


def conditions(status: Object) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions", ())}


async def completed(trial: Trial, sweep: Object, script: Script) -> Object:
    """The status at the end, which is the fault-free one; nothing was freed that was needed."""
    await trial.completed(sweep, script)
    assert trial.trainers.housekeepers.wrong == []
    return await trial.status()


async def events(trial: Trial) -> set[str]:
    return {item["reason"] for item in await trial.items("events")}


async def no_pods(trial: Trial) -> None:
    """Wait until no housekeeping pod is left."""

    async def look() -> bool:
        names = [pod["metadata"]["name"] for pod in await trial.items("pods")]
        return any("housekeeping" in name or "clean-up" in name for name in names)

    assert await settled(look, False) is False


async def test_the_last_export_that_the_api_server_took_is_the_one_that_is_made(control_plane, namespace: str):
    script = with_mishaps({}, Script(seconds=0.2), seconds=1.0)
    async with on_trial(control_plane, namespace, script) as trial:
        # Nothing goes on before the first edit.
        trial.trainers.housekeepers.held_up = True
        await trial.apply(sweep := stored_sweep(export={"uri": "s3://bucket/0"}))
        last = 0
        while True:
            export = {"export": {"uri": f"s3://bucket/{last + 1}"}}
            code, answer = await trial.request("PATCH", trial.path("seedsweeps", NAME), {"spec": export})
            if code != 200:
                break
            last += 1
            trial.trainers.housekeepers.held_up = False
            # Ever more slowly: each edit has the winner handed over once more.
            await asyncio.sleep(0.2 * 1.5**last)
        assert "may change only until the winner has been handed over" in answer["message"]
        status = await completed(trial, sweep, script)
        assert status["best"]["exported"] == f"s3://bucket/{last}"
        assert last > 0


async def test_storage_is_warmed_up_before_freed_during_and_the_winner_handed_over_after(control_plane, namespace: str):
    script = Script(seconds=0.2)
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(sweep := stored_sweep(export={"uri": "s3://bucket/best"}))
        status = await completed(trial, sweep, script)
        folder = f"s3://bucket/runs/{namespace}/{(await trial.sweep())['metadata']['uid']}"
        house = trial.trainers.housekeepers
        # Whoever lost, and whoever was kept and has finished: nobody has a checkpoint any more.
        assert len(house.done) >= 3
        assert house.done[0][1].warm_up
        last = [task.hand_over for _, task in house.done if task.hand_over is not None][-1]
        assert last.card.startswith("---\n")
        assert f"{status['best']['score']:.4f}" in last.card
        freed = {pruning.episode: pruning.keep for _, task in house.done for pruning in task.prune}
        expected = fault_free_end(sweep, script)
        assert set(freed) == set(expected.verdicts)
        kept = {episode for episode, keep in freed.items() if keep is not None}
        assert kept >= {episode for episode, verdict in expected.verdicts.items() if verdict == "Finished"}
        assert trial.trainers.stored == {}
        assert status["best"]["weights"] == f"{folder}/best"
        assert status["best"]["exported"] == "s3://bucket/best"
        assert status["best"]["test"]["n"] == 1000
        assert status["parameters"] == PARAMETERS
        assert conditions(status)["CheckpointsKept"] == ("True", "Stored")
        assert conditions(status)["WarmedUp"] == ("True", "Done")
        assert conditions(status)["StorageTidy"][0] == "True"

        async def told() -> bool | None:
            return {"WarmedUp", "HandedOver"} <= await events(trial) or None

        await eventually(told)
        await no_pods(trial)


async def evidence(trial: Trial) -> list[Object | None]:
    return [cut.get("evidence") for cut in await trial.items("cuts")]


async def test_the_cut_gets_its_evidence_once_from_a_pod_that_does_nothing_else(control_plane, namespace: str):
    since = control_plane.audit_position()
    script = Script(seconds=0.2)
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(sweep := stored_sweep())
        await completed(trial, sweep, script)
        [cut] = await trial.items("cuts")
        losers = cut["data"]["ranked"][cut["data"]["keep"] :]
        found = cut["evidence"]
        assert (found["alikeEpisodes"], found["unknownEpisodes"]) == (losers[::3], losers[2::3])
        assert found["summary"] == "2 of 4 losers, 1 unknown"
        asked = [task for _, task in trial.trainers.housekeepers.done if task.compare is not None]
        assert [task.model_fields_set for task in asked] == [{"compare"}]
        assert "2 of 4 losers, 1 unknown" in run_kubectl(control_plane, "get", "cuts", "-n", namespace)
        writes = [e for e in control_plane.audit(since) if (e.verb, e.resource) == ("patch", "cuts")]
        assert len([e for e in writes if e.namespace == namespace and e.code == 200]) == 1
        await no_pods(trial)


@pytest.mark.parametrize("mishap", Mishap)
async def test_a_comparison_that_goes_wrong_once_is_made_by_the_next_pod_or_left(
    control_plane, namespace: str, mishap: Mishap
):
    script = with_mishaps({Part.COMPARISON: (mishap,)})
    async with on_trial(control_plane, namespace, script, options=("--housekeeping-seconds", "5")) as trial:
        await trial.apply(sweep := stored_sweep())
        await completed(trial, sweep, script)
        # One that refuses its task will do so again.
        assert [found is None for found in await evidence(trial)] == [mishap is Mishap.REFUSES]


async def test_a_comparison_that_keeps_failing_leaves_the_cut_and_the_result_as_they_are(control_plane, namespace: str):
    script = with_mishaps({Part.COMPARISON: (Mishap.FAILS,) * 20})
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(sweep := stored_sweep())
        status = await completed(trial, sweep, script)
        assert status["best"]["weights"]
        assert await evidence(trial) == [None]
        begun = [part for _, part in trial.trainers.housekeepers.begun]
        assert begun.count(Part.COMPARISON) == MAX_FAILURES


async def test_no_episode_starts_before_the_storage_is_warm(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, QUICK) as trial:
        trial.trainers.housekeepers.held_up = True
        await trial.apply(sweep := stored_sweep())

        async def warming() -> bool | None:
            return conditions(await trial.status()).get("Progressing") == ("True", "WarmingUp") or None

        await eventually(warming)
        assert trial.trainers.record.attempts == {}
        assert [pod["metadata"]["name"] for pod in await trial.items("pods")] == [POD]
        trial.trainers.housekeepers.held_up = False
        await completed(trial, sweep, QUICK)


async def test_a_configuration_that_nobody_can_train_ends_a_sweep_before_a_gpu_is_held(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, with_mishaps({Part.WARM_UP: (Mishap.REFUSES,)})) as trial:
        await trial.apply(stored_sweep())
        failed = await trial.condition("Failed")
        assert failed["reason"] == "BadConfiguration"
        assert "there is no such model" in failed["message"]
        assert trial.trainers.record.attempts == {}
        await no_pods(trial)
        assert await trial.settled_wrong() == []


async def test_a_warm_up_that_keeps_failing_is_skipped_with_a_warning(control_plane, namespace: str):
    script = with_mishaps({Part.WARM_UP: (Mishap.FAILS, Mishap.EVICTED, Mishap.SILENT, Mishap.FAILS)})
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(sweep := stored_sweep())
        assert (await trial.condition("WarmedUp"))["reason"] == "Skipped"
        status = await completed(trial, sweep, script)
        assert status["best"]["weights"]
        assert [part for _, part in trial.trainers.housekeepers.begun].count(Part.WARM_UP) == 4


async def test_a_hand_over_that_fails_is_tried_again_and_then_fails_the_sweep_whose_winner_stands(
    control_plane, namespace: str
):
    script = with_mishaps({Part.HAND_OVER: (Mishap.FAILS, Mishap.EVICTED, Mishap.REFUSES)})
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(stored_sweep())
        failed = await trial.condition("Failed")
        assert (failed["reason"], failed["message"]) == ("HandOverFailed", "model: there is no such model")
        status = await trial.status()
        assert "weights" not in status["best"]
        assert [part for _, part in trial.trainers.housekeepers.begun].count(Part.HAND_OVER) == 3
        await no_pods(trial)


async def test_a_pod_that_hangs_is_ended_in_time_and_the_next_one_does_it(control_plane, namespace: str):
    script = with_mishaps({Part.WARM_UP: (Mishap.HANGS,), Part.HAND_OVER: (Mishap.HANGS,)})
    options = ("--housekeeping-seconds", "3")
    async with on_trial(control_plane, namespace, script, options=options) as trial:
        await trial.apply(sweep := stored_sweep())
        status = await completed(trial, sweep, script)
        assert conditions(status)["WarmedUp"] == ("True", "Done")
        assert status["best"]["weights"]


async def test_a_pod_that_finds_no_place_holds_nothing_up_for_ever(control_plane, namespace: str):
    options = ("--housekeeping-requests", "cpu=100000", "--housekeeping-seconds", "2")
    async with on_trial(control_plane, namespace, QUICK, options=options) as trial:
        await trial.apply(stored_sweep())
        skipped = await trial.condition("WarmedUp")
        assert skipped["reason"] == "Skipped"
        assert "Insufficient cpu" in skipped["message"]
        await trial.running(8)
        assert trial.trainers.housekeepers.begun == []
        assert await trial.settled_wrong() == []


async def test_without_storage_there_is_no_such_pod_and_the_status_says_what_that_costs(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, QUICK) as trial:
        await trial.apply(sweep := sweep_of(trainer=OUR_TRAINER))
        status = await completed(trial, sweep, QUICK)
        assert trial.trainers.housekeepers.begun == []
        kept = next(c for c in status["conditions"] if c["type"] == "CheckpointsKept")
        assert (kept["status"], kept["reason"]) == ("False", "NoStorage")
        assert "up to 90 steps more" in kept["message"]
        assert "no weights were kept" in status["message"]


async def test_storage_of_a_trainer_of_ones_own_is_freed_with_an_image_and_left_without(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, QUICK) as trial:
        await trial.apply(sweep := stored_sweep(trainer=OWN))
        status = await completed(trial, sweep, QUICK)
        assert conditions(status)["StorageTidy"] == ("False", "NoHousekeepingImage")
        assert trial.trainers.housekeepers.begun == []
        await trial.operator.stop()
        trial.operator.options = ("--housekeeping-image", "example/seedsweep-trainer:1")
        await trial.operator.start()
        await trial.delete("seedsweeps", NAME)
        await trial.apply(sweep)
        status = await completed(trial, sweep, QUICK)
        assert conditions(status)["StorageTidy"][0] == "True"
        freed = {pruning.episode for _, task in trial.trainers.housekeepers.done for pruning in task.prune}
        assert freed == {e for e, verdict in fault_free_end(sweep, QUICK).verdicts.items() if verdict == "Lost"}


async def test_keep_all_leaves_survivors_what_they_have(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, QUICK) as trial:
        await trial.apply(sweep := stored_sweep({**BUCKET, "retentionPolicy": {"whenFinished": "KeepAll"}}))
        await completed(trial, sweep, QUICK)
        left = {folder.rsplit("/", 1)[-1] for folder in trial.trainers.stored}
        finished = {e for e, verdict in fault_free_end(sweep, QUICK).verdicts.items() if verdict == "Finished"}
        assert left >= finished


MOMENTS = [("POST", "/pods$"), ("DELETE", f"/pods/{POD}"), ("PUT", "/seedsweeps/.*/status")]


@pytest.mark.parametrize("moment", [Break.BEFORE, Break.AFTER])
@pytest.mark.parametrize(("method", "path"), MOMENTS)
async def test_an_operator_that_dies_around_a_housekeeping_pod_takes_up_where_it_stood(
    control_plane, namespace: str, moment: Break, method: str, path: str
):
    script = with_mishaps({}, Script(seconds=0.2), seconds=0.5)
    async with on_trial(control_plane, namespace, script) as trial:
        rule = Rule(moment, path, method, body="housekeeping" if method == "POST" else "")
        sweep = stored_sweep()
        await trial.apply(sweep)
        for _ in range(3):
            with trial.proxy.broken(rule):

                async def hit() -> bool | None:
                    return rule.hits > 0 or bool((await trial.status()).get("completionTime")) or None

                await eventually(hit)
                await trial.operator.kill()
            rule.hits = 0
            await trial.operator.start()
        status = await completed(trial, sweep, script)
        assert status["best"]["weights"]
        assert len([task for _, task in trial.trainers.housekeepers.done if task.hand_over is not None]) == 1


async def test_a_sweep_that_is_deleted_takes_its_storage_along_where_it_is_asked_to(control_plane, namespace: str):
    slow = Script(seconds=0.5)
    async with on_trial(control_plane, namespace, slow) as trial:
        uid = await trial.apply(stored_sweep({**BUCKET, "retentionPolicy": {"whenDeleted": "Delete"}}))
        await trial.running(4)
        await trial.delete("seedsweeps", NAME)

        async def removed() -> bool | None:
            return any(task.remove_all for _, task in trial.trainers.housekeepers.done) or None

        await eventually(removed)
        await no_pods(trial)
        assert [folder for folder in trial.trainers.stored if uid in folder] == []
        assert await trial.items("pods") == []
        assert await trial.settled_wrong() == []


async def test_a_sweep_that_is_deleted_leaves_its_storage_otherwise(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, QUICK) as trial:
        await trial.apply(sweep := stored_sweep())
        await completed(trial, sweep, QUICK)
        await trial.delete("seedsweeps", NAME)
        await trial.none_left("pods")
        # Long enough for a pod that removes it.
        await asyncio.sleep(3)
        assert not any(task.remove_all for _, task in trial.trainers.housekeepers.done)
        assert await trial.items("pods") == []


async def test_a_finished_sweep_goes_when_its_time_is_over_and_its_storage_with_it(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, QUICK) as trial:
        storage = {**BUCKET, "retentionPolicy": {"whenDeleted": "Delete"}}
        await trial.apply(sweep := stored_sweep(storage))
        await completed(trial, sweep, QUICK)
        # The next operator knows of it, too.
        await trial.operator.kill()
        await trial.edit(ttlSecondsAfterFinished=1)
        await trial.operator.start()
        await trial.none_left("seedsweeps")

        async def removed() -> bool | None:
            return any(task.remove_all for _, task in trial.trainers.housekeepers.done) or None

        await eventually(removed)
        await no_pods(trial)
        assert await trial.settled_wrong() == []


async def test_a_housekeeping_pod_that_is_deleted_by_hand_is_made_again(control_plane, namespace: str):
    script = with_mishaps({}, seconds=2.0)
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(sweep := stored_sweep())

        async def begun() -> bool | None:
            return bool(trial.trainers.housekeepers.begun) or None

        await eventually(begun)
        await trial.delete("pods", POD)
        status = await completed(trial, sweep, script)
        assert conditions(status)["WarmedUp"] == ("True", "Done")


async def test_a_failed_sweep_keeps_no_more_than_its_best_weights(control_plane, namespace: str):
    script = replace(QUICK, faults=tuple(Fault(stall(after=5), f"wi{i}-do{j}") for i in range(2) for j in range(4)))
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(stored_sweep())

        async def scored() -> bool | None:
            return bool((await trial.status()).get("best")) or None

        await eventually(scored)
        await trial.edit(activeDeadlineSeconds=1)
        failed = await trial.condition("Failed")
        assert failed["reason"] == "DeadlineExceeded"

        async def over() -> bool | None:
            return bool((await trial.status()).get("completionTime")) or None

        await eventually(over)
        assert trial.trainers.stored == {}
        assert (await trial.status())["best"]["weights"]
        assert trial.trainers.housekeepers.wrong == []


async def test_a_name_that_is_taken_is_told_and_waited_out(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, QUICK) as trial:
        foreign = {"metadata": {"name": POD}, "spec": {"containers": [{"name": "x", "image": "x:1"}]}}
        await trial.request("POST", trial.path("pods"), foreign)
        await trial.apply(sweep := stored_sweep())
        await trial.stalled("HousekeepingFails", POD)
        await trial.delete("pods", POD)
        status = await completed(trial, sweep, QUICK)
        assert conditions(status)["WarmedUp"] == ("True", "Done")


async def test_an_api_server_that_refuses_pods_for_a_while_costs_time_and_no_more(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, QUICK) as trial:
        refused = Rule(Answer(503), "/pods$", "POST", body="housekeeping")
        with trial.proxy.broken(refused):
            await trial.apply(sweep := stored_sweep())

            async def insisted() -> bool | None:
                return refused.hits > 3 or None

            await eventually(insisted)
            assert trial.trainers.housekeepers.begun == []
        status = await completed(trial, sweep, QUICK)
        assert conditions(status)["WarmedUp"] == ("True", "Done")
