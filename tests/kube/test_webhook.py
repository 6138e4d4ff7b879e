"""The end of every sweep reaches the administrator's webhook, whatever that does, and delays nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from inputs import records
from kube.fake_api import FakeCluster, body_of, settle, until
from seedsweep.api.core.objects import Condition
from seedsweep.api.status import EpisodeCounts, SweepStatus
from seedsweep.kube.events import webhook
from seedsweep.kube.events.webhook import Webhook, end_text, parse_webhook
from seedsweep.kube.objects.home import Home

HOME = Home("nlp", "rte", "uid-1")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does answer has all the time that a busy machine takes."""
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 60.0)


@dataclass
class Chat:
    """What takes messages; the last of `answers` stays."""

    answers: list[int] = field(default_factory=lambda: [200])
    asked: int = 0
    taken: list[Any] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.asked += 1
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status == 200:
            self.taken.append(await request.json())
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})


@asynccontextmanager
async def posting(chat: Chat) -> AsyncIterator[Webhook]:
    app = web.Application()
    app.router.add_post("/hook/secret", chat.take)
    async with TestServer(app) as server:
        found = Webhook(str(server.make_url("/hook/secret")), pauses=(0.0, 0.0, 0.0))
        task = asyncio.create_task(found.post_forever())
        yield found
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def failed(message: str) -> SweepStatus:
    since = records.START.isoformat()
    condition = Condition(type="Failed", status="True", reason="NoScore", message=message, last_transition_time=since)
    return SweepStatus(conditions=[condition], completion_time=since)


async def test_an_end_is_posted_as_slack_takes_it() -> None:
    chat, status = Chat(), records.finished().status
    async with posting(chat) as hook:
        hook.tell(HOME, status)
        await until(lambda: chat.taken)
    assert status.best is not None
    best = f"best {status.best.score:.4f} by {status.best.episode}"
    assert chat.taken == [{"text": f"SeedSweep nlp/rte is complete: {best}"}]


def test_a_failure_is_told_with_its_reason_and_mentions_nobody() -> None:
    text = end_text(HOME, failed("<!channel> a & b\nc"))
    assert text == "SeedSweep nlp/rte failed: NoScore: &lt;!channel&gt; a &amp; b c"


@pytest.mark.parametrize(
    ("answers", "asked", "taken"),
    [([500, 429, 200], 3, 1), ([503], 4, 0), ([404], 1, 0), ([302], 4, 0)],
)
async def test_what_may_pass_is_tried_again_a_few_times(
    answers: list[int], asked: int, taken: int, caplog: pytest.LogCaptureFixture
) -> None:
    chat, last = Chat(answers), Chat()
    async with posting(chat) as hook, posting(last) as other:
        hook.tell(HOME, records.finished().status)
        await until(lambda: chat.taken or "could not be told" in caplog.text)
        other.tell(HOME, records.finished().status)
        await until(lambda: last.taken)
    assert (chat.asked, len(chat.taken)) == (asked, taken)
    assert ("could not be told" in caplog.text) == (taken == 0)
    assert "secret" not in caplog.text


async def test_a_webhook_that_is_not_there_keeps_the_next_end_from_nothing(caplog: pytest.LogCaptureFixture) -> None:
    hook = Webhook("http://127.0.0.1:1/secret", pauses=(0.0,))
    task = asyncio.create_task(hook.post_forever())
    for _ in range(2):
        hook.tell(HOME, records.finished().status)
    await until(lambda: caplog.text.count("could not be told") == 2)
    assert "secret" not in caplog.text
    task.cancel()


async def test_a_webhook_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.05)
    chat = Chat()

    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(chat, "take", hang)
    async with posting(chat) as hook:
        hook.tell(HOME, records.finished().status)
        await until(lambda: "could not be told to the webhook: TimeoutError" in caplog.text)


@pytest.mark.parametrize("text", ["", "hooks.example/1", "http://hooks.example/secret", "https:///secret"])
def test_only_https_is_a_webhook_and_a_refusal_does_not_hold_it(text: str) -> None:
    with pytest.raises(ValueError, match="https://") as refused:
        parse_webhook(text)
    assert "secret" not in str(refused.value)
    assert parse_webhook("https://hooks.example/1\n") == "https://hooks.example/1"


class Told(Webhook):
    """Notes what is told."""

    def __init__(self) -> None:
        super().__init__("https://hooks.example")
        self.told: list[str] = []

    def tell(self, home: Home, status: SweepStatus) -> None:
        self.told.append(f"{home.name}: {status.phase}")


@pytest.mark.simulated_time
async def test_a_sweep_that_comes_to_its_end_is_told_once() -> None:
    hook = Told()
    async with FakeCluster(webhook=hook) as cluster:
        api = cluster.api
        cluster.apply(body_of(parallelism=8, earlyStopping=None, seeds={"single": {"count": 2}}))
        await until(lambda: len(api.pods()) == 2)
        assert hook.told == []
        for pod in api.pods():
            cluster.end_pod(pod)
        await until(lambda: hook.told)
        assert api.status("demo")["phase"] == "Complete"
        await cluster.sweeps.compare([])
        await settle(0.0)
    assert hook.told == ["demo: Complete"]


@pytest.mark.parametrize(("minutes", "told"), [(1, ["demo: Complete"]), (11, [])])
async def test_an_operator_that_starts_tells_again_what_has_just_ended(minutes: int, told: list[str]) -> None:
    hook, body = Told(), body_of(parallelism=1)
    ended = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
    status = SweepStatus(
        phase="Complete", completion_time=ended, observed_generation=1, counts=EpisodeCounts(finished=2)
    )
    body["status"] = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    async with FakeCluster(webhook=hook) as cluster:
        cluster.apply(body)
        cluster.sweeps.saw_sweep(body, deleted=False)
    assert hook.told == told
