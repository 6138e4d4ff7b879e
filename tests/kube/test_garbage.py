"""Collections of garbage stay short: what has survived one is not looked through again."""

import gc

from seedsweep.kube.process.garbage import look_through_all, short_collections


class Cycle:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


def cycles() -> int:
    return sum(isinstance(found, Cycle) for found in gc.get_objects())


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


def test_at_its_end_the_collector_is_as_it_was():
    before = gc.get_threshold(), len(gc.callbacks)
    with short_collections():
        pass
    assert (gc.get_threshold(), len(gc.callbacks)) == before
    assert gc.get_freeze_count() == 0
