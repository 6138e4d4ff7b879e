"""The operator's own port: health for probes, metrics for all, and the live view for who may read the sweep."""

import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from inputs import moments
from seedsweep.kube import server
from seedsweep.kube.process.live_key import HEADER, live_key
from seedsweep.kube.server import Health, Server
from seedsweep.kube.sweeps.fleet import Fleet
from seedsweep.kube.watching.freshness import Freshness
from seedsweep.kube.watching.watches import Watches
from seedsweep.observation_json import load_observation


class OneSweep:
    """Knows nlp/rte and no other."""

    def __init__(self) -> None:
        moment = moments.before_the_cut()
        metadata = SimpleNamespace(uid="uid-of-rte")
        sweep = SimpleNamespace(metadata=metadata)
        self.world = SimpleNamespace(sweep=sweep, seen=moment.seen, status=moment.plan.status)

    def find(self, namespace: str, name: str) -> Any:
        return self.world if (namespace, name) == ("nlp", "rte") else None

    def statuses(self) -> list[Any]:
        return []

    def claims(self) -> list[Any]:
        return []


@dataclass
class Port:
    """A running server, asked from outside."""

    session: aiohttp.ClientSession
    url: str
    freshness: Freshness
    troubles: list[str]

    async def get(self, path: str, key: str | None = None) -> tuple[int, bytes]:
        headers = {} if key is None else {HEADER: key}
        async with self.session.get(f"{self.url}{path}", headers=headers) as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    troubles: list[str] = []
    freshness = Freshness(patience=30)
    health = Health(freshness, cast("Watches", SimpleNamespace(troubles=troubles)))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with Server(listening, cast("Fleet", OneSweep()), health), aiohttp.ClientSession() as session:
            yield Port(session, url, freshness, troubles)


LIVE = "/v1/namespaces/nlp/sweeps/rte"


async def test_who_knows_the_word_of_a_sweep_sees_it_live(port: Port) -> None:
    status, body = await port.get(LIVE, live_key("uid-of-rte"))
    assert status == 200
    seen, _ = load_observation(body)
    assert seen.status == moments.before_the_cut().plan.status


async def test_nobody_else_does_and_learns_not_even_which_sweeps_there_are(port: Port) -> None:
    other = live_key("uid-of-another")
    answers = [
        await port.get(path, key)
        for path in (LIVE, "/v1/namespaces/nlp/sweeps/none", "/v1/namespaces/none/sweeps/rte")
        for key in (None, "", "guess", other, "ä", live_key(""))
    ]
    assert {status for status, _ in answers} == {403}
    assert len({body for _, body in answers}) == 1
    assert b"status.liveKey" in answers[0][1]


def test_each_sweep_has_a_word_of_its_own_that_cannot_be_guessed() -> None:
    keys = {live_key(f"uid-{number}") for number in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {64}
    assert live_key("uid-1") == live_key("uid-1")


async def test_health_and_metrics_are_for_all(port: Port) -> None:
    assert await port.get("/healthz") == (200, b"ok\n")
    status, body = await port.get("/metrics")
    assert status == 200
    assert b"seedsweep_operator_task_restarts_total" in body


@pytest.mark.parametrize(("path", "makes"), [("/metrics", "generate_latest"), (LIVE, "dump_observation")])
async def test_what_takes_long_for_many_sweeps_or_episodes_does_not_hold_the_event_loop(
    port: Port, path: str, makes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def make(*_: object) -> bytes:
        threads.append(threading.get_ident())
        return b"{}"

    monkeypatch.setattr(server, makes, make)
    assert await port.get(path, live_key("uid-of-rte")) == (200, b"{}")
    assert threads != [threading.get_ident()]


async def test_a_watch_that_is_stuck_is_a_reason_to_be_restarted(port: Port) -> None:
    port.freshness.listed("a", 7, now=0)
    port.freshness.listed("a", 7, now=31)
    status, body = await port.get("/healthz")
    assert status == 503
    assert b"1 objects changed and were never shown" in body


async def test_a_watch_that_is_refused_is_told_and_is_none(port: Port) -> None:
    port.troubles.append("pods in namespace nlp cannot be watched: no right")
    port.freshness.listed("a", 7, now=0)
    port.freshness.listed("a", 7, now=31)
    assert await port.get("/healthz") == (200, b"pods in namespace nlp cannot be watched: no right\n")
