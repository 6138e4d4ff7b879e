"""Trainers read over HTTP: what they publish is taken in, trouble is told, and a hostile one costs others nothing."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from host.metrics_servers import Handler, MetricsServers, answering, endless, trickle
from kube.scraped import FOR_EVER, News, Trainer, evaluations_of, target, until
from seedsweep.api.sweep import GaugeNames
from seedsweep.contract.consistency import Limits
from seedsweep.contract.metrics_client import MAX_BYTES
from seedsweep.contract.scrape import Expected, parse_reading
from seedsweep.contract.trouble import UNUSABLE_TIMES
from seedsweep.engine.observation import Reading
from seedsweep.kube.process.metrics import SCRAPES
from seedsweep.kube.scraping import scraper as scraping
from seedsweep.kube.scraping.scraper import LARGE_BYTES, SCRAPES_AT_ONCE, Scraper

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def news() -> News:
    return News()


@pytest_asyncio.fixture
async def scraper(news: News) -> AsyncIterator[Scraper]:
    async with Scraper(news, lambda: NOW) as opened:
        yield opened


@pytest_asyncio.fixture
async def servers() -> AsyncIterator[MetricsServers]:
    async with MetricsServers() as opened:
        yield opened


async def test_there_is_news_only_when_something_else_is_published(
    news: News, scraper: Scraper, servers: MetricsServers
) -> None:
    trainer = Trainer("a")
    scraper.watch(target(await servers.serve(trainer.handle), "a"))
    await until(lambda: trainer.asked > 5)
    assert news.sweeps == ["s"]


async def test_an_attempt_progresses_when_its_evaluations_grow(servers: MetricsServers, news: News) -> None:
    minutes = iter(range(60))
    trainer = Trainer("a", evaluations=0)
    async with Scraper(news, lambda: NOW.replace(minute=next(minutes))) as scraper:
        scraper.watch(target(await servers.serve(trainer.handle), "a"))
        await news.until(lambda: scraper.reading("a") is not None)
        assert scraper.progressed("a") is None
        for evaluations, minute in ((1, 0), (3, 1)):
            trainer.evaluations = evaluations
            await news.until(lambda: evaluations_of(scraper, "a") == trainer.evaluations)
            assert scraper.progressed("a") == NOW.replace(minute=minute)


async def test_trouble_is_told_and_counted_until_it_is_over(
    news: News, scraper: Scraper, servers: MetricsServers
) -> None:
    trainer = Trainer("other")
    scraper.watch(target(await servers.serve(trainer.handle), "a"))
    await until(lambda: (trouble := scraper.trouble("a")) is not None and trouble.times >= 2)
    trouble = scraper.trouble("a")
    assert trouble is not None
    assert "uid 'other', not of 'a'" in trouble.error
    trainer.uid = "a"
    await news.until(lambda: scraper.reading("a") is not None)
    await until(lambda: scraper.trouble("a") is None)


async def test_a_score_that_can_never_count_is_told_once_it_was_read_twice(
    news: News, scraper: Scraper, servers: MetricsServers
) -> None:
    trainer = Trainer("a")
    expected = Expected("wi1-do2", "a", limits=Limits(0.0, 0.25))
    scraper.watch(replace(target(await servers.serve(trainer.handle), "a"), expected=expected))
    await news.until(lambda: (trouble := scraper.trouble("a")) is not None and trouble.unusable != "")
    trouble = scraper.trouble("a")
    assert trouble is not None
    assert trouble.times == UNUSABLE_TIMES
    assert trouble.unusable.startswith("the score of evaluation 1 is 0.5, outside the metric's range 0 to 0.25")
    # An evaluation more changes nothing about the first.
    trainer.evaluations = 2
    asked = trainer.asked
    await until(lambda: trainer.asked > asked + 1)
    assert scraper.reading("a") is None
    assert news.sweeps == ["s"], "told once"


async def test_a_body_that_was_torn_once_is_not_final(news: News, scraper: Scraper, servers: MetricsServers) -> None:
    trainer = Trainer("a")
    torn = trainer.body().replace("0.5", "5")

    async def handle(_: web.Request) -> web.StreamResponse:
        trainer.asked += 1
        return web.Response(text=torn if trainer.asked == 1 else trainer.body())

    expected = Expected("wi1-do2", "a", limits=Limits(0.0, 1.0))
    scraper.watch(replace(target(await servers.serve(handle), "a"), expected=expected))
    await until(lambda: scraper.reading("a") is not None and scraper.trouble("a") is None)
    assert news.sweeps == ["s"], "of the reading alone"


async def test_a_fault_of_ours_is_logged_once_and_counted_and_the_target_is_read_again(
    news: News,
    scraper: Scraper,
    servers: MetricsServers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    before = counted("failed")
    trainer = Trainer("a")
    with monkeypatch.context() as patch:
        patch.setattr(scraping, "parse_reading", fails)
        scraper.watch(target(await servers.serve(trainer.handle), "a"))
        await until(lambda: (trouble := scraper.trouble("a")) is not None and trouble.times >= 3)
    trouble = scraper.trouble("a")
    assert trouble is not None
    assert trouble.text == "its metrics cannot be used: SeedSweep failed to read them, and its log says why"
    await news.until(lambda: scraper.reading("a") is not None)
    assert counted("failed") >= before + 3
    (logged,) = [record for record in caplog.records if record.name == "seedsweep.kube.scraping.scraper"]
    assert "pod a (wi1-do2 of sweep s) could not be read from http://127.0.0.1" in logged.getMessage()
    assert logged.exc_info is not None


async def test_a_body_that_was_refused_is_not_parsed_again_while_it_stays_the_same(
    scraper: Scraper, servers: MetricsServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []

    def parse(body: bytes, *more: Any) -> Reading:
        parsed.append(body)
        return parse_reading(body, *more)

    monkeypatch.setattr(scraping, "parse_reading", parse)
    trainer = Trainer("other")
    scraper.watch(target(await servers.serve(trainer.handle), "a"))
    await until(lambda: (trouble := scraper.trouble("a")) is not None and trouble.times >= 3)
    assert len(parsed) == 1
    trainer.uid = "a"
    await until(lambda: scraper.reading("a") is not None)
    assert len(parsed) == 2


async def test_what_was_read_stays_while_a_target_is_in_trouble(
    news: News, scraper: Scraper, servers: MetricsServers
) -> None:
    trainer = Trainer("a", evaluations=2)
    scraper.watch(target(await servers.serve(trainer.handle), "a"))
    await news.until(lambda: scraper.reading("a") is not None)
    trainer.evaluations = 1
    await until(lambda: scraper.trouble("a") is not None)
    assert evaluations_of(scraper, "a") == 2


async def redirecting(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})


HOSTILE: dict[str, Handler | None] = {
    "silent": None,
    "trickle": trickle,
    "endless": endless(b"x" * 65536, []),
    "nothing but comments": answering("#\n" * (MAX_BYTES // 2)),
    "large samples": answering("".join(f'seedsweep_evaluation_score{{a="{"x" * 900}{i}"}} 1\n' for i in range(130))),
    "gzip": answering(gzip.compress(bytes(32 << 20)), Content_Encoding="gzip"),
    "redirect": redirecting,
    "garbage": answering(b"\xff\xfe" * 1000),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_sweep_delays_no_other(kind: str, news: News, scraper: Scraper, servers: MetricsServers) -> None:
    handler = HOSTILE[kind]
    bad = await (servers.serve(handler) if handler is not None else servers.serve_raw(None))
    for i in range(2 * SCRAPES_AT_ONCE):
        scraper.watch(target(bad, f"bad{i}", "bad", timeout=FOR_EVER if kind == "silent" else 1.0))
    trainer = Trainer("a")
    scraper.watch(target(await servers.serve(trainer.handle), "a", "good"))
    # More in flight than all may have together, and still its turns come.
    for evaluations in range(1, 6):
        trainer.evaluations = evaluations
        await news.until(lambda: evaluations_of(scraper, "a") == trainer.evaluations)
    assert not any(scraper.reading(f"bad{i}") for i in range(2 * SCRAPES_AT_ONCE))


async def test_large_body_is_read_as_well(news: News, scraper: Scraper, servers: MetricsServers) -> None:
    body = Trainer("a", evaluations=300).body() + "# padding\n" * (LARGE_BYTES // 10)
    scraper.watch(target(await servers.serve(answering(body)), "a"))
    await news.until(lambda: scraper.reading("a") is not None)
    assert evaluations_of(scraper, "a") == 300


async def test_gauges_are_sampled(news: News, scraper: Scraper, servers: MetricsServers) -> None:
    sampled = target(await servers.serve(answering("acc 0.5\ndone 0.03\n")), "a")
    scraper.watch(replace(sampled, names=GaugeNames(score="acc", progress="done")))
    await news.until(lambda: scraper.reading("a") is not None)
    reading = scraper.reading("a")
    assert reading is not None
    assert reading.sampled
    assert reading.scores == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("answer", "outcome"), [(None, "slow"), (b"HTTP/1.1 500 x\r\n\r\n", "unusable"), (b"", "unreachable")]
)
async def test_failures_are_counted_by_kind(
    answer: bytes | None, outcome: str, scraper: Scraper, servers: MetricsServers
) -> None:
    before = counted(outcome)
    scraper.watch(target(await servers.serve_raw(answer), "a", timeout=0.1))
    await until(lambda: counted(outcome) > before)
    assert scraper.trouble("a") is not None


def counted(outcome: str) -> float:
    return sum(
        sample.value
        for metric in SCRAPES.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["outcome"] == outcome
    )


async def test_nothing_is_left_behind_at_the_end(news: News, servers: MetricsServers) -> None:
    before = asyncio.all_tasks()
    async with Scraper(news) as scraper:
        url = await servers.serve_raw(None)
        for i in range(20):
            scraper.watch(target(url, str(i), timeout=FOR_EVER))
        await until(lambda: servers.connections == 20)
        under_way = {task for task in asyncio.all_tasks() - before if "Scraper" in repr(task.get_coro())}
        assert len(under_way) == 20
    assert all(task.done() for task in under_way)
