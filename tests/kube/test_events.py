"""How Events get to the API server: once, in order, and without a storm where it refuses them."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, cast

import pytest

from seedsweep.api.episode import EpisodeId
from seedsweep.engine.decisions import Event
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.events import recorder as module
from seedsweep.kube.events.aggregation import MAX_MESSAGE, Posting
from seedsweep.kube.events.recorder import MAX_WAITING, RETRY_SECONDS, Recorder, event_body
from seedsweep.kube.objects.home import Home

HOME = Home("ns", "demo", "uid-1")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CUT = Event("CutMade", "kept 3 of 8 at evaluation 3: threshold 0.7000")
STALLED = Event("Stalled", "QuotaExceeded: pods=8", kind="Warning", key="1")
FORBIDDEN = ApiError(403, "Forbidden", "events is forbidden")
AWAY = ApiError(None, "Unreachable", "the API server cannot be reached")


class FakeEvents:
    """The API server's Events, by namespace and name."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests: list[tuple[float, str, str]] = []
        """Moment, verb and namespace."""
        self.refuse: Callable[[str], Exception | None] = lambda _: None
        """By namespace."""
        self.now = 0.0

    async def create(self, path: str, body: dict[str, Any]) -> None:
        await self._take("POST", path, body["metadata"]["name"], body)

    async def replace(self, path: str, body: dict[str, Any]) -> None:
        await self._take("PUT", path.rsplit("/", 1)[0], body["metadata"]["name"], body)

    async def _take(self, verb: str, path: str, name: str, body: dict[str, Any]) -> None:
        namespace = path.split("/")[4]
        assert path == f"/api/v1/namespaces/{namespace}/events"
        self.requests.append((self.now, verb, namespace))
        await asyncio.sleep(0)
        error = self.refuse(namespace)
        if error is not None:
            raise error
        if verb == "POST" and (namespace, name) in self.objects:
            raise ApiError(409, "AlreadyExists", name)
        self.objects[namespace, name] = body

    @property
    def told(self) -> list[tuple[str, int]]:
        return [(body["message"], body["count"]) for body in self.objects.values()]


class Bench:
    """A recorder at work, with a clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.api = FakeEvents()
        self.recorder = Recorder(cast("Api", self.api), clock=lambda: self.api.now)

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    async def wait(self, seconds: float) -> None:
        """Second by second, so that all that is due is posted at its time."""
        for _ in range(int(seconds)):
            self.api.now += 1
            # What a sleep until then would do.
            self.recorder._news.set()
            await self.settle()


@asynccontextmanager
async def at_work() -> Any:
    bench = Bench()
    task = asyncio.create_task(bench.recorder.post_forever())
    try:
        yield bench
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def posting_of(event: Event) -> Posting:
    return Posting(HOME, event, "demo.1", NOW, NOW, 1)


async def test_what_is_told_of_a_sweep_is_posted_at_once() -> None:
    async with at_work() as bench:
        bench.recorder.tell(HOME, [CUT], NOW)
        await bench.settle()
        assert bench.api.told == [(CUT.message, 1)]


async def test_the_same_again_counts_the_first_one_up() -> None:
    async with at_work() as bench:
        for number in range(3):
            bench.recorder.tell(HOME, [replace(STALLED, key=str(number))], NOW)
            await bench.wait(20)
        assert bench.api.told == [(STALLED.message, 3)]
        assert [verb for _, verb, _ in bench.api.requests] == ["POST", "PUT", "PUT"]


async def test_an_event_that_an_earlier_operator_has_told_is_not_told_again() -> None:
    async with at_work() as bench:
        bench.recorder.tell(HOME, [CUT], NOW)
        await bench.settle()
        later = Recorder(cast("Api", bench.api), clock=lambda: bench.api.now)
        later.remind(HOME, [CUT], NOW)
        await later.flush()
        assert bench.api.told == [(CUT.message, 1)]


async def test_a_namespace_that_refuses_events_is_asked_once_in_a_while_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with at_work() as bench:
        bench.api.refuse = lambda namespace: FORBIDDEN if namespace == "ns" else None
        for number in range(100):
            bench.recorder.tell(HOME, [replace(CUT, message=f"cut {number}")], NOW)
            await bench.wait(1)
        asked = [moment for moment, _, namespace in bench.api.requests if namespace == "ns"]
        assert all(later - earlier >= RETRY_SECONDS for earlier, later in pairwise(asked))
        assert 9 <= len(asked) <= 11
        refusals = [record for record in caplog.records if "no Event can be posted" in record.getMessage()]
        assert len(refusals) == 1
        bench.recorder.tell(Home("other", "demo", "uid-2"), [CUT], NOW)
        await bench.settle()
        assert bench.api.told == [(CUT.message, 1)]


async def test_once_the_right_is_given_all_that_waited_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with at_work() as bench:
        bench.api.refuse = lambda _: FORBIDDEN
        bench.recorder.tell(HOME, [CUT, STALLED], NOW)
        await bench.settle()
        bench.api.refuse = lambda _: None
        await bench.wait(RETRY_SECONDS)
        assert sorted(bench.api.told) == sorted([(CUT.message, 1), (STALLED.message, 1)])
        assert "Events are posted again" in caplog.text


async def test_while_the_api_server_is_away_no_namespace_is_asked_more_often_than_one() -> None:
    async with at_work() as bench:
        bench.api.refuse = lambda _: AWAY
        for number in range(50):
            bench.recorder.tell(Home(f"ns-{number}", "demo", f"uid-{number}"), [CUT], NOW)
            await bench.wait(1)
        # At first several may be under way at once.
        assert len(bench.api.requests) <= 50 / RETRY_SECONDS + module.AT_ONCE
        bench.api.refuse = lambda _: None
        await bench.wait(RETRY_SECONDS)
        assert len(bench.api.objects) == 50


async def test_a_namespace_that_is_gone_leaves_nothing_behind() -> None:
    async with at_work() as bench:
        bench.api.refuse = lambda _: ApiError(404, "NotFound", 'namespaces "ns" not found')
        bench.recorder.tell(HOME, [replace(CUT, message=f"cut {number}") for number in range(50)], NOW)
        await bench.wait(100)
        assert len(bench.api.requests) == 1


async def test_an_event_that_the_api_server_does_not_take_keeps_no_other_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with at_work() as bench:
        refusals = [ApiError(422, "Invalid", "message: too long")]
        bench.api.refuse = lambda _: refusals.pop() if refusals else None
        bench.recorder.tell(HOME, [CUT, STALLED], NOW)
        await bench.settle()
        assert bench.api.told == [(STALLED.message, 1)]
        assert "takes no Event CutMade: message: too long" in caplog.text


async def test_while_nothing_can_be_posted_no_more_than_a_bounded_number_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 120.0)
    async with at_work() as bench:
        bench.api.refuse = lambda _: FORBIDDEN
        for number in range(3 * MAX_WAITING):
            bench.recorder.tell(HOME, [replace(CUT, message=f"cut {number}")], NOW)
            if number % 1000 == 0:
                await bench.settle()
        await bench.settle()
        bench.api.refuse = lambda _: None
        await bench.recorder.flush()
        assert len(bench.api.objects) <= MAX_WAITING
        assert (f"cut {3 * MAX_WAITING - 1}", 1) in bench.api.told


async def test_an_operator_that_ends_posts_what_still_waits_for_more_like_it() -> None:
    bench = Bench()
    started = [Event("Started", f"attempt 1 of wi0-do{i} started", EpisodeId(0, i), key=str(i)) for i in range(3)]
    bench.recorder.tell(HOME, started, NOW)
    await bench.recorder.flush()
    assert len(bench.api.objects) == 3


async def test_an_operator_that_ends_does_not_wait_long_for_an_api_server_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    bench = Bench()

    async def hang(*_: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(bench.api, "create", hang)
    bench.recorder.tell(HOME, [CUT], NOW)
    await bench.recorder.flush()


async def test_an_error_that_nobody_thought_of_ends_the_posting_loudly_and_the_next_try_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    create = bench.api.create

    async def broken(path: str, body: dict[str, Any]) -> None:
        if body["reason"] == "CutMade":
            raise RuntimeError("not thought of")
        await create(path, body)

    monkeypatch.setattr(bench.api, "create", broken)
    bench.recorder.tell(HOME, [CUT, STALLED], NOW)
    with pytest.raises(ExceptionGroup):
        await bench.recorder.post_forever()
    again = asyncio.create_task(bench.recorder.post_forever())
    await bench.settle()
    assert bench.api.told == [(STALLED.message, 1)]
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def test_the_log_has_what_happens_to_sweeps_and_not_what_happens_to_episodes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with at_work() as bench:
        failed = Event("AttemptFailed", "wi0-do1 after 3 evaluations", EpisodeId(0, 1), "Warning")
        bench.recorder.tell(HOME, [CUT, STALLED, failed], NOW)
        await bench.settle()
    lines = {(record.levelname, record.getMessage()) for record in caplog.records}
    assert lines == {("INFO", f"CutMade: {CUT.message}"), ("WARNING", f"Stalled: {STALLED.message}")}
    assert {(vars(record)["namespace"], vars(record)["sweep"]) for record in caplog.records} == {("ns", "demo")}


def test_an_episodes_event_names_the_episode_as_related() -> None:
    body = event_body(posting_of(Event("Started", "attempt 1", EpisodeId(0, 3))))
    assert (body["related"]["kind"], body["related"]["name"]) == ("Episode", "demo-wi0-do3")
    assert body["involvedObject"]["uid"] == "uid-1"


def test_a_message_has_its_bounds() -> None:
    assert len(event_body(posting_of(Event("CutMade", "x" * 5000)))["message"]) == MAX_MESSAGE
