"""The operator dies, or stands twice; the API server goes away, or its watches lie: the end is the fault-free one."""

import asyncio
import random
from dataclasses import replace

import pytest

from cluster.ends import fault_free_end
from cluster.operator import operating
from cluster.polling import eventually
from cluster.proxy import Answer, Break, Rule
from cluster.simulator.faults import Fault, stall
from cluster.simulator.script import Script
from cluster.trial import Trial, on_trial, sweep_of
from host.ports import free_port

SLOW = Script(seconds=0.5)
"""Episodes of 5 s: an operator that is away for a while misses something."""


async def test_a_quiet_day_ends_as_the_curves_have_it(control_plane, namespace: str):
    script = Script(seconds=0.1)
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.apply(sweep := sweep_of())
        await trial.completed(sweep, script)


@pytest.mark.parametrize("seed", [1, 2])
async def test_an_operator_that_is_killed_at_random_again_and_again_ends_where_it_would_have(
    control_plane, namespace: str, seed: int
):
    rng = random.Random(seed)
    async with on_trial(control_plane, namespace, SLOW) as trial:
        await trial.apply(sweep := sweep_of())
        for _ in range(4):
            await asyncio.sleep(rng.uniform(0.05, 1.5))
            await trial.operator.kill()
            await trial.operator.start()
        await trial.completed(sweep, SLOW)


WRITES = [
    ("POST", "/pods$"),
    ("PATCH", "/episodes/"),
    ("POST", "/cuts"),
    ("DELETE", "/pods/"),
    ("PUT", "/seedsweeps/.*/status"),
]


@pytest.mark.parametrize("moment", [Break.BEFORE, Break.AFTER])
async def test_an_operator_that_dies_around_a_write_finds_out_whether_it_was_done(
    control_plane, namespace: str, moment: Break
):
    sweep, script = sweep_of(), Script(seconds=0.3)
    losers = [e for e, verdict in fault_free_end(sweep, script).verdicts.items() if verdict == "Lost"]
    # They hang past the rung, so that there is somebody left to delete.
    script = replace(script, faults=tuple(Fault(stall(after=4), loser) for loser in losers))
    async with on_trial(control_plane, namespace, script) as trial:
        await trial.operator.kill()
        await trial.apply(sweep)
        for method, path in WRITES:
            await _live_until(trial, Rule(moment, path, method, last=True))
        await trial.operator.start()
        await trial.completed(sweep, script)


async def _live_until(trial: Trial, rule: Rule) -> None:
    async def hit() -> bool | None:
        return rule.hits > 0 or None

    with trial.proxy.broken(rule):
        await trial.operator.start()
        await eventually(hit)
        await trial.operator.kill()


async def test_an_end_that_nobody_was_told_of_is_told_by_the_next_operator(control_plane, namespace: str):
    script = Script(seconds=0.1)
    async with on_trial(control_plane, namespace, script) as trial:
        with trial.proxy.broken(Rule(Break.BEFORE, "/events$")):
            await trial.apply(sweep := sweep_of())
            await trial.condition("Complete")
            await trial.operator.kill()
        await trial.operator.start()
        await trial.completed(sweep, script)


async def test_a_sweep_is_not_over_before_all_verdicts_are_on_record(control_plane, namespace: str):
    script = Script(seconds=0.1)
    async with on_trial(control_plane, namespace, script) as trial:

        async def survivors_finished() -> bool | None:
            verdicts = [item.get("status", {}).get("verdict") or {} for item in await trial.items("episodes")]
            return sum(verdict.get("outcome") == "Finished" for verdict in verdicts) == 3 or None

        with trial.proxy.broken(Rule(Answer(503), "/episodes/", "PATCH", body="LostByCut")):
            await trial.apply(sweep := sweep_of(parallelism=4))
            await eventually(survivors_finished)
            await trial.operator.kill()
        await trial.operator.start()
        await trial.completed(sweep, script)


async def test_watches_that_break_lose_nothing(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SLOW) as trial:
        await trial.apply(sweep := sweep_of())

        async def broken() -> int | None:
            return trial.proxy.break_watches("/(pods|seedsweeps)") or None

        for _ in range(8):
            await eventually(broken)
            await asyncio.sleep(0.3)
        await trial.completed(sweep, SLOW)


async def test_watches_that_fall_silent_are_made_good_by_lists(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SLOW, relist_seconds=1.0) as trial:
        silence = Rule(Break.SILENCE, "/pods.*watch=", "GET")
        with trial.proxy.broken(silence):
            await trial.apply(sweep := sweep_of())
            await trial.completed(sweep, SLOW)
        assert silence.hits


async def test_a_watch_that_stays_silent_has_the_operator_restarted(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SLOW, relist_seconds=1.0) as trial:
        with trial.proxy.broken(Rule(Break.SILENCE, "/seedsweeps.*watch=", "GET")):
            await trial.apply(sweep := sweep_of())

            async def unwell() -> bool | None:
                return not await trial.operator.answers() or None

            await eventually(unwell)
            await trial.operator.stop()
        await trial.operator.start()
        await trial.completed(sweep, SLOW)


async def test_a_watch_that_is_refused_ends_the_operator_and_the_next_one_goes_on(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SLOW) as trial:
        await trial.apply(sweep := sweep_of())
        await trial.running(4)
        with trial.proxy.broken(Rule(Answer(410), "watch=", "GET")):
            # One that is not there yet is refused when it comes.
            trial.proxy.break_watches("/seedsweeps")
            assert await trial.operator.ended() != 0
        await trial.operator.start()
        await trial.completed(sweep, SLOW)


async def test_two_operators_at_once_do_no_harm(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SLOW) as trial:
        second = replace(trial.operator, port=free_port())
        async with operating(second):
            await trial.apply(sweep := sweep_of())
            await trial.completed(sweep, SLOW)
