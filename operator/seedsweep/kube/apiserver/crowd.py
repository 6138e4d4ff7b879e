"""Thousands of requests that are wanted at once: begun in their order, no more at a time than the API server takes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from seedsweep.kube.apiserver.client import MAX_AT_ONCE

Item = TypeVar("Item")
Answer = TypeVar("Answer")


async def for_each(items: Iterable[Item], act: Callable[[Item], Awaitable[Answer]]) -> list[Answer]:
    """What acting on each comes to, in the order of the items.

    A task for each would take its first step in one turn of the event loop, in which nothing else happens: of 10,000
    pods, all manifests would be made in that turn, and be held until their requests are sent.
    """
    waiting = list(items)
    answers: dict[int, Answer] = {}
    places = iter(range(len(waiting)))

    async def work() -> None:
        for place in places:
            answers[place] = await act(waiting[place])
            # Where nothing was waited for, such as behind a closed gate, others still get their turn.
            await asyncio.sleep(0)

    await asyncio.gather(*(work() for _ in range(min(MAX_AT_ONCE, len(waiting)))))
    return [answers[place] for place in range(len(waiting))]
