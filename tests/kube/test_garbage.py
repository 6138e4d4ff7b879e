"""Collections of garbage stay short: what has survived one is not looked through again."""

import gc

import pytest

from seedsweep.kube.process.garbage import MORE_OBJECTS, look_through_all, short_collections


class Cycle:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


def cycles() -> int:
    return sum(type(found) is Cycle for found in gc.get_objects())


def test_what_has_survived_a_whole_collection_is_not_looked_through_again():
    with short_collections():
        held = [Cycle() for _ in range(100)]
        assert cycles() == 100
        gc.collect()
        assert cycles() == 0
        del held


def test_new_garbage_is_found():
    with short_collections():
        Cycle()
        gc.collect()
        gc.unfreeze()
        assert cycles() == 0


def test_once_nobody_waits_all_is_looked_through_again():
    with short_collections():
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
    with short_collections():
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
    with short_collections():
        held = [Cycle() for _ in range(100)]
        gc.collect()
        del held
        more: list[list[int]] = [[] for _ in range(MORE_OBJECTS // 2)]
        gc.collect()
        gc.collect()
        gc.unfreeze()
        assert cycles() == 100
        del more


def test_at_its_end_the_collector_is_as_it_was():
    before = gc.get_threshold(), len(gc.callbacks)
    with short_collections():
        pass
    assert (gc.get_threshold(), len(gc.callbacks)) == before
    assert gc.get_freeze_count() == 0
