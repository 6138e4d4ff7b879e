"""Which of the operator's tests have their own time, and how soon a sweep is compared with lists."""

import asyncio
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic

import pytest

from kube.simulated_time import SimulatedLoop
from seedsweep.kube.housekeeping.cleanups import CleanUps
from seedsweep.kube.sweeps import fleet, lists
from seedsweep.kube.sweeps.expiry import Expiry


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A loop with a time of its own for what is marked so."""
    return {"simulated": SimulatedLoop} if _is_marked(item) else {"real": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def _one_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on such a loop measures by its time."""
    if not (_is_marked(request.node) and inspect.iscoroutinefunction(request.function)):
        return
    for name, module in list(sys.modules.items()):
        if name.startswith("seedsweep.kube.") and getattr(module, "monotonic", None) is monotonic:
            monkeypatch.setattr(module, "monotonic", _time_of_the_loop)
    for made in (CleanUps, Expiry):
        monkeypatch.setattr(fleet, made.__name__, partial(made, steady=_time_of_the_loop))


@pytest.fixture
def short_relists(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nothing has shown for half a second is looked for."""
    monkeypatch.setattr(lists, "GONE_WITHIN_SECONDS", 0.5)


def _is_marked(item: pytest.Item) -> bool:
    return item.get_closest_marker("simulated_time") is not None


def _time_of_the_loop() -> float:
    return asyncio.get_running_loop().time()
