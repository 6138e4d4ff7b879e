"""Turns of requests: bounded, in order, and never all of them one namespace's."""

import asyncio
from contextlib import suppress

import pytest

from seedsweep.kube.apiserver.client import namespace_of
from seedsweep.kube.apiserver.turns import Turns


class Requests:
    """Requests that each last until they are told to end."""

    def __init__(self, turns: Turns) -> None:
        self.under_way: list[str] = []
        self._turns = turns
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._end: dict[str, asyncio.Event] = {}

    async def begin(self, *names: str) -> None:
        """Such as team/1: the namespace comes first."""
        for name in names:
            self._end[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._request(name))
        await self._settle()

    async def end(self, name: str) -> None:
        self._end[name].set()
        await self._settle()

    async def cancel(self, *names: str) -> None:
        for name in names:
            self._tasks[name].cancel()
        await self._settle()

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        for task in self._tasks.values():
            with suppress(asyncio.CancelledError):
                await task

    async def _settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _request(self, name: str) -> None:
        async with self._turns.of(name.partition("/")[0]):
            self.under_way.append(name)
            try:
                await self._end[name].wait()
            finally:
                self.under_way.remove(name)


async def test_requests_are_bounded_and_go_in_the_order_in_which_they_came():
    requests = Requests(Turns(3, 1))
    await requests.begin("a/1", "a/2", "a/3", "a/4")
    assert requests.under_way == ["a/1", "a/2"]
    await requests.end("a/1")
    assert requests.under_way == ["a/2", "a/3"]
    await requests.close()


async def test_requests_that_never_end_delay_no_other_namespace():
    requests = Requests(Turns(4, 1))
    await requests.begin(*(f"slow/{i}" for i in range(20)), "quick/1")
    assert requests.under_way[-1] == "quick/1"
    await requests.end("quick/1")
    await requests.begin("/cluster", "quick/2")
    assert "/cluster" in requests.under_way
    await requests.end("/cluster")
    assert "quick/2" in requests.under_way
    await requests.close()


async def test_a_place_is_given_back_by_who_fails_or_is_cancelled_whenever_that_is():
    turns = Turns(2, 1)
    requests = Requests(turns)
    await requests.begin("a/1", "a/2", "a/3", "a/4")
    await requests.cancel("a/2")
    await requests.end("a/1")
    assert requests.under_way == ["a/3"], "one that was cancelled as it waited takes no place"
    await requests.cancel("a/3")
    assert requests.under_way == ["a/4"]
    with pytest.raises(ZeroDivisionError):
        async with turns.of("b"):
            raise ZeroDivisionError
    await requests.begin("b/1")
    assert requests.under_way == ["a/4", "b/1"]
    await requests.close()


async def test_who_is_cancelled_as_it_gets_its_place_gives_it_back():
    turns = Turns(1, 0)
    requests = Requests(turns)
    async with turns.of("a"):
        await requests.begin("a/1")
    await requests.cancel("a/1")
    await requests.begin("a/2")
    assert requests.under_way == ["a/2"]
    await requests.close()


@pytest.mark.parametrize(
    ("path", "namespace"),
    [
        ("/api/v1/namespaces/team/pods", "team"),
        ("/api/v1/namespaces/team/pods/demo?x=y", "team"),
        ("/apis/seedsweep.io/v1alpha1/namespaces/team/seedsweeps/demo/status", "team"),
        ("/api/v1/namespaces/team", ""),
        ("/api/v1/namespaces", ""),
        ("/apis/seedsweep.io/v1alpha1/seedsweeps", ""),
        ("/version", ""),
    ],
)
def test_a_request_is_in_the_namespace_that_its_path_names(path: str, namespace: str):
    assert namespace_of(path) == namespace
