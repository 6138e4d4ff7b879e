"""Thousands of trainers on one event loop: everyone's turn comes, and a hostile one costs the others nothing."""

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from host.metrics_servers import Handler, MetricsServers, answering, endless, trickle
from seedsweep.api.sweep import GaugeNames
from seedsweep.contract.consistency import Limits
from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.metrics_client import MAX_BYTES
from seedsweep.contract.scrape import Expected, parse_reading
from seedsweep.contract.trouble import UNUSABLE_TIMES
from seedsweep.engine.observation import Reading
from seedsweep.engine.policies.scrape_pace import OFTEN
from seedsweep.kube.objects.home import Home
from seedsweep.kube.process.metrics import SCRAPES
from seedsweep.kube.scraping import scraper as scraping
from seedsweep.kube.scraping import target as target_module
from seedsweep.kube.scraping.scraper import FOR_NEWCOMERS, LARGE_BYTES, SCRAPES_AT_ONCE, Scraper
from seedsweep.kube.scraping.target import Target

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FOR_EVER = 1e9
"""Seconds: turns lie on a grid of the interval, and one of an hour's may come while a test runs."""


class News:
    """The sweeps that had some, and a way to wait for it."""

    def __init__(self) -> None:
        self.sweeps: list[str] = []
        self._more = asyncio.Event()

    def __call__(self, sweep: str) -> None:
        self.sweeps.append(sweep)
        self._more.set()

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for news that make it true; for ever is the test's own time."""
        while not happened():
            self._more.clear()
            await self._more.wait()


def evaluations_of(scraper: Scraper, uid: str) -> int:
    reading = scraper.reading(uid)
    return len(reading.scores) if reading is not None else -1


async def until(happened: Callable[[], bool]) -> None:
    """Wait for what nobody tells."""
    while not happened():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


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


class Trainer:
    """Publishes as many evaluations as it is told."""

    def __init__(self, uid: str, evaluations: int = 1) -> None:
        self.uid = uid
        self.evaluations = evaluations
        self.asked = 0

    async def handle(self, _: web.Request) -> web.StreamResponse:
        self.asked += 1
        return web.Response(text=self.body())

    def body(self) -> str:
        info = f'seedsweep_trainer_info{{episode="wi1-do2",uid="{self.uid}",contract="1"}} 1\n'
        numbers = range(1, self.evaluations + 1)
        return info + "".join(f'seedsweep_evaluation_score{{evaluation="{i}"}} 0.5\n' for i in numbers)


def target(url: str, uid: str, sweep: str = "s", interval: float = 0.05, timeout: float = 30.0) -> Target:
    return Target(
        Home("ns", "demo", sweep), "demo-wi1-do2", uid, url, Expected("wi1-do2", uid), interval, timeout, GaugeNames()
    )


async def test_target_is_read_until_it_is_forgotten(news: News, scraper: Scraper, servers: MetricsServers) -> None:
    trainer = Trainer("a")
    scraper.watch(target(await servers.serve(trainer.handle), "a"))
    await news.until(lambda: scraper.reading("a") is not None)
    trainer.evaluations = 3
    await news.until(lambda: len(news.sweeps) == 2)
    assert evaluations_of(scraper, "a") == 3
    scraper.forget("a")
    asked = trainer.asked
    await asyncio.sleep(0.2)
    assert trainer.asked == asked
    assert scraper.reading("a") is None


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


async def test_watching_again_changes_nothing_but_what_is_new(
    news: News, scraper: Scraper, servers: MetricsServers
) -> None:
    trainer = Trainer("a")
    slow = target(await servers.serve(trainer.handle), "a", interval=FOR_EVER)
    scraper.watch(slow)
    await news.until(lambda: scraper.reading("a") is not None)
    scraper.watch(replace(slow))
    await asyncio.sleep(0.1)
    assert trainer.asked == 1
    scraper.watch(replace(slow, interval=0.05))
    assert scraper.reading("a") is not None
    await until(lambda: trainer.asked > 3)


async def test_a_target_is_read_often_for_as_long_as_it_is_wanted(
    news: News, scraper: Scraper, servers: MetricsServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_module, "OFTEN", FOR_EVER / 0.05)
    near, far = Trainer("near"), Trainer("far")
    for trainer in (near, far):
        scraper.watch(target(await servers.serve(trainer.handle), trainer.uid, interval=FOR_EVER))
    await news.until(lambda: len(news.sweeps) == 2)
    scraper.read_often("s", {"near", "gone"})
    await until(lambda: near.asked > 3)
    scraper.read_often("s", ())
    asked = near.asked
    await asyncio.sleep(0.2)
    assert near.asked <= asked + 1, "one may have been under way"
    assert far.asked == 1


def test_who_is_read_often_has_its_turn_in_every_part_of_the_interval() -> None:
    one = target("http://x", "uid", interval=10.0)
    turns = [1_000.0]
    while turns[-1] < 1_010.0:
        turns.append(one.due_after(turns[-1], often=True))
    assert len(turns) - 1 in (OFTEN, OFTEN + 1)
    assert one.due_after(1_000.0) in [pytest.approx(turn) for turn in turns], "an ordinary turn is one of them"


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


@pytest.mark.parametrize(("sweeps", "most"), [(1, SCRAPES_AT_ONCE - FOR_NEWCOMERS), (300, SCRAPES_AT_ONCE)])
async def test_scrapes_under_way_are_bounded_however_many_sweeps_there_are(
    sweeps: int, most: int, scraper: Scraper, servers: MetricsServers
) -> None:
    url = await servers.serve_raw(None)
    for i in range(600):
        scraper.watch(target(url, str(i), sweep=str(i % sweeps), timeout=FOR_EVER))
    await until(lambda: servers.connections == most)
    await asyncio.sleep(0.2)
    assert servers.connections == most


async def test_forgotten_sweep_gives_back_what_it_held(news: News, scraper: Scraper, servers: MetricsServers) -> None:
    silent = await servers.serve_raw(None)
    for i in range(2 * SCRAPES_AT_ONCE):
        scraper.watch(target(silent, str(i), timeout=FOR_EVER))
    await asyncio.sleep(0.1)
    for i in range(2 * SCRAPES_AT_ONCE):
        scraper.forget(str(i))
    url = await servers.serve(Trainer("a").handle)
    scraper.watch(target(url, "a"))
    await news.until(lambda: scraper.reading("a") is not None)
    scraper.forget_sweep("s")
    assert scraper.reading("a") is None


class OneIsSlow:
    """A source in which one target never answers in its time, and the others at once."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    async def fetch(self, target: Target) -> bytes:
        self.asked[target.uid] += 1
        if target.uid == "slow":
            await asyncio.sleep(target.timeout)
            raise ScrapeError("no whole answer")
        return Trainer(target.uid).body().encode()

    def forget(self, sweep: str) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.mark.simulated_time
async def test_slow_targets_leave_most_of_the_time_to_others(news: News, monkeypatch: pytest.MonkeyPatch) -> None:
    source = OneIsSlow()
    monkeypatch.setattr(scraping, "SCRAPES_AT_ONCE", 1)
    monkeypatch.setattr(scraping, "Pods", lambda: source)
    async with Scraper(news) as scraper:
        for uid in ("slow", "a"):
            scraper.watch(target("http://x", uid, timeout=0.3))
        await until(lambda: (trouble := scraper.trouble("slow")) is not None and trouble.times == 1)
        asked = source.asked["a"]
        await until(lambda: (trouble := scraper.trouble("slow")) is not None and trouble.times == 2)
    # One place: had the slow one taken every second turn, there would be one in between.
    assert source.asked["a"] - asked > 2


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


def test_turns_are_spread_over_the_interval_and_keep_their_pace() -> None:
    every = [target("http://x", f"uid-{i}", interval=10.0) for i in range(1_000)]
    turns = [one.due_after(1_000.0) - 1_000.0 for one in every]
    assert all(0 < turn <= 10 for turn in turns)
    for tenth in range(10):
        assert 60 <= sum(1 for turn in turns if tenth < turn <= tenth + 1) <= 140
    again = [one.due_after(1_000.0 + turn) - 1_000.0 for one, turn in zip(every, turns, strict=True)]
    assert again == pytest.approx([turn + 10 for turn in turns])
