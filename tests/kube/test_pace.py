"""How long a sweep waits between two turns follows from its size, its last plan and what stands against it."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from inputs.pod_sweeps import sweep_with
from seedsweep.engine.layout import Layout
from seedsweep.kube.sweeps.pace import MAX_SLEEP_SECONDS, PAUSE_SECONDS, RETRY_SECONDS, longest_sleep, pause

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def world(*, tries_again: datetime | None = None, **stands: bool) -> Any:
    flags = {"unfinished": False, "held_back": False, "behind": False, **stands}
    return SimpleNamespace(tries_again_at=lambda moment: tries_again, **flags)


def layout(episodes: int) -> Layout:
    grid = {"weightInits": {"count": episodes // 100}, "dataOrders": {"count": 100}}
    return Layout.of(sweep_with({"spec.seeds": {"grid": grid}}))


def test_a_large_sweep_takes_its_news_in_together():
    assert pause(layout(100), MINUTE, world()) == PAUSE_SECONDS
    assert pause(layout(10_000), MINUTE, world()) == 2.5


def test_what_was_more_than_one_turn_takes_in_does_not_wait_for_more():
    assert pause(layout(10_000), timedelta(0), world()) == PAUSE_SECONDS
    assert pause(layout(10_000), MINUTE, world(unfinished=True)) == PAUSE_SECONDS


@pytest.mark.parametrize(
    ("stands", "wait", "until_list", "seconds"),
    [
        (world(), None, 300.0, MAX_SLEEP_SECONDS),
        (world(), timedelta(seconds=7), 300.0, 7.0),
        (world(), timedelta(seconds=7), 3.0, 3.0),
        (world(), timedelta(seconds=7), -3.0, 0.0),
        (world(tries_again=NOW + timedelta(seconds=2)), timedelta(seconds=7), 300.0, 2.0),
        (world(behind=True), timedelta(seconds=7), 300.0, RETRY_SECONDS),
        (world(unfinished=True), timedelta(0), 300.0, 0.0),
        # To plan the same at once would be refused as well.
        (world(held_back=True), timedelta(0), 300.0, RETRY_SECONDS),
    ],
)
def test_the_next_turn_comes_without_news_when_the_first_thing_is_due(
    stands: Any, wait: timedelta | None, until_list: float, seconds: float
):
    assert longest_sleep(stands, wait, until_list, NOW) == seconds
