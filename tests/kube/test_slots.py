"""Slots for scrapes: bounded in all, shared out in turn, and never all of them one sweep's."""

from hypothesis import given
from hypothesis import strategies as st

from seedsweep.kube.process.slots import Slots

Item = tuple[str, int]


def waiting(slots: Slots[Item], sweep: str, items: int) -> None:
    for i in range(items):
        slots.wait(sweep, (sweep, i))


def test_one_sweep_alone_gets_all_but_what_is_kept_for_newcomers():
    slots: Slots[Item] = Slots(8, 2)
    waiting(slots, "a", 20)
    assert list(slots.take()) == [("a", i) for i in range(6)]


def test_a_newcomer_begins_at_once_although_another_holds_all_it_may():
    slots: Slots[Item] = Slots(8, 2)
    waiting(slots, "hostile", 20)
    list(slots.take())
    for newcomer in ("a", "b"):
        waiting(slots, newcomer, 3)
        assert list(slots.take()) == [(newcomer, 0)]


def test_what_is_given_back_goes_to_the_sweeps_in_turn_and_not_to_one_above_its_share():
    slots: Slots[Item] = Slots(8, 2)
    waiting(slots, "hostile", 20)
    list(slots.take())
    waiting(slots, "a", 20)
    waiting(slots, "b", 20)
    assert [sweep for sweep, _ in slots.take()] == ["a", "b"]
    begun = []
    for _ in range(4):
        slots.release("hostile")
        begun += [sweep for sweep, _ in slots.take()]
    # A third of eight each.
    assert begun == ["a", "b"]


def test_a_sweep_that_has_nothing_left_leaves_its_share_to_the_others():
    slots: Slots[Item] = Slots(8, 2)
    waiting(slots, "a", 20)
    waiting(slots, "b", 1)
    taken = list(slots.take())
    assert [sweep for sweep, _ in taken].count("a") == 4
    slots.release("b")
    assert [sweep for sweep, _ in slots.take()] == ["a", "a"]


Step = tuple[str, bool]
steps = st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=200)


@given(steps, st.integers(1, 8), st.integers(0, 3))
def test_whatever_comes_and_goes_the_bounds_hold_and_no_sweep_without_a_slot_waits_for_a_free_one(
    course: list[Step], total: int, for_newcomers: int
):
    slots: Slots[Item] = Slots(total, for_newcomers)
    left, held = dict.fromkeys("abcdef", 0), dict.fromkeys("abcdef", 0)
    for i, (sweep, comes) in enumerate(course):
        if comes:
            slots.wait(sweep, (sweep, i))
            left[sweep] += 1
        elif held[sweep]:
            slots.release(sweep)
            held[sweep] -= 1
        for taken, _ in slots.take():
            left[taken] -= 1
            held[taken] += 1
        assert sum(held.values()) <= total
        assert max(held.values()) <= max(1, total - for_newcomers)
        starving = [name for name in left if left[name] and not held[name]]
        assert not starving or sum(held.values()) == total
    while any(held.values()):
        sweep = next(name for name in held if held[name])
        slots.release(sweep)
        held[sweep] -= 1
        for taken, _ in slots.take():
            left[taken] -= 1
            held[taken] += 1
    assert not any(left.values()), "everything that waits begins in the end"
