"""How many Event objects are written of many events, and under which names."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from seedsweep.api.episode import EpisodeId
from seedsweep.engine.decisions import Event
from seedsweep.kube.events.aggregation import (
    FEW,
    LIFE_SECONDS,
    MAX_MESSAGE,
    MAX_WINDOW_SECONDS,
    QUIET_SECONDS,
    WINDOW_SECONDS,
    Aggregation,
    Posting,
    event_name,
)
from seedsweep.kube.objects.home import Home

HOME = Home("ns", "demo", "uid-1")
START = datetime(2026, 1, 1, tzinfo=UTC)
FAILED = Event("Failed", "BadConfiguration: no such file", kind="Warning")


def started(index: int, reason: str = "Started", attempt: str = "") -> Event:
    episode = EpisodeId(0, index)
    return Event(reason, f"attempt of {episode.name} started", episode, key=attempt or f"pod-{index}")


def failed(index: int) -> Event:
    return replace(started(index, "AttemptFailed"), kind="Warning")


def stalled(reason: str, message: str, since: str = "") -> Event:
    return Event("Stalled", f"{reason}: {message}", kind="Warning", key=since)


class Teller:
    """An aggregation with the time, and all that it gave out."""

    def __init__(self) -> None:
        self.aggregation = Aggregation()
        self.now = 0.0
        self.posted: list[Posting] = []

    def tell(self, *events: Event, home: Home = HOME) -> None:
        for event in events:
            self.aggregation.add(home, event, START + timedelta(seconds=self.now), self.now)
        self.posted += self.aggregation.take(self.now)

    def wait(self, seconds: float) -> None:
        """Look exactly when something is due, as the recorder does."""
        end = self.now + seconds
        while (due := self.aggregation.due) <= end:
            self.now = max(self.now, due)
            self.posted += self.aggregation.take(self.now)
        self.now = end

    @property
    def objects(self) -> dict[str, Posting]:
        """The newest state of every Event object."""
        return {posting.name: posting for posting in self.posted}


def test_300_episodes_that_start_one_after_another_make_a_handful_of_event_objects_and_few_writes() -> None:
    for gap in (0.5, 2.0, 9.0):
        teller = Teller()
        for index in range(300):
            teller.tell(started(index))
            teller.wait(gap)
        teller.wait(MAX_WINDOW_SECONDS)
        assert len(teller.objects) <= FEW + 1
        assert sum(posting.count for posting in teller.objects.values()) == 300
        assert len(teller.posted) <= FEW + 20


def test_episodes_that_start_together_are_told_as_one_event_that_names_them() -> None:
    teller = Teller()
    teller.tell(*map(started, range(FEW + 1)))
    assert not teller.posted
    teller.wait(WINDOW_SECONDS)
    [posting] = teller.posted
    assert posting.event.message == "6 episodes: " + ", ".join(f"wi0-do{i}" for i in range(6))
    assert posting.count == 6


def test_a_few_episodes_are_told_one_by_one_each_under_a_name_of_its_own() -> None:
    teller = Teller()
    teller.tell(*map(started, range(FEW)))
    teller.wait(WINDOW_SECONDS)
    assert [posting.event for posting in teller.posted] == [started(index) for index in range(FEW)]
    assert len(teller.objects) == FEW


def test_the_first_few_failures_are_told_at_once() -> None:
    teller = Teller()
    for index in range(FEW):
        teller.tell(failed(index))
        assert len(teller.posted) == index + 1
    teller.tell(failed(FEW))
    assert len(teller.posted) == FEW
    teller.wait(WINDOW_SECONDS)
    assert len(teller.posted) == FEW + 1


def test_after_a_quiet_time_episodes_are_told_one_by_one_again() -> None:
    teller = Teller()
    teller.tell(*map(started, range(100)))
    teller.wait(WINDOW_SECONDS + QUIET_SECONDS + 1)
    teller.tell(started(7, attempt="second"))
    teller.wait(WINDOW_SECONDS)
    assert teller.posted[-1].event.message == started(7).message
    assert teller.posted[-1].name != teller.posted[0].name


def test_what_is_told_of_the_sweep_is_told_at_once_and_not_lost_among_its_episodes() -> None:
    teller = Teller()
    teller.tell(*(replace(failed(index), reason="Failed") for index in range(FEW + 1)), FAILED)
    assert FAILED in [posting.event for posting in teller.posted]


def test_a_sweep_that_stalls_again_and_again_for_one_reason_has_one_event_whose_count_grows() -> None:
    teller = Teller()
    for turn in range(500):
        teller.tell(stalled("QuotaExceeded", f'pods "demo-{turn}" is forbidden', since=str(turn)))
        teller.wait(1)
    teller.wait(MAX_WINDOW_SECONDS)
    [(_, last)] = teller.objects.items()
    assert last.count == 500
    assert last.event.message.endswith('"demo-499" is forbidden')
    assert last.first == START
    assert last.last == START + timedelta(seconds=499)
    assert [posting.exists for posting in teller.posted] == [False, *[True] * (len(teller.posted) - 1)]
    assert len(teller.posted) < 12


def test_a_status_that_is_refused_again_and_again_has_one_event_though_each_refusal_has_the_time_in_it() -> None:
    teller = Teller()
    for second in range(10, 60):
        expired = f"failed calling webhook: certificate has expired: current time 2026-01-01T00:00:{second}Z"
        teller.tell(Event("StatusNotWritten", f"ApiServerUnavailable: {expired}", kind="Warning"))
        teller.wait(10)
    teller.wait(MAX_WINDOW_SECONDS)
    [(_, last)] = teller.objects.items()
    assert last.count == 50


def test_a_sweep_that_stalls_for_another_reason_says_so_at_once() -> None:
    teller = Teller()
    teller.tell(stalled("QuotaExceeded", "pods=8", since="1"))
    teller.tell(stalled("Forbidden", "no right", since="1"))
    assert [posting.event.message for posting in teller.posted] == ["QuotaExceeded: pods=8", "Forbidden: no right"]
    assert len(teller.objects) == 2


def test_the_same_occurrence_is_told_once_however_often_it_comes() -> None:
    teller = Teller()
    for _ in range(3):
        teller.tell(replace(FAILED, key="2026-01-01"))
        teller.wait(60)
    assert [posting.count for posting in teller.posted] == [1]


def test_an_occurrence_has_the_same_name_whichever_operator_tells_it_and_another_one_has_another() -> None:
    first, second = Teller(), Teller()
    for teller in (first, second):
        teller.tell(replace(FAILED, key="2026-01-01"))
    assert first.objects.keys() == second.objects.keys()
    others = {
        event_name(HOME, replace(FAILED, key="2026-01-02")),
        event_name(HOME, replace(FAILED, message="another")),
        event_name(Home("ns", "demo", "uid-2"), replace(FAILED, key="2026-01-01")),
    }
    assert len(others | first.objects.keys()) == 4


def test_what_an_earlier_operator_has_told_is_not_for_the_log() -> None:
    aggregation = Aggregation()
    aggregation.add(HOME, FAILED, START, 0.0, again=True)
    assert [posting.logged for posting in aggregation.take(0.0)] == [False]
    aggregation.add(HOME, Event("CutMade", "kept 3 of 8"), START, 0.0)
    assert [posting.logged for posting in aggregation.take(0.0)] == [True]


def test_no_sweep_counts_anothers_events() -> None:
    teller = Teller()
    for index in range(20):
        teller.tell(stalled("Forbidden", "no right"), home=Home("ns", f"demo-{index}", f"uid-{index}"))
    assert Counter(posting.count for posting in teller.posted) == {1: 20}


def test_a_message_that_names_episodes_has_its_bounds_and_says_how_many_are_left_out() -> None:
    teller = Teller()
    teller.tell(*(started(10**9 + index) for index in range(5000)))
    teller.wait(WINDOW_SECONDS)
    [posting] = teller.posted
    assert len(posting.event.message) <= MAX_MESSAGE
    assert posting.count == 5000
    named = posting.event.message.count("wi0-")
    assert posting.event.message.endswith(f"and {5000 - named} more")


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.floats(0, 700)), max_size=60))
def test_every_event_is_counted_once_and_nothing_waits_longer_than_its_window(
    told: list[tuple[int, bool, float]],
) -> None:
    teller = Teller()
    for number, (index, bad, gap) in enumerate(told):
        event = failed(index) if bad else started(index)
        teller.tell(replace(event, key=str(number)))
        assert teller.aggregation.due > teller.now
        teller.wait(gap)
    teller.wait(LIFE_SECONDS)
    assert not told or len(teller.posted) > 0
    first_writes = [posting for posting in teller.posted if not posting.exists]
    assert sum(teller.objects[posting.name].count for posting in first_writes) == len(told)
