"""Thousands of trainers on one event loop: whose turn comes when, and how many are under way at once."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from kube.scraped import FOR_EVER, News, Trainer, evaluations_of, target, until
from seedsweep.contract.exposition import ScrapeError
from seedsweep.engine.policies.scrape_pace import OFTEN
from seedsweep.kube.scraping import scraper as scraping
from seedsweep.kube.scraping import target as target_module
from seedsweep.kube.scraping.scraper import FOR_NEWCOMERS, SCRAPES_AT_ONCE, Scraper
from seedsweep.kube.scraping.target import Target

pytestmark = pytest.mark.simulated_time


class InMemory:
    """A source of trainers of this process, for simulated time; a target that is none of them never answers."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.under_way = 0
        self._trainers: dict[str, Trainer] = {}

    def add(self, uid: str) -> Trainer:
        return self._trainers.setdefault(uid, Trainer(uid))

    async def fetch(self, target: Target) -> bytes:
        self.asked[target.uid] += 1
        self.under_way += 1
        try:
            if target.uid not in self._trainers:
                await asyncio.sleep(target.timeout)
                raise ScrapeError("no whole answer")
            return self._trainers[target.uid].body().encode()
        finally:
            self.under_way -= 1

    def forget(self, sweep: str) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> InMemory:
    """What scrapers that are opened from here on ask."""
    found = InMemory()
    monkeypatch.setattr(scraping, "Pods", lambda: found)
    return found


async def test_target_is_read_until_it_is_forgotten(source: InMemory) -> None:
    news = News()
    trainer = source.add("a")
    async with Scraper(news) as scraper:
        scraper.watch(target("http://x", "a"))
        await news.until(lambda: scraper.reading("a") is not None)
        trainer.evaluations = 3
        await news.until(lambda: len(news.sweeps) == 2)
        assert evaluations_of(scraper, "a") == 3
        scraper.forget("a")
        asked = source.asked["a"]
        await asyncio.sleep(60)
        assert source.asked["a"] == asked
        assert scraper.reading("a") is None


async def test_who_has_only_just_begun_is_read_from_its_first_turn_on(source: InMemory) -> None:
    found = target("http://x", "a", interval=60.0)
    loop = asyncio.get_running_loop()
    async with Scraper(News()) as scraper:
        turn = found.due_after(loop.time())
        scraper.watch(found, begins=True)
        await asyncio.sleep(turn - loop.time() - 1.0)
        assert source.asked["a"] == 0
        await asyncio.sleep(2.0)
        assert source.asked["a"] == 1


async def test_watching_again_changes_nothing_but_what_is_new(source: InMemory) -> None:
    news = News()
    source.add("a")
    slow = target("http://x", "a", interval=FOR_EVER)
    async with Scraper(news) as scraper:
        scraper.watch(slow)
        await news.until(lambda: scraper.reading("a") is not None)
        scraper.watch(replace(slow))
        await asyncio.sleep(60)
        assert source.asked["a"] == 1
        scraper.watch(replace(slow, interval=0.05))
        assert scraper.reading("a") is not None
        await until(lambda: source.asked["a"] > 3)


async def test_a_target_is_read_often_for_as_long_as_it_is_wanted(
    source: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    news = News()
    monkeypatch.setattr(target_module, "OFTEN", FOR_EVER / 0.05)
    async with Scraper(news) as scraper:
        for uid in ("near", "far"):
            source.add(uid)
            scraper.watch(target("http://x", uid, interval=FOR_EVER))
        await news.until(lambda: len(news.sweeps) == 2)
        scraper.read_often("s", {"near", "gone"})
        await until(lambda: source.asked["near"] > 3)
        scraper.read_often("s", ())
        asked = source.asked["near"]
        await asyncio.sleep(60)
        assert source.asked["near"] <= asked + 1, "its next turn may have been set"
        assert source.asked["far"] == 1


def test_who_is_read_often_has_its_turn_in_every_part_of_the_interval() -> None:
    one = target("http://x", "uid", interval=10.0)
    turns = [1_000.0]
    while turns[-1] < 1_010.0:
        turns.append(one.due_after(turns[-1], often=True))
    assert len(turns) - 1 in (OFTEN, OFTEN + 1)
    assert one.due_after(1_000.0) in [pytest.approx(turn) for turn in turns], "an ordinary turn is one of them"


@pytest.mark.parametrize(("sweeps", "most"), [(1, SCRAPES_AT_ONCE - FOR_NEWCOMERS), (300, SCRAPES_AT_ONCE)])
async def test_scrapes_under_way_are_bounded_however_many_sweeps_there_are(
    sweeps: int, most: int, source: InMemory
) -> None:
    async with Scraper(News()) as scraper:
        for i in range(600):
            scraper.watch(target("http://x", str(i), sweep=str(i % sweeps), timeout=FOR_EVER))
        await until(lambda: source.under_way == most)
        await asyncio.sleep(60)
        assert source.under_way == most


async def test_forgotten_sweep_gives_back_what_it_held(source: InMemory) -> None:
    news = News()
    async with Scraper(news) as scraper:
        for i in range(2 * SCRAPES_AT_ONCE):
            scraper.watch(target("http://x", str(i), timeout=FOR_EVER))
        await until(lambda: source.under_way == SCRAPES_AT_ONCE - FOR_NEWCOMERS)
        for i in range(2 * SCRAPES_AT_ONCE):
            scraper.forget(str(i))
        source.add("a")
        scraper.watch(target("http://x", "a"))
        await news.until(lambda: scraper.reading("a") is not None)
        scraper.forget_sweep("s")
        assert scraper.reading("a") is None


async def test_slow_targets_leave_most_of_the_time_to_others(source: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    news = News()
    source.add("a")
    monkeypatch.setattr(scraping, "SCRAPES_AT_ONCE", 1)
    async with Scraper(news) as scraper:
        for uid in ("slow", "a"):
            scraper.watch(target("http://x", uid, timeout=0.3))
        await until(lambda: (trouble := scraper.trouble("slow")) is not None and trouble.times == 1)
        asked = source.asked["a"]
        await until(lambda: (trouble := scraper.trouble("slow")) is not None and trouble.times == 2)
    # One place: had the slow one taken every second turn, there would be one in between.
    assert source.asked["a"] - asked > 2


def test_turns_are_spread_over_the_interval_and_keep_their_pace() -> None:
    every = [target("http://x", f"uid-{i}", interval=10.0) for i in range(1_000)]
    turns = [one.due_after(1_000.0) - 1_000.0 for one in every]
    assert all(0 < turn <= 10 for turn in turns)
    for tenth in range(10):
        assert 60 <= sum(1 for turn in turns if tenth < turn <= tenth + 1) <= 140
    again = [one.due_after(1_000.0 + turn) - 1_000.0 for one, turn in zip(every, turns, strict=True)]
    assert again == pytest.approx([turn + 10 for turn in turns])
