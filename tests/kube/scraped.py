"""Trainers whose metrics a scraper reads, and ways to wait for what it finds."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from seedsweep.api.sweep import GaugeNames
from seedsweep.contract.scrape import Expected
from seedsweep.kube.objects.home import Home
from seedsweep.kube.scraping.scraper import Scraper
from seedsweep.kube.scraping.target import Target

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
