"""Collections of garbage stay short: what has survived one is not looked through again."""

import gc
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from seedsweep.kube.process.garbage import MORE_OBJECTS, look_through_all, short_collections

BYTES_OF_AN_OBJECT = 600
"""Of an operator's memory for each object that the collector knows, with the texts and numbers that it holds."""


class Cycle:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


def cycles() -> int:
    return sum(type(found) is Cycle for found in gc.get_objects())


def test_what_has_survived_a_whole_collection_is_not_looked_through_again():
    with short_collections(lambda: 0):
        held = [Cycle() for _ in range(100)]
        assert cycles() == 100
        gc.collect()
        assert cycles() == 0
        del held


def test_new_garbage_is_found():
    with short_collections(lambda: 0):
        Cycle()
        gc.collect()
        gc.unfreeze()
        assert cycles() == 0


def test_once_nobody_waits_all_is_looked_through_again():
    with short_collections(lambda: 0):
        held = [Cycle() for _ in range(100)]
        gc.collect()
        del held
        look_through_all()
        assert cycles() == 100
        gc.collect()
        gc.unfreeze()
        assert cycles() == 0


@pytest.mark.parametrize("lived", [1, 3])
def test_what_became_garbage_after_it_had_survived_is_found_once_much_more_has(lived: int):
    """`lived`: how often as much survived before, so that the share counts and not the number alone."""
    with short_collections(lambda: 0):
        for _ in range(lived):
            held = [Cycle() for _ in range(100)]
            gc.collect()
            del held
            more: list[list[int]] = [[] for _ in range(gc.get_freeze_count() // 4 + MORE_OBJECTS + 1_000)]
            gc.collect()
            # By now it has grown by so much.
            gc.collect()
            gc.unfreeze()
            assert cycles() == 0
            gc.collect()
            del more


def test_what_has_survived_is_left_alone_while_little_more_has():
    with short_collections(lambda: 0):
        held = [Cycle() for _ in range(100)]
        gc.collect()
        del held
        more: list[list[int]] = [[] for _ in range(MORE_OBJECTS // 2)]
        gc.collect()
        gc.collect()
        gc.unfreeze()
        assert cycles() == 100
        del more


@pytest.mark.parametrize(("episodes", "left"), [(0, 0), (10_000, 100)])
def test_what_the_episodes_under_way_account_for_is_not_taken_for_garbage(episodes: int, left: int):
    under_way = [0]
    with short_collections(lambda: under_way[0]):
        under_way[0] = episodes
        held = [Cycle() for _ in range(100)]
        gc.collect()
        del held
        more: list[list[int]] = [[] for _ in range(gc.get_freeze_count() // 4 + MORE_OBJECTS + 1_000)]
        gc.collect()
        gc.collect()
        gc.unfreeze()
        assert cycles() == left
        del more


def test_garbage_that_may_be_left_has_room_below_the_operators_limit_of_memory():
    chart = Path(__file__).parents[2] / "charts" / "seedsweep" / "values.yaml"
    limit = YAML(typ="safe").load(chart.read_text())["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Mi")) * 2**20 / 2 > MORE_OBJECTS * BYTES_OF_AN_OBJECT


def test_at_its_end_the_collector_is_as_it_was():
    before = gc.get_threshold(), len(gc.callbacks)
    with short_collections(lambda: 0):
        pass
    assert (gc.get_threshold(), len(gc.callbacks)) == before
    assert gc.get_freeze_count() == 0
