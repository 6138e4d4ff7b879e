"""A sweep as its loop sees it, watched from afar: what was sent arrives, and anything else is one error."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.garbage import DEEP, JSON, Path, altered
from seedsweep.api.cut import CutData
from seedsweep.api.episode import Attempt, EndReason, EpisodeId, EpisodeStatus, Interruption
from seedsweep.api.status import SweepStatus
from seedsweep.engine.observation import Ending, HandOverOutcome, Observation, Reading, Refusal, SeenAttempt
from seedsweep.observation_json import dump_observation, load_observation

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
EPISODE = EpisodeId(3, 7)
CUT = CutData(
    sweep="demo",
    bracket=0,
    rung=0,
    evaluation=3,
    keep=1,
    rank_by="best",
    ranked=[EPISODE.name],
    scores=[0.5],
)
READING = Reading(scores=(0.5, None), losses=(1.5, None), evaluations_planned=10, steps_done=20, steps_planned=100)
LIVE = SeenAttempt(
    episode=EPISODE,
    uid="u1",
    created=NOW,
    bound=NOW,
    trouble="its metrics cannot be used: x",
    trouble_kind="MetricsUnusable",
    reading=READING,
    progressed=NOW,
    held=timedelta(seconds=5),
    unusable="the score is 1.5",
)
OVER = replace(LIVE, uid="u0", ending=Ending(EndReason.INTERRUPTED, NOW, 143, "evicted", Interruption.EVICTED))
SEEN = Observation(
    status=SweepStatus(phase="Running", evaluations=10),
    episodes={EPISODE: EpisodeStatus(attempts=[Attempt(uid="u1")], scores=[0.5, None])},
    cuts={(0, 0): CUT},
    attempts=[LIVE, OVER],
    refused={EPISODE: Refusal("QuotaExceeded", "no room", NOW)},
    parallelism=4,
    generation=2,
    hand_over=HandOverOutcome(EPISODE.name, "/w"),
)
SENT = json.loads(dump_observation(SEEN, NOW))


def test_what_was_sent_arrives():
    assert load_observation(dump_observation(SEEN, NOW)) == (SEEN, NOW)


def assert_value_or_value_error(data: bytes) -> None:
    try:
        seen, at = load_observation(data)
    except ValueError:
        return
    times = [at, *(refusal.until for refusal in seen.refused.values()), *(a.created for a in seen.attempts)]
    assert all(time.tzinfo is not None for time in times)
    dump_observation(seen, at)


@given(altered(SENT))
def test_an_observation_of_which_any_part_is_nonsense_is_one_or_an_error(found: tuple[Path, Any]):
    assert_value_or_value_error(json.dumps(found[1]).encode())


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_observation_or_an_error(data: bytes):
    assert_value_or_value_error(data)


@pytest.mark.parametrize("data", [b"", b"5", b"null", DEEP.encode(), b"\xff", b'{"at": ' + b"9" * 5_000 + b"}"])
def test_what_is_no_observation_is_an_error(data: bytes):
    with pytest.raises(ValueError, match=r"validation error"):
        load_observation(data)


@pytest.mark.parametrize("where", [("at",), ("attempts", 0, "created"), ("attempts", 1, "ending", "at")])
def test_a_time_without_its_zone_is_an_error(where: Path):
    found = json.loads(json.dumps(SENT))
    place = found
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = "2026-05-04T12:00:00"
    with pytest.raises(ValueError, match="without its zone"):
        load_observation(json.dumps(found).encode())
