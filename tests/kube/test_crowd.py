"""Thousands of requests at once: bounded, in their order, and without holding the event loop."""

import asyncio

import pytest

from seedsweep.kube.apiserver.client import MAX_AT_ONCE
from seedsweep.kube.apiserver.crowd import for_each

MANY = 20 * MAX_AT_ONCE


async def test_many_requests_begin_in_their_order_and_no_more_at_a_time_than_the_api_server_takes():
    begun: list[int] = []
    under_way, most = 0, 0

    async def act(item: int) -> int:
        nonlocal under_way, most
        begun.append(item)
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return -item

    assert await for_each(range(MANY), act) == [-item for item in range(MANY)]
    assert begun == list(range(MANY))
    assert most == MAX_AT_ONCE


async def test_others_get_their_turn_between_requests_that_are_refused_at_once():
    done_before_the_other = []

    async def refused(item: int) -> None:
        done.append(item)

    async def other() -> None:
        done_before_the_other.append(len(done))

    done: list[int] = []
    refusing = asyncio.ensure_future(for_each(range(MANY), refused))
    await asyncio.sleep(0)
    await asyncio.create_task(other())
    await refusing
    assert done_before_the_other[0] <= 2 * MAX_AT_ONCE


async def test_an_error_reaches_who_asked():
    async def act(item: int) -> None:
        if item == 3:
            raise LookupError(item)

    with pytest.raises(LookupError):
        await for_each(range(MANY), act)


async def test_nothing_to_do_is_done():
    async def act(item: int) -> None:
        raise AssertionError(item)

    assert await for_each([], act) == []
