"""Whose word for the live view is on record: the newest operator's at once, and two take long turns."""

from datetime import UTC, datetime, timedelta

import pytest

from kube.fake_api import SWEEPS, UID, FakeCluster, body_of, settle, until
from seedsweep.kube.process.live_key import GIVES_WAY, RecordedKey, live_key
from seedsweep.kube.sweeps import world

pytestmark = pytest.mark.simulated_time

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def writes(operators: list[RecordedKey], seconds: int, every: int = 10) -> list[str]:
    """The words that come to be on record, one after another, where all operators look every so many seconds."""
    found: list[str] = []
    for second in range(0, seconds, every):
        for operator in operators:
            key = operator.choose(found[-1] if found else None, NOW + timedelta(seconds=second))
            if not found or found[-1] != key:
                found.append(key)
                operator.note_written(key)
    return found


def test_one_operator_writes_its_word_once():
    assert writes([RecordedKey("a")], 3600) == ["a"]


def test_two_operators_let_each_others_word_stand_for_a_while():
    found = writes([RecordedKey("a"), RecordedKey("b")], 3600)
    assert found[:2] == ["a", "b"]
    assert len(found) <= 2 + 3600 / GIVES_WAY.total_seconds()


def test_an_operator_that_begins_puts_its_word_on_record_at_once_and_the_one_that_stays_gets_it_back():
    stays, begins = RecordedKey("a"), RecordedKey("b")
    stays.note_written("a")
    assert begins.choose("a", NOW) == "b"
    assert begins.choose("a", NOW) == "b", "until it stands there"
    assert stays.choose("b", NOW) == "b"
    assert stays.choose("b", NOW + GIVES_WAY) == "a"


async def test_a_new_operators_word_is_on_record_within_seconds_and_anothers_is_not_written_over_at_once(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(world, "STATUS_PAUSE", timedelta(seconds=0.1))
    async with FakeCluster(relist_seconds=0.5) as cluster:
        api, path = cluster.api, f"{SWEEPS}/demo"
        body = body_of(parallelism=1, suspend=True)
        body["status"] = {"liveKey": "of-the-one-before"}
        cluster.apply(body)
        await until(lambda: api.status("demo").get("liveKey") == live_key(UID))
        await settle()
        cluster.sweeps.saw_sweep(api.edit(path, lambda found: found["status"].update(liveKey="other")), deleted=False)
        written = api.count("PUT", path)
        await settle(seconds=2)
        assert api.status("demo")["liveKey"] == "other"
        assert api.count("PUT", path) == written
