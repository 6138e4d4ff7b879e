"""What becomes an Event, and under which name."""

from datetime import UTC, datetime, timedelta

from seedsweep.api.episode import EpisodeId
from seedsweep.engine.decisions import Event
from seedsweep.kube.events import FEW, MAX_MESSAGE, event_body, gathered
from seedsweep.kube.home import Home

HOME = Home("ns", "demo", "uid-1")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILED = Event("Failed", "BadConfiguration: no such file", kind="Warning")


def of_episodes(number: int, reason: str = "Failed") -> list[Event]:
    return [Event(reason, "what happened", EpisodeId(0, i), "Warning") for i in range(number)]


def test_a_few_events_are_told_one_by_one_and_many_as_one_that_names_their_episodes():
    assert gathered(of_episodes(FEW)) == of_episodes(FEW)
    (told,) = gathered(of_episodes(FEW + 1))
    assert told.message == "6 episodes: " + ", ".join(f"wi0-do{i}" for i in range(6))


def test_what_is_told_of_the_sweep_is_not_lost_among_its_episodes():
    assert FAILED in gathered([*of_episodes(FEW + 1), FAILED])


def test_the_end_of_a_sweep_has_one_name_however_often_it_is_told():
    names = {event_body(HOME, FAILED, NOW + timedelta(minutes=i))["metadata"]["name"] for i in range(2)}
    assert len(names) == 1
    other = event_body(Home("ns", "demo", "uid-2"), FAILED, NOW)["metadata"]["name"]
    gathering = event_body(HOME, gathered(of_episodes(FEW + 1))[0], NOW)["metadata"]["name"]
    assert not names & {other, gathering}


def test_all_other_events_may_come_again():
    for event in (Event("Suspended", "SuspendRequested"), *of_episodes(1)):
        assert event_body(HOME, event, NOW)["metadata"]["generateName"] == "demo."


def test_a_message_has_its_bounds():
    assert len(event_body(HOME, Event("CutMade", "x" * 5000), NOW)["message"]) == MAX_MESSAGE
