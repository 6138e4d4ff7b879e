"""Time that passes only by sleeping."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

START = datetime(2026, 1, 1, tzinfo=UTC)
_sleep = asyncio.sleep


class FakeTime:
    """A steady clock and one on the wall; who sleeps alone moves both on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []
        monkeypatch.setattr(asyncio, "sleep", self._pass)

    def steady(self) -> float:
        return self.seconds

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    async def until(self, true: Callable[[], bool], turns: int = 2000) -> None:
        """Let others run until it is so; AssertionError where it never is."""
        for _ in range(turns):
            if true():
                return
            await _sleep(0)
        raise AssertionError("it never came to that")

    async def settle(self, turns: int = 50) -> None:
        for _ in range(turns):
            await _sleep(0)

    async def _pass(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await _sleep(0)
