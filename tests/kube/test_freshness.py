from hypothesis import given
from hypothesis import strategies as st

from seedsweep.kube.freshness import Freshness


def test_what_a_list_shows_and_a_watch_never_does_is_overdue_once_patience_is_over() -> None:
    fresh = Freshness(patience=30)
    fresh.listed("a", 7, now=100)
    assert fresh.overdue(now=130) == 0
    assert fresh.overdue(now=131) == 1


def test_a_list_that_shows_it_again_does_not_start_the_clock_anew() -> None:
    fresh = Freshness(patience=30)
    fresh.listed("a", 7, now=100)
    fresh.listed("a", 9, now=125)
    assert fresh.overdue(now=131) == 1


def test_an_older_version_from_the_watch_does_not_settle_what_is_owed() -> None:
    fresh = Freshness(patience=30)
    fresh.listed("a", 7, now=100)
    fresh.showed("a", 6)
    assert fresh.overdue(now=200) == 1
    fresh.showed("a", 7)
    assert fresh.overdue(now=200) == 0


def test_what_was_deleted_is_owed_no_more() -> None:
    fresh = Freshness(patience=30)
    fresh.listed("a", 7, now=100)
    fresh.showed_end("a")
    assert fresh.overdue(now=200) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=30))
def test_a_watch_that_shows_all_that_lists_show_owes_nothing(listed: list[tuple[str, int]]) -> None:
    fresh = Freshness(patience=0)
    for now, (uid, version) in enumerate(listed):
        fresh.listed(uid, version, float(now))
        fresh.showed(uid, version)
    assert fresh.overdue(now=1e9) == 0
