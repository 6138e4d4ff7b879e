from hypothesis import given
from hypothesis import strategies as st

from seedsweep.kube.watching.freshness import Freshness


def test_what_two_lists_show_and_a_watch_never_does_is_overdue() -> None:
    fresh = Freshness(patience=30)
    fresh.listed("a", 7, now=100)
    fresh.listed("a", 7, now=130)
    assert fresh.overdue() == 0
    fresh.listed("a", 9, now=131)
    assert fresh.overdue() == 1


def test_while_the_api_server_is_away_no_watch_is_blamed() -> None:
    fresh = Freshness(patience=30)
    fresh.listed("a", 7, now=100)
    # No list after that, however long.
    assert fresh.owes
    assert fresh.overdue() == 0


def test_an_older_version_from_the_watch_does_not_settle_what_is_owed() -> None:
    fresh = Freshness(patience=30)
    fresh.listed("a", 7, now=100)
    fresh.showed("a", 6)
    fresh.listed("a", 7, now=200)
    assert fresh.overdue() == 1
    fresh.showed("a", 7)
    assert fresh.overdue() == 0
    assert not fresh.owes


def test_what_was_deleted_is_owed_no_more() -> None:
    for end in (Freshness.showed_end, Freshness.not_listed):
        fresh = Freshness(patience=30)
        fresh.listed("a", 7, now=100)
        fresh.listed("a", 7, now=200)
        end(fresh, "a")
        assert fresh.overdue() == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=30))
def test_a_watch_that_shows_all_that_lists_show_owes_nothing(listed: list[tuple[str, int]]) -> None:
    fresh = Freshness(patience=0)
    for now, (uid, version) in enumerate(listed):
        fresh.listed(uid, version, float(now))
        fresh.showed(uid, version)
    assert fresh.overdue() == 0
