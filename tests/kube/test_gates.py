"""Gates: what is refused as a kind is asked for one at a time; what works is sent in growing numbers."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from seedsweep.kube.apiserver.client import ApiError, kind_of, refusal_reason
from seedsweep.kube.apiserver.gates import MAX_PAUSE, PAUSE, ClosedError, Gates, Refusals

QUOTA = ApiError(403, "Forbidden", "exceeded quota: few")
NO_RIGHT = ApiError(403, "Forbidden", 'User "operator" cannot create resource "pods"')
TOO_LARGE = ApiError(413, "RequestEntityTooLarge", "etcdserver: request is too large")


class Server:
    """Counts how many requests are under way at once, and answers all of them when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.gates = Gates(logging.getLogger(__name__), lambda: self.now)
        self.error: ApiError | None = None
        self.under_way = self.sent = 0
        self._answer = asyncio.Event()

    async def ask(self) -> str:
        async def request() -> str:
            self.under_way += 1
            self.sent += 1
            await self._answer.wait()
            self.under_way -= 1
            if self.error is not None:
                raise self.error
            return "done"

        try:
            return await self.gates.send("POST", "/api/v1/namespaces/team/pods", request)
        except ClosedError:
            return "not sent"
        except ApiError:
            return "refused"

    async def answer(self) -> int:
        """Answer all that are under way; how many there were."""
        for _ in range(10):
            await asyncio.sleep(0)
        waiting = self.under_way
        self._answer.set()
        await asyncio.sleep(0)
        self._answer = asyncio.Event()
        return waiting


async def test_requests_grow_as_they_succeed():
    server = Server()
    asked = [asyncio.create_task(server.ask()) for _ in range(40)]
    rounds = []
    while not all(task.done() for task in asked):
        if count := await server.answer():
            rounds.append(count)
    assert rounds == [1, 2, 4, 8, 16, 9]
    assert {task.result() for task in asked} == {"done"}


async def test_a_refusal_closes_the_gate_for_all_who_wait_and_one_request_tries_again():
    server = Server()
    server.error = QUOTA
    asked = [asyncio.create_task(server.ask()) for _ in range(40)]
    await server.answer()
    answers = [await task for task in asked]
    assert (server.sent, answers.count("refused"), answers.count("not sent")) == (1, 1, 39)
    assert await server.ask() == "not sent"
    server.now += PAUSE
    asked = [asyncio.create_task(server.ask()) for _ in range(3)]
    await server.answer()
    assert sorted([await task for task in asked]) == ["not sent", "not sent", "refused"]
    server.now += MAX_PAUSE
    server.error = None
    first = asyncio.create_task(server.ask())
    await server.answer()
    assert await first == "done"
    assert dict(server.gates.refusals(server.now)) == {}


async def test_the_pause_grows_to_its_bound():
    server = Server()
    server.error = NO_RIGHT
    pauses = []
    for _ in range(6):
        task = asyncio.create_task(server.ask())
        await server.answer()
        assert await task == "refused"
        ((_, refusal),) = server.gates.refusals(server.now)
        pauses.append(refusal.until - server.now)
        server.now = refusal.until
    assert pauses[0] == PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_PAUSE


async def test_what_is_refused_about_one_object_closes_no_gate():
    server = Server()
    server.error = TOO_LARGE
    for _ in range(3):
        task = asyncio.create_task(server.ask())
        await server.answer()
        assert await task == "refused"
    assert dict(server.gates.refusals(server.now)) == {}


async def test_a_request_that_is_cancelled_leaves_its_place_to_the_next():
    server = Server()
    first, second = asyncio.create_task(server.ask()), asyncio.create_task(server.ask())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await server.answer()
    assert await second == "done"


def test_another_object_is_asked_for_next_where_the_answer_may_depend_on_the_object():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    refusals = Refusals[str](lambda: now, lambda: None)
    refusals.add("asked", "Forbidden", "no", NO_RIGHT)
    refusals.add("not sent", "Forbidden", "no", ClosedError(NO_RIGHT, now + PAUSE))
    assert refusals.standing["asked"].until > refusals.standing["not sent"].until
    refusals.add("quota", "QuotaExceeded", "no", QUOTA)
    assert refusals.standing["quota"].until == now + PAUSE


def test_a_refusal_stands_until_it_is_done_and_is_tried_after_longer_and_longer_pauses():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    refusals = Refusals[str](lambda: now, lambda: None)
    pauses = []
    for _ in range(8):
        refusals.add("one", "TooLarge", "no", TOO_LARGE)
        assert refusals.waits("one")
        pauses.append(refusals.standing["one"].until - now)
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(seconds=30)
    refusals.done("one")
    assert not refusals.standing
    assert not refusals.waits("one")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (QUOTA, "QuotaExceeded"),
        (NO_RIGHT, "Forbidden"),
        (ApiError(403, "Forbidden", 'admission webhook "x" denied the request: no'), "AdmissionDenied"),
        (
            ApiError(403, "Forbidden", "ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no"),
            "AdmissionDenied",
        ),
        (TOO_LARGE, "TooLarge"),
        (ApiError(422, "Invalid", "no"), "Rejected"),
        (ApiError(None, "Unreachable", "no"), "ApiServerUnavailable"),
        (ApiError(504, "Timeout", "no"), "ApiServerUnavailable"),
    ],
)
def test_every_refusal_has_one_word(error: ApiError, reason: str):
    assert refusal_reason(error) == reason


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/api/v1/namespaces/team/pods", ("create", "pods")),
        ("GET", "/api/v1/namespaces/team/pods", ("list", "pods")),
        ("GET", "/api/v1/namespaces/team/pods/x", ("get", "pods")),
        ("GET", "/api/v1/namespaces/team/pods/x/log?container=trainer", ("get", "pods/log")),
        ("GET", "/api/v1/namespaces/ops/services/x:http/proxy/v1/sweeps/a", ("get", "services/proxy")),
        ("GET", "/apis/seedsweep.io/v1alpha1/seedsweeps", ("list", "seedsweeps")),
        ("PUT", "/apis/seedsweep.io/v1alpha1/namespaces/team/seedsweeps/demo/status", ("update", "seedsweeps/status")),
        ("GET", "/apis/seedsweep.io/v1alpha1", ("list", "apis")),
    ],
)
def test_a_request_has_the_verb_and_resource_that_a_role_names(method: str, path: str, kind: tuple[str, str]):
    assert kind_of(method, path) == kind
