"""kopf's requests as they are seen from beside it: what fails is told once, counted, and not asked for in a storm."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import aiohttp
import kopf
import pytest
from prometheus_client import REGISTRY

from kube.fake_time import FakeTime
from kube.stand_in import StandIn, standing_in, write_kubeconfig
from seedsweep.kube.apiserver.client import PAGE
from seedsweep.kube.apiserver.deletion import RETRY_SECONDS
from seedsweep.kube.app import configure
from seedsweep.kube.watching import watches as module
from seedsweep.kube.watching.watches import Backoffs, Watches

PODS = "/api/v1/namespaces/nlp/pods"
SWEEPS = "/apis/seedsweep.io/v1alpha1/seedsweeps"


class Connection:
    """What kopf is given: a session to a stand-in for the API server."""

    def __init__(self, api: StandIn, watches: Watches, session: aiohttp.ClientSession) -> None:
        self.api = api
        self.watches = watches
        self.session = session

    async def ask(self, path: str, status: int = 200, *, watch: bool = True) -> None:
        self.api.status = status
        url = f"{self.api.url}{path}" + ("?watch=true" if watch else "")
        async with self.session.get(url) as answer:
            assert answer.status == status


def refusals(verb: str, resource: str, reason: str) -> float:
    labels = {"verb": verb, "resource": resource, "reason": reason}
    return REGISTRY.get_sample_value("seedsweep_operator_refusals_total", labels) or 0.0


async def break_off(connection: Connection) -> None:
    """From now on nobody answers."""
    url = connection.api.url
    await connection.api.server.close()
    connection.api = cast("StandIn", SimpleNamespace(url=url))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("seedsweep")]


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with standing_in() as found:
        write_kubeconfig(tmp_path / "kubeconfig", found.url)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield found


@asynccontextmanager
async def connected(api: StandIn) -> AsyncIterator[Connection]:
    watches = Watches()
    found = await watches.log_in(settings=kopf.OperatorSettings())
    yield Connection(api, watches, found.aiohttp_session)
    await watches.close()


@pytest.fixture
async def connection(api: StandIn, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    monkeypatch.setattr(module, "MIN_GAP_SECONDS", 0.0)
    async with connected(api) as found:
        yield found


async def test_a_right_that_is_missing_is_told_once_counted_each_time_and_over_once_it_is_given(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "seedsweep")
    before = refusals("watch", "pods", "Forbidden")
    for _ in range(3):
        await connection.ask(PODS, 403)
    assert refusals("watch", "pods", "Forbidden") == before + 3
    [trouble] = connection.watches.troubles
    assert trouble.startswith("pods in namespace nlp cannot be watched: the operator needs the right to watch pods")
    assert len(told(caplog)) == 1
    await connection.ask(PODS)
    assert connection.watches.troubles == []
    assert told(caplog)[1:] == ["pods in namespace nlp are watched again"]


async def test_what_is_watched_in_all_namespaces_is_named_so_and_its_lists_count_as_lists(
    connection: Connection,
) -> None:
    before = refusals("list", "seedsweeps", "Forbidden")
    await connection.ask(SWEEPS, 403, watch=False)
    assert connection.watches.troubles[0].startswith("SeedSweeps in all namespaces cannot be watched")
    assert refusals("list", "seedsweeps", "Forbidden") == before + 1


async def test_a_list_whose_next_page_is_gone_is_to_kopf_a_connection_that_broke_off(connection: Connection) -> None:
    """Of any other request it would end the operator."""
    connection.api.status = 410
    with pytest.raises(aiohttp.ClientPayloadError):
        await connection.session.request(method="GET", url=f"{connection.api.url}{PODS}?limit=1&continue=abc")
    assert (await connection.session.request(method="GET", url=f"{connection.api.url}{PODS}?limit=1")).status == 410
    assert connection.watches.troubles == []


@pytest.mark.parametrize(("path", "status"), [(PODS, 410), ("/apis/another/v1", 404)])
async def test_a_watch_that_has_to_begin_anew_and_a_group_that_is_gone_are_no_trouble(
    connection: Connection, path: str, status: int
) -> None:
    await connection.ask(path, status)
    assert connection.watches.troubles == []


async def test_what_is_broken_off_at_the_end_is_no_trouble(connection: Connection) -> None:
    connection.watches.ending = True
    await break_off(connection)
    with pytest.raises(aiohttp.ClientConnectionError):
        await connection.ask(PODS)
    assert connection.watches.troubles == []


async def test_an_api_server_that_is_away_is_told_in_our_words(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await break_off(connection)
    with pytest.raises(aiohttp.ClientConnectionError):
        await connection.ask(PODS)
    assert connection.watches.troubles == ["pods in namespace nlp cannot be watched: the API server cannot be reached"]
    [line] = told(caplog)
    assert "Cannot connect" not in line


async def test_a_watch_that_ends_at_once_is_not_asked_for_at_once(
    api: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = FakeTime(monkeypatch)
    monkeypatch.setattr(module, "monotonic", time.steady)
    time.seconds = 100.0
    async with connected(api) as connection:
        for _ in range(5):
            await connection.ask(PODS)
        await connection.ask(SWEEPS)
        for _ in range(5):
            await connection.ask(PODS, watch=False)
    assert time.seconds == 100 + 4 * module.MIN_GAP_SECONDS


async def test_the_session_outlives_kopfs_watches_when_the_operator_ends_and_none_before(api: StandIn) -> None:
    for ending in (False, True):
        watches = Watches()
        watches.ending = ending
        found = await watches.log_in(settings=kopf.OperatorSettings())
        await found.aiohttp_session.close()
        assert found.aiohttp_session.closed is not ending
        await watches.close()


@pytest.mark.usefixtures("api")
async def test_credentials_that_were_just_refused_are_tried_again_after_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = FakeTime(monkeypatch)
    watches, moments = Watches(), []
    for _ in range(5):
        found = await watches.log_in(settings=kopf.OperatorSettings())
        moments.append(time.seconds)
        await found.aiohttp_session.close()
    assert [later - earlier for earlier, later in pairwise(moments)] == [RETRY_SECONDS * 2**i for i in range(4)]


async def test_credentials_that_cannot_be_read_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(kopf.TemporaryError, match="cannot be read"):
        await Watches().log_in(settings=kopf.OperatorSettings())


def test_kopf_never_gives_a_watch_up_lists_page_by_page_and_scans_nothing() -> None:
    settings = kopf.OperatorSettings()
    configure(settings)
    backoffs = settings.networking.error_backoffs
    assert isinstance(backoffs, Backoffs)
    assert list(islice(backoffs, 8)) == [1, 2, 4, 8, 16, 30, 30, 30]
    assert list(islice(backoffs, 2)) == [1, 2]
    assert settings.watching.chunk_size == PAGE
    assert settings.scanning.disabled


async def test_a_request_that_is_cancelled_is_no_trouble(connection: Connection, api: StandIn) -> None:
    task = asyncio.create_task(connection.ask(PODS))
    # Begun, and not answered yet.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert connection.watches.troubles == []
