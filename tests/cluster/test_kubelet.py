"""What goes wrong with the simulator itself is seen at once."""

import asyncio

import pytest

from cluster.simulator.kubelet import Kubelet, running


class Broken(Kubelet):
    def __init__(self) -> None: ...

    async def run(self) -> None:
        raise OSError("address already in use")


async def test_broken_kubelet_ends_what_relies_on_it() -> None:
    with pytest.raises(OSError, match="address already in use"):
        async with running(Broken()):
            await asyncio.Event().wait()


async def test_error_of_the_test_itself_is_raised_as_it_is() -> None:
    class Idle(Broken):
        async def run(self) -> None:
            await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="mine"):
        async with running(Idle()):
            raise AssertionError("mine")
