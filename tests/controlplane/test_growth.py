"""A sweep that gets more seeds on a real API server: while it runs, and once it is over."""

import asyncio
from typing import Any

from cluster.polling import eventually
from cluster.simulator.script import Script
from cluster.trial import Trial, on_trial, stored_sweep, sweep_of

SCRIPT = Script(seconds=0.3)


def of_orders(count: int) -> dict[str, Any]:
    """The sweep with so many of its four data orders, three kept."""
    return sweep_of(seeds={"grid": {"weightInits": {"count": 2}, "dataOrders": {"count": count}}})


async def add_seeds(trial: Trial, count: int) -> None:
    """As `kubectl apply` of the file with more of them."""
    await trial.edit(seeds=of_orders(count)["spec"]["seeds"])


async def cut_of(trial: Trial, growth: int) -> dict[str, Any]:
    """The cut that was made after the sweep had grown so many times, once it is there."""

    async def look() -> dict[str, Any] | None:
        return next((i["data"] for i in await trial.items("cuts") if i["data"].get("growth", 0) == growth), None)

    return await eventually(look)


async def test_a_sweep_that_is_over_takes_in_more_seeds_and_starts_no_old_episode_again(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.apply(of_orders(2))
        await trial.completed(of_orders(2), SCRIPT)
        before = {i["metadata"]["name"]: i["status"]["attempts"] for i in await trial.items("episodes")}
        await add_seeds(trial, 4)
        await cut_of(trial, growth=1)
        await trial.completed(sweep_of(), SCRIPT)
        after = {i["metadata"]["name"]: i["status"]["attempts"] for i in await trial.items("episodes")}
        assert len(after) == 8
        assert before.items() <= after.items()
        status = await trial.status()
        assert status["cuts"][0]["ref"] == "demo-b0-r0-g1"
        assert (status["counts"]["finished"], status["counts"]["lost"]) == (3, 5)


async def test_the_average_of_a_sweep_that_grows_is_of_the_survivors_of_all_seeds(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:

        async def members_at_the_end(sweep: dict[str, Any]) -> set[str]:
            await trial.completed(sweep, SCRIPT)
            average = (await trial.status())["best"]["average"]
            assert average["handedOver"]
            return {*average["episodes"]}

        few, all_seeds = (stored_sweep(result="average", seeds=of_orders(n)["spec"]["seeds"]) for n in (2, 4))
        await trial.apply(few)
        fewer = await members_at_the_end(few)
        await add_seeds(trial, 4)
        await cut_of(trial, growth=1)
        members = await members_at_the_end(all_seeds)
        episodes = {i["metadata"]["name"]: i["status"] for i in await trial.items("episodes")}
        assert members == {name.removeprefix("demo-") for name, of in episodes.items() if of["state"] == "Finished"}
        assert members != fewer, "else this shows nothing"
        assert trial.trainers.housekeepers.wrong == []


async def test_seeds_that_come_twice_in_the_middle_and_a_killed_operator_change_nothing(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.apply(of_orders(2))
        await trial.cut()
        await add_seeds(trial, 3)
        await trial.running(5)
        await trial.operator.kill()
        await asyncio.sleep(1)
        await trial.operator.start()
        await add_seeds(trial, 4)
        await trial.completed(sweep_of(), SCRIPT)
        assert len(await trial.items("episodes")) == 8
