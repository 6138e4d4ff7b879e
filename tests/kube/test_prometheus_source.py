"""Trainers' metrics as a Prometheus has them: the same readings, one query for a sweep, and in words what is wrong."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from host.listening import serving
from host.ports import free_port
from seedsweep.api.sweep import GaugeNames
from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.scrape import Expected, parse_reading
from seedsweep.kube.objects.home import Home
from seedsweep.kube.scraping import prometheus as module
from seedsweep.kube.scraping.prometheus import Prometheus, PrometheusServer, parse_prometheus
from seedsweep.kube.scraping.prometheus_pages import pages_of
from seedsweep.kube.scraping.target import Target

ADDRESS, POD = "10.0.0.7:9400", "demo-wi1-do2"
OF_TARGET = {
    "job": "seedsweep-system/seedsweep-trainers",
    "namespace": "nlp",
    "pod": POD,
    "sweep": "demo",
    "episode": "wi1-do2",
}
"""What a PodMonitor adds to all that a pod publishes."""
BODY = r"""
seedsweep_trainer_info{episode="wi1-do2",uid="a",contract="1",level="L3",data="a \"b\"\\c"} 1
seedsweep_evaluation_score{evaluation="1"} 0.7025000000000001
seedsweep_evaluation_score{evaluation="2"} NaN
seedsweep_evaluation_loss{evaluation="1"} 6.1e-05
seedsweep_evaluation_loss{evaluation="2"} +Inf
seedsweep_evaluations_done 2
seedsweep_evaluations_planned 10
seedsweep_steps_done 96
seedsweep_steps_planned 480
seedsweep_steps_at_start 0
seedsweep_checkpoint_evaluation 1
seedsweep_baseline_score 0.5
seedsweep_baseline_error 0.025
"""


def series(body: str, address: str = ADDRESS, of_target: Mapping[str, str] = OF_TARGET) -> list[dict[str, Any]]:
    """As Prometheus has scraped a page, without honorLabels."""
    target = {**of_target, "instance": address}
    found = []
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            own = {f"exported_{k}" if k in target else k: v for k, v in sample.labels.items()}
            metric = {"__name__": str(sample.name)} | target | own
            found.append({"metric": metric, "value": [1.5, _number(sample.value)]})
    return found


def _number(value: float) -> str:
    """As Go writes it."""
    return repr(value) if math.isfinite(value) else {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")


def answer(*found: dict[str, Any]) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": found}}).encode()


def target(uid: str = "a", address: str = ADDRESS, interval: float = 3600.0, timeout: float = 30.0) -> Target:
    home, names = Home("nlp", "demo", "uid-of-sweep"), GaugeNames()
    return Target(home, POD, uid, f"http://{address}/metrics", Expected("wi1-do2", uid), interval, timeout, names)


class Server:
    """Answers queries as it is told."""

    def __init__(self) -> None:
        self.respond: Callable[[], Awaitable[web.StreamResponse]] | None = None
        self.body = answer(*series(BODY))
        self.queries: list[str] = []
        self.headers: Mapping[str, str] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(str((await request.post())["query"]))
        self.headers = request.headers
        return await self.respond() if self.respond is not None else web.Response(body=self.body)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest_asyncio.fixture
async def url(server: Server) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/prefix/api/v1/query", server.handle)
    async with serving(web.AppRunner(app, shutdown_timeout=0.01), "127.0.0.1") as port:
        yield f"http://127.0.0.1:{port}/prefix"


@pytest_asyncio.fixture
async def source(url: str) -> AsyncIterator[Prometheus]:
    opened = Prometheus(PrometheusServer(url))
    yield opened
    await opened.close()


def test_a_reading_is_the_one_that_the_pod_itself_would_have_given() -> None:
    page = pages_of(answer(*series(BODY)))[ADDRESS, POD]
    assert isinstance(page, bytes)
    expected = Expected("wi1-do2", "a")
    assert parse_reading(page, expected) == parse_reading(BODY.encode(), expected)


def test_what_a_pod_says_of_itself_counts_and_not_what_its_address_had_before() -> None:
    page = pages_of(answer(*series(BODY.replace('episode="wi1-do2"', 'episode="wi0-do0"'))))[ADDRESS, POD]
    assert isinstance(page, bytes)
    with pytest.raises(ScrapeError, match="not of 'wi1-do2'"):
        parse_reading(page, Expected("wi1-do2", "a"))


async def test_metrics_of_a_pod_that_had_the_address_before_are_not_those_of_this_one(
    server: Server, source: Prometheus
) -> None:
    server.body = answer(*series(BODY, of_target={**OF_TARGET, "pod": "demo-wi0-do0", "episode": "wi0-do0"}))
    with pytest.raises(ScrapeError, match="does a PodMonitor select"):
        await source.fetch(target())


def test_gauges_of_a_trainer_of_ones_own_are_read_by_their_names() -> None:
    body = 'val_accuracy{split="dev"} 0.5\nprogress 0.2\n'
    page = pages_of(answer(*series(body)))[ADDRESS, POD]
    assert isinstance(page, bytes)
    names, expected = GaugeNames(score="val_accuracy", progress="progress"), Expected("wi1-do2", "a")
    assert parse_reading(page, expected, names) == parse_reading(body.encode(), expected, names)


def test_a_prometheus_that_drops_the_scores_is_told_and_not_taken_for_a_trainer_without_any() -> None:
    kept = [found for found in series(BODY) if "evaluation_" not in found["metric"]["__name__"]]
    page = pages_of(answer(*kept))[ADDRESS, POD]
    assert isinstance(page, ScrapeError)
    assert "metrics.podMonitors.evaluations" in str(page)
    begins = [found for found in kept if found["metric"]["__name__"] != "seedsweep_evaluations_done"]
    assert isinstance(pages_of(answer(*begins))[ADDRESS, POD], bytes)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"status": "error", "error": "parse error"}', answer({"metric": {}, "value": [1, 2, 3]})],
)
def test_what_is_no_answer_of_prometheus_is_no_page(body: bytes) -> None:
    with pytest.raises(ScrapeError, match="not that of an instant query"):
        pages_of(body)


async def test_all_pods_of_a_sweep_share_one_query(server: Server, source: Prometheus) -> None:
    addresses = [f"10.0.0.{i}:9400" for i in range(20)]
    server.body = answer(*(found for address in addresses for found in series(BODY, address)))
    pages = await asyncio.gather(*(source.fetch(target(address, address)) for address in addresses))
    for address, page in zip(addresses, pages, strict=True):
        assert page.count(f'instance="{address}"'.encode()) == page.count(b"instance=") == len(series(BODY))
    (query,) = server.queries
    assert query.startswith('{__name__=~"seedsweep_baseline_error|')
    assert query.endswith('",namespace="nlp",sweep="demo"}')


async def test_an_answer_lasts_for_a_part_of_the_interval(server: Server, source: Prometheus) -> None:
    await source.fetch(target())
    await source.fetch(target())
    assert len(server.queries) == 1
    await source.fetch(target(interval=0.0))
    assert len(server.queries) == 2
    source.forget("uid-of-sweep")
    await source.fetch(target())
    assert len(server.queries) == 3


async def test_a_pod_that_it_has_not_scraped_is_unreachable_and_the_remedy_named(
    server: Server, source: Prometheus
) -> None:
    with pytest.raises(ScrapeError, match=r'pod="demo-wi1-do2" and instance="10.0.0.8:9400"; does') as caught:
        await source.fetch(target(address="10.0.0.8:9400"))
    assert not caught.value.answered


async def test_whoever_waits_no_longer_does_not_end_what_others_wait_for(server: Server, source: Prometheus) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def respond() -> web.StreamResponse:
        asked.set()
        await go.wait()
        return web.Response(body=server.body)

    server.respond = respond
    first, second = (asyncio.ensure_future(source.fetch(target())) for _ in range(2))
    await asked.wait()
    first.cancel()
    go.set()
    assert await second
    assert first.cancelled()


async def status(code: int) -> web.StreamResponse:
    return web.Response(status=code, headers={"Location": "http://elsewhere.example/"})


@pytest.mark.parametrize("code", [302, 401, 403, 422, 503])
async def test_a_refusal_is_told_with_its_status(server: Server, source: Prometheus, code: int) -> None:
    server.respond = lambda: status(code)
    with pytest.raises(ScrapeError, match=f"refuses the query with status {code}"):
        await source.fetch(target())


async def test_an_answer_that_is_too_large_or_too_slow_ends(
    server: Server, source: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1 << 20)
    server.body = b" " * ((1 << 20) + 1)
    with pytest.raises(ScrapeError, match="larger than 1 MiB"):
        await source.fetch(target())
    over = asyncio.Event()

    async def hang() -> web.StreamResponse:
        await over.wait()
        return web.Response()

    server.respond = hang
    with pytest.raises(ScrapeError, match=r"no whole answer within 0.1 s"):
        await source.fetch(target(interval=0.0, timeout=0.1))
    over.set()


async def test_nobody_there_is_said_without_a_librarys_words() -> None:
    source = Prometheus(PrometheusServer(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(ScrapeError, match=r"^Prometheus does not answer$"):
        await source.fetch(target())
    await source.close()


async def test_the_token_is_read_anew_for_every_query(server: Server, url: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    source = Prometheus(PrometheusServer(url, file))
    with pytest.raises(ScrapeError, match=f"token for Prometheus cannot be read from {file}"):
        await source.fetch(target(interval=0.0))
    for token in ("one", "two"):
        file.write_text(f"{token}\n")
        await source.fetch(target(interval=0.0))
        assert server.headers["Authorization"] == f"Bearer {token}"
    await source.close()


@pytest.mark.parametrize(
    "text", ["", "prometheus:9090", "ftp://p", "http://", "http://u:p@p", "http://p?a=b", "http://p#a"]
)
def test_only_a_plain_url_is_a_prometheus_and_a_password_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="give") as caught:
        parse_prometheus(text)
    assert "u:p" not in str(caught.value)


def test_a_url_may_have_a_path() -> None:
    assert parse_prometheus(" https://mimir.example/prometheus/ ") == "https://mimir.example/prometheus"
