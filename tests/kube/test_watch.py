"""`seedsweep watch` against a stand-in for the API server.

A stand-in, because a real API server refuses to proxy to a service on loopback; what needs no proxy is tried on a real
one in tests/controlplane/test_watch.py.
"""

import asyncio
import io
import json
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from host.read_sweep import FORBIDDEN, OPERATOR, Cluster, body_of, finished_cluster, running, served
from host.runners import read_until, runner
from inputs import moments, records
from seedsweep.api.core.objects import Condition
from seedsweep.api.episode import Attempt
from seedsweep.cluster import following, observer, watch
from seedsweep.cluster.observer import Service
from seedsweep.cluster.watch import Request, Watcher
from seedsweep.codes import CommandError, Exit
from seedsweep.observation_json import dump_observation
from seedsweep.terminal import NextStep
from seedsweep.terminal.moment import Moment
from seedsweep.web.page import LivePage

Object = dict[str, Any]


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What people wait for would only slow the tests down."""
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(following, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(watch, "RECORD_SECONDS", 0.01)
    # An operator that does answer has all the time that a busy machine takes.
    monkeypatch.setattr(observer, "LIVE_TIMEOUT_SECONDS", 60.0)


@dataclass
class Seen:
    """What a person saw."""

    code: Exit
    text: str


Look = Callable[..., Any]


@pytest.fixture
def look() -> Look:
    """Watch a stand-in to the end; returns what was seen, or raises CommandError."""

    async def run(cluster: Cluster, *, terminal: bool = False) -> Seen:
        out = io.StringIO()
        console = Console(file=out, width=100, height=40, force_terminal=terminal)
        request = Request("rte", "nlp", OPERATOR)
        async with served(cluster) as api:
            code = await Watcher(api, "nlp", request, console).run()
        return Seen(code, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue()))

    return run


@dataclass
class Page:
    """What a live page was shown."""

    moments: list[Moment] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    ending: tuple[str, Sequence[NextStep], Moment | None] | None = None

    def show(self, moment: Moment) -> None:
        self.moments.append(moment)

    def say(self, notice: str) -> None:
        self.notices.append(notice)

    def end(self, words: str, steps: Sequence[NextStep] = (), last: Moment | None = None) -> None:
        self.ending = words, steps, last


async def watched(cluster: Cluster, page: Page) -> Exit:
    async with served(cluster) as api:
        watcher = Watcher(api, "nlp", Request("rte", "nlp", OPERATOR), Console(quiet=True), cast(LivePage, page))
        return await watcher.run()


def live(moment: moments.Moment) -> bytes:
    return dump_observation(moment.seen, moment.now)


async def test_a_running_sweep_is_shown_as_its_operator_sees_it(look: Look) -> None:
    moment = moments.before_the_cut()
    cluster = finished_cluster(operator=[live(moment)])
    cluster.sweeps.insert(0, running(records.finished()))
    seen = await look(cluster, terminal=True)
    assert set(re.findall(r"(wi\d-do\d) +training", seen.text)) == {"wi0-do0", "wi0-do1"}
    assert moment.plan.status.message in seen.text
    assert "on record" not in seen.text


async def test_the_operator_is_asked_with_the_word_that_the_status_has_at_the_moment(look: Look) -> None:
    cluster = finished_cluster(operator=[live(moments.before_the_cut())])
    cluster.sweeps[:0] = [running(records.finished(), key) for key in ("one", "two", "two")]
    await look(cluster)
    assert cluster.keys == ["one", "two", "two"]


async def test_without_a_word_in_the_status_the_operator_is_not_asked_and_that_is_told(look: Look) -> None:
    cluster = finished_cluster(operator=[live(moments.before_the_cut())])
    cluster.sweeps[:0] = [running(records.finished(), None)] * 2
    assert "its status has no liveKey" in (await look(cluster)).text
    assert cluster.keys == []


async def test_watching_the_operator_costs_the_api_server_no_lists_before_the_end(look: Look) -> None:
    cluster = finished_cluster(operator=[live(moments.before_the_cut())])
    cluster.sweeps[:0] = [running(records.finished())] * 5
    await look(cluster)
    assert cluster.lists == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (FORBIDDEN, "no right to services/proxy"),
        ({"code": 404, "reason": "NotFound", "message": 'services "seedsweep-operator" not found'}, "not found"),
        ({"code": 503, "reason": "ServiceUnavailable", "message": "no endpoints available"}, "no endpoints"),
        (None, "the liveKey in its status is not its operator's"),
        (b"<html>", "not of this release"),
        (b"{}", "not of this release"),
    ],
)
async def test_without_the_operator_the_record_is_shown_and_the_reason_told_once(
    look: Look, answer: Object | bytes | None, told: str
) -> None:
    record = records.finished()
    cluster = finished_cluster(operator=[answer])
    cluster.sweeps[:0] = [running(record)] * 4
    seen = await look(cluster)
    [line] = [line for line in seen.text.splitlines() if "showing the record every" in line]
    assert told in line
    assert seen.code == Exit.COMPLETE


async def test_an_operator_that_hangs_does_not_hold_up_the_view(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "LIVE_TIMEOUT_SECONDS", 0.01)
    cluster = finished_cluster()
    cluster.sweeps.insert(0, running(records.finished()))

    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(cluster, "live", hang)
    assert "no answer within" in (await look(cluster)).text


async def test_the_live_view_comes_back_with_the_operator(look: Look) -> None:
    moment = moments.before_the_cut()
    cluster = finished_cluster(operator=[FORBIDDEN, live(moment), FORBIDDEN, live(moment)])
    cluster.sweeps[:0] = [running(records.finished())] * 4
    seen = await look(cluster, terminal=True)
    assert seen.text.count("No live view") == 2
    assert re.search(r"wi0-do0 +training", seen.text)


async def test_on_record_open_attempts_run_or_queue_and_no_time_left_is_guessed(look: Look) -> None:
    record = records.finished()
    first, second, *rest = record.episodes
    placed = Attempt(uid="a", start_time=records.START.isoformat())
    record.episodes[:] = [
        first.evolve(status=first.status.evolve(state="Running", attempts=[placed], verdict=None, scores=[])),
        second.evolve(
            status=second.status.evolve(state="Waiting", attempts=[Attempt(uid="b")], verdict=None, scores=[])
        ),
        *rest,
    ]
    cluster = Cluster(sweeps=[running(record), body_of(record)], episodes=record.episodes, cuts=[])
    seen = await look(cluster, terminal=True)
    assert re.search(rf"{first.spec.id.name} +training", seen.text)
    assert re.search(rf"{second.spec.id.name} +queued", seen.text)
    assert " left" not in seen.text


async def test_a_sweep_that_no_operator_has_seen_says_so(look: Look) -> None:
    record = records.finished()
    fresh = body_of(record)
    del fresh["status"]
    seen = await look(Cluster(sweeps=[fresh, body_of(record)]))
    assert "no operator has taken it up yet" in seen.text


async def test_a_pipe_gets_lines_without_control_codes(look: Look) -> None:
    cluster = finished_cluster(operator=[live(moments.before_the_cut())])
    cluster.sweeps.insert(0, running(records.finished()))
    first = (await look(cluster)).text.splitlines()[0]
    assert first.startswith("[0:01:00] Running: 6 waiting, 2 running")


async def test_a_complete_sweep_ends_with_its_result_and_what_to_type_next(look: Look) -> None:
    seen = await look(finished_cluster())
    assert seen.code == Exit.COMPLETE
    assert seen.text.startswith("✓ rte is complete")
    assert f"{records.FAILED} after 2 evaluations" in seen.text
    assert f"kubectl -n nlp describe episode rte-{records.FAILED}" in seen.text
    assert "kubectl -n nlp get episodes -l seedsweep.io/sweep=rte" in seen.text
    assert "kubectl -n nlp get cut rte-b0-r0 -o yaml" in seen.text


async def test_a_page_shows_what_the_terminal_shows_and_then_what_is_on_record() -> None:
    moment, page = moments.before_the_cut(), Page()
    cluster = finished_cluster(operator=[live(moment)])
    cluster.sweeps.insert(0, running(records.finished()))
    assert await watched(cluster, page) == Exit.COMPLETE
    (shown,) = page.moments
    assert shown.status.message == moment.plan.status.message
    assert page.ending is not None
    words, steps, last = page.ending
    assert words.startswith("rte is complete: best 0.")
    assert ["seedsweep report sweep/rte -n nlp"] in [step.commands for step in steps]
    assert last is not None
    assert last.status.phase == "Complete"
    assert {row.state for row in last.board.rows} == {"finished", "lost", "failed", "diverged"}
    assert last.board.steps == records.STEPS
    assert cluster.lists == 2


async def test_a_page_is_told_why_only_the_record_is_shown() -> None:
    page = Page()
    cluster = finished_cluster(operator=[FORBIDDEN])
    cluster.sweeps.insert(0, running(records.finished()))
    await watched(cluster, page)
    assert "no right to services/proxy" in page.notices[0]


async def test_a_failed_sweep_ends_with_1_and_its_reason(look: Look) -> None:
    condition = {"type": "Failed", "status": "True", "reason": "BadConfiguration", "message": "no such model"}
    failed = body_of(records.finished(), phase="Failed", best=None, conditions=[])
    failed["status"]["conditions"] = [{**condition, "lastTransitionTime": records.START.isoformat()}]
    seen = await look(finished_cluster(sweeps=[failed]))
    assert seen.code == Exit.FAILED
    assert "failed: BadConfiguration" in seen.text
    assert "kubectl -n nlp delete seedsweep rte" in seen.text


def refused(generation: int) -> Object:
    condition = Condition(
        type="Accepted",
        status="False",
        reason="Invalid",
        message="spec.podTemplate.spec.serviceAccountName: 'root' is not allowed",
        last_transition_time=records.START.isoformat(),
        observed_generation=generation,
    )
    failed = condition.evolve(type="Failed", status="True")
    body = body_of(records.finished(), phase="Failed", best=None, conditions=[failed, condition])
    body["metadata"]["generation"] = 2
    return body


async def test_a_sweep_that_is_not_accepted_ends_with_the_operators_reason(look: Look) -> None:
    with pytest.raises(CommandError, match=r"rte is not accepted: spec\.podTemplate.*'root' is not allowed") as caught:
        await look(Cluster(sweeps=[refused(generation=2)]))
    assert caught.value.code == Exit.FAILED


async def test_a_refusal_of_an_older_spec_is_no_end(look: Look) -> None:
    cluster = finished_cluster()
    cluster.sweeps.insert(0, refused(generation=1))
    assert (await look(cluster)).code == Exit.COMPLETE


async def test_a_spec_that_only_the_operator_can_judge_is_told_before_it_has(look: Look) -> None:
    body = running(records.finished())
    body["spec"]["earlyStopping"]["rungs"][0]["keep"] = 99
    with pytest.raises(CommandError, match="keep"):
        await look(Cluster(sweeps=[body]))


async def test_an_unknown_name_is_told_with_the_names_there_are(look: Look) -> None:
    with pytest.raises(CommandError, match="no SeedSweep rte in namespace nlp: there are mrpc, cola") as caught:
        await look(Cluster(sweeps=[404], others=["mrpc", "cola"]))
    assert caught.value.code == Exit.BAD_INPUT


async def test_an_empty_namespace_is_told(look: Look) -> None:
    with pytest.raises(CommandError, match="there is none; -n names another"):
        await look(Cluster(sweeps=[404]))


async def test_a_missing_right_to_the_sweep_ends_at_once(look: Look) -> None:
    with pytest.raises(CommandError, match="it is 403") as caught:
        await look(Cluster(sweeps=[403]))
    assert caught.value.code == Exit.BAD_INPUT


async def test_a_sweep_that_is_deleted_ends_the_watch(look: Look) -> None:
    with pytest.raises(CommandError, match="deleted while it was watched") as caught:
        await look(Cluster(sweeps=[running(records.finished()), 404]))
    assert caught.value.code == Exit.FAILED


async def test_another_sweep_of_the_same_name_is_not_taken_for_it(look: Look) -> None:
    other = running(records.finished())
    other["metadata"]["uid"] = "another"
    with pytest.raises(CommandError, match="deleted while it was watched"):
        await look(Cluster(sweeps=[running(records.finished()), other]))


async def test_the_view_outlasts_an_api_server_that_is_away_for_a_while(look: Look) -> None:
    cluster = finished_cluster()
    cluster.sweeps[:0] = [503, 503, running(records.finished()), 500]
    seen = await look(cluster)
    assert seen.code == Exit.COMPLETE
    assert seen.text.count("it is 503; trying on for 60 s") == 1
    assert seen.text.count("it is 500; trying on for 60 s") == 1


async def test_an_api_server_that_stays_away_ends_the_watch(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 0.05)
    with pytest.raises(CommandError, match="gave up") as caught:
        await look(Cluster(sweeps=[503]))
    assert caught.value.code == Exit.FAILED


@pytest.mark.parametrize("text", ["", "operator", "system/operator", "a/b:c/d", "A/b:c", "a/b:http?x"])
def test_a_service_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is not NAMESPACE/SERVICE:PORT"):
        Service.parse(text)


@asynccontextmanager
async def as_shell(
    cluster: Cluster, user: Object, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[subprocess.Popen[str]]:
    """`seedsweep watch` in a process of its own, with a kubeconfig as a user's shell has it."""
    server = TestServer(cluster.app())
    await server.start_server()
    kubeconfig = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "namespace": "nlp", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": str(server.make_url("")).rstrip("/")}}],
        "users": [{"name": "me", "user": user}],
    }
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(folder / "kubeconfig"))
    try:
        with runner("watch", "rte") as process:
            yield process
    finally:
        await server.close()


async def test_ctrl_c_ends_the_view_and_says_that_the_sweep_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = finished_cluster(sweeps=[running(records.finished())])
    async with as_shell(cluster, {"token": "t"}, tmp_path, monkeypatch) as process:
        assert await asyncio.to_thread(read_until, process, "Running: ", 1)
        process.send_signal(signal.SIGINT)
        rest, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == 130
    assert "rte goes on in the cluster" in rest
    assert "Traceback" not in rest


async def test_a_login_that_ends_after_minutes_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = {"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1"}
    status = {"expirationTimestamp": "2020-01-01T00:00:00Z", "token": "$$"}
    plugin = tmp_path / "login"
    plugin.write_text(f"#!/bin/sh\ncat <<END\n{json.dumps({**login, 'status': status})}\nEND\n")
    plugin.chmod(0o755)
    cluster = finished_cluster()
    user = {"exec": {"apiVersion": login["apiVersion"], "command": str(plugin), "interactiveMode": "Never"}}
    async with as_shell(cluster, user, tmp_path, monkeypatch) as process:
        await asyncio.to_thread(process.communicate)
    assert process.returncode == 0
    assert len(cluster.tokens) == 3
