"""What the API server may answer to a write, and what else may stand in a namespace: the end is the fault-free one."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest
from kubernetes.aio.config import new_client_from_config

from cluster.foreign import foreign
from cluster.proxy import Answer, Break, Delay, Rule
from cluster.simulator.script import Script
from cluster.trial import on_trial, sweep_of
from seedsweep.api.episode import EpisodeStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import RecordEpisode
from seedsweep.engine.layout import Layout
from seedsweep.kube.apiserver.client import Api
from seedsweep.kube.apiserver.gates import GatedApi, Gates
from seedsweep.kube.ledger.records import LAZY_SECONDS, Records
from seedsweep.kube.objects.home import Home
from seedsweep.kube.process.clock import now

SCRIPT = Script(seconds=0.2)
RECORDS = "^(?!.*/events$)"
"""Events are told once, and nothing rests on them."""
FAULTS = {
    "conflicts": Rule(Answer(409), RECORDS, "PUT|PATCH", every=3),
    "a busy server": Rule(Answer(429), RECORDS, every=3),
    "a busy server that says when": Rule(Answer(429, retry_after=1), RECORDS, every=3),
    "a broken server": Rule(Answer(500), RECORDS, every=3),
    "an unready server": Rule(Answer(503), RECORDS, every=3),
    "rights withdrawn and given back": Rule(Answer(403), RECORDS, every=3, times=6),
    "reads that are refused": Rule(Answer(503), RECORDS, "GET", every=3),
    "a slow server": Rule(Delay(0.5), RECORDS, every=3),
    "requests that get lost": Rule(Break.BEFORE, RECORDS, every=3),
    "answers that get lost": Rule(Break.AFTER, RECORDS, every=3),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_sweep_comes_through(control_plane, namespace: str, fault: str):
    rule = replace(FAULTS[fault])
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        with trial.proxy.broken(rule):
            await trial.apply(sweep := sweep_of())
            await trial.completed(sweep, SCRIPT)
    assert rule.hits


TAKEN = {"pods": "demo-wi0-do0", "episodes": "demo-wi0-do0", "cuts": "demo-b0-r0"}


@pytest.mark.parametrize("plural", TAKEN)
async def test_what_has_a_name_that_the_sweep_needs_is_told_and_left_alone(control_plane, namespace: str, plural: str):
    name = TAKEN[plural]
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        code, before = await trial.request("POST", trial.path(plural), foreign(plural, name, sweep="demo"))
        assert code == 201, before
        await trial.apply(sweep := sweep_of())
        await trial.stalled("NameTaken", name)
        _, after = await trial.request("GET", trial.path(plural, name))
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        await trial.delete(plural, name)
        await trial.completed(sweep, SCRIPT)


async def test_a_sweep_deleted_in_flight_leaves_nothing_and_its_name_can_be_used_again(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.apply(sweep_of())
        await trial.running(4)
        await trial.delete("seedsweeps", "demo")
        other = sweep_of(seeds={"grid": {"weightInits": {"count": 3}, "dataOrders": {"count": 3}}})
        await trial.apply(other)
        await trial.completed(other, SCRIPT)


async def test_a_sweep_deleted_while_no_operator_runs_leaves_nothing(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.apply(sweep_of())
        await trial.running(4)
        await trial.operator.kill()
        await trial.delete("seedsweeps", "demo")
        for plural in ("pods", "episodes", "cuts"):
            await trial.none_left(plural)
        await trial.operator.start()
        await asyncio.sleep(1)
        assert not await trial.items("pods")
        assert await trial.settled_wrong() == []


async def test_a_record_that_waited_never_overwrites_a_newer_one(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.operator.kill()
        home = Home(namespace, "demo", await trial.apply(sweep := sweep_of()))
        layout = Layout.of(SeedSweep.model_validate_json(json.dumps(sweep)))
        client = await new_client_from_config(str(trial.operator.kubeconfig))
        async with client, asyncio.timeout(90):
            records = Records(
                GatedApi(Api(client), Gates(logging.getLogger(__name__), now)), home, layout, now, lambda: None
            )
            lazily = asyncio.create_task(records.write_lazily())
            episode, status = layout.episodes[0], EpisodeStatus(scores=[0.5])
            await records.write([RecordEpisode(episode, status, durable=False)], {})
            newer = RecordEpisode(episode, status.evolve(scores=[0.5, 0.75]), durable=True)
            with trial.proxy.broken(Rule(Delay(LAZY_SECONDS + 1), "/episodes/", "PATCH", body="0.75", times=1)):
                await records.write([newer], dict(records.episodes))
            # It comes after all that is under way.
            await records.write([newer], dict(records.episodes))
            lazily.cancel()
        assert await trial.settled_wrong() == []
