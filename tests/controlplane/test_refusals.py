"""What the API server refuses the operator is told once, asked for now and then, and done once it is allowed."""

import asyncio
import json
import re
import socket
from itertools import accumulate, takewhile
from time import monotonic

import aiohttp
import pytest

from cluster.operator import Operator, OperatorError
from cluster.polling import eventually
from cluster.proxy import Answer, Rule
from cluster.rights import USER
from cluster.simulator.script import Script
from cluster.trial import NAME, Object, Trial, on_trial, sweep_of
from host.ports import free_port
from seedsweep.kube.events.recorder import RETRY_SECONDS
from seedsweep.kube.watching.watches import Backoffs

SCRIPT = Script(seconds=0.2)


def lines(trial: Trial, text: str) -> list[str]:
    """Those of the operator's log that hold the text."""
    return [line for line in trial.operator.log.read_text().splitlines() if text in line]


async def health(trial: Trial) -> tuple[int, str]:
    url = f"http://127.0.0.1:{trial.operator.port}/healthz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_a_watch_whose_right_is_withdrawn_is_taken_up_again_once_it_is_given_back(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        withdrawn, began = Rule(Answer(403), "/pods.*watch=", "GET"), monotonic()
        with trial.proxy.broken(withdrawn):

            async def refused() -> bool | None:
                # One that was let through just before may not have begun yet.
                trial.proxy.break_watches("/pods")
                return await said(trial, "the operator needs the right to ")

            await eventually(refused)
            await asyncio.sleep(4)
            # A right that is missing is no reason to be restarted.
            status, text = await health(trial)
            assert (status, text.startswith(f"pods in namespace {namespace} cannot be watched")) == (200, True)
            assert withdrawn.hits <= tries_within(monotonic() - began)
            metrics = await trial.operator.metrics()
        assert re.search(r'refusals_total\{reason="Forbidden",resource="pods",verb="watch"\} [1-9]', metrics)
        await eventually(lambda: said(trial, f"pods in namespace {namespace} are watched again"))
        await trial.apply(sweep := sweep_of())
        await trial.completed(sweep, SCRIPT)
        assert len(lines(trial, "cannot be watched")) == 1
        assert "Traceback" not in trial.operator.log.read_text()


def tries_within(seconds: float) -> int:
    """How often a watch may be asked for in this time."""
    moments = accumulate(Backoffs(), initial=0.0)
    return sum(1 for _ in takewhile(lambda moment: moment <= seconds, moments))


async def said(trial: Trial, text: str) -> bool | None:
    return bool(lines(trial, text)) or None


async def test_events_that_are_refused_make_no_storm_and_are_posted_once_they_are_allowed(
    control_plane, namespace: str
):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        refused, began = Rule(Answer(403), "/events"), monotonic()
        with trial.proxy.broken(refused):
            await trial.apply(sweep_of())
            await trial.condition("Complete")
            assert refused.hits <= 1 + (monotonic() - began) / RETRY_SECONDS
        told = await eventually(lambda: ended(trial))
        assert told["count"] == 1
        assert len(lines(trial, "no Event can be posted")) == 1


async def ended(trial: Trial) -> Object | None:
    return next((item for item in await trial.items("events") if item["reason"] == "Complete"), None)


async def test_an_operator_that_starts_again_tells_nothing_twice_and_an_ending_one_keeps_nothing_back(
    control_plane, namespace: str
):
    async with on_trial(control_plane, namespace, Script(seconds=0.4)) as trial:
        await trial.apply(sweep_of())
        await eventually(lambda: begun(trial))
        # Long before episodes that start are told by themselves.
        await trial.operator.stop()
        started = await reasons(trial, "Started")
        assert sum(item["count"] for item in started) == 8
        await trial.operator.start()
        await trial.condition("Complete")
        await trial.operator.stop()
        await trial.operator.start()
        await asyncio.sleep(1)
        for reason in ("CutMade", "Complete"):
            [event] = await reasons(trial, reason)
            assert event["count"] == 1
        assert await trial.settled_wrong() == []


async def begun(trial: Trial) -> bool | None:
    return "startTime" in await trial.status() or None


async def reasons(trial: Trial, reason: str) -> list[Object]:
    return [item for item in await trial.items("events") if item["reason"] == reason]


async def test_the_log_tells_what_becomes_of_a_sweep_and_no_more(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT, options=("--log-format", "json")) as trial:
        await trial.apply(sweep := sweep_of())
        await trial.completed(sweep, SCRIPT)
        await trial.operator.stop()
        log = [json.loads(line) for line in trial.operator.log.read_text().splitlines()]
    assert all(entry.keys() >= {"time", "level", "logger", "message"} for entry in log)
    assert log[0]["message"].startswith("seedsweep operator ")
    assert f"watches namespaces {namespace}" in log[0]["message"]
    of_sweep = [entry["message"].split(":")[0] for entry in log if entry.get("sweep") == NAME]
    assert {"CutMade", "Complete"} <= set(of_sweep)
    assert len(log) < 12
    assert {entry["logger"].split(".")[0] for entry in log} == {"seedsweep"}


async def test_an_operator_whose_credentials_are_not_accepted_ends_with_one_line(
    control_plane, namespace: str, tmp_path
):
    kubeconfig = json.loads(control_plane.kubeconfig(USER).read_text())
    kubeconfig["users"][0]["user"] = {"token": "made up"}
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    log = tmp_path / "log"
    operator = Operator(tmp_path / "kubeconfig", [namespace], free_port(), log)
    with pytest.raises(OperatorError, match="it ended with code 1"):
        await operator.start()
    [line] = log.read_text().splitlines()
    assert "does not accept the operator's credentials (401)" in line


async def test_a_second_operator_on_the_same_port_ends_and_the_first_goes_on(control_plane, namespace: str, tmp_path):
    with socket.create_server((control_plane.network.host, 0)) as listening:
        port = listening.getsockname()[1]
        operator = Operator(control_plane.kubeconfig(USER), [namespace], port, tmp_path / "log")
        with pytest.raises(OperatorError, match="it ended with code 1"):
            await operator.start()
    [line] = (tmp_path / "log").read_text().splitlines()
    assert f"port {port} of this machine is taken" in line


async def test_a_watch_that_cannot_go_on_ends_the_operator_though_the_other_one_could(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await trial.apply(sweep := sweep_of())
        await trial.running(4)
        with trial.proxy.broken(Rule(Answer(410), "/seedsweeps.*watch=", "GET")):
            trial.proxy.break_watches("/seedsweeps")
            assert await trial.operator.ended() == 1
        assert lines(trial, "the watch of SeedSweeps has ended; the operator ends")
        await trial.operator.start()
        await trial.completed(sweep, SCRIPT)
