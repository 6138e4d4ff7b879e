"""Whatever trainers, nodes and API servers say, what goes on record keeps to the bounds of its schema."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.situations import Planned, ended, entry, episode, look, on_record, running, study
from engine.trainees import moment
from inputs.largest import refused
from seedsweep.api.core.objects import Condition
from seedsweep.api.cut import Cut
from seedsweep.api.episode import EndReason, Episode, EpisodeStatus, StopReason
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.observation import Housekeeping, Refusal, SeenAttempt

WORDS = 'w\0<"\u2028é\ud800' * 5_000
ONE, TWO = study(1, (3, 1), backoffLimitPerEpisode=0), study(2, (3, 1), backoffLimitPerEpisode=0)
FAILED = [EndReason.FAILED, EndReason.OUT_OF_MEMORY, EndReason.BAD_CONFIGURATION]


def wordy(attempt: SeenAttempt) -> SeenAttempt:
    return replace(attempt, node="n", device=WORDS, image=WORDS)


def refused_status(status: SweepStatus) -> list[str]:
    return refused(SeedSweep, "status", status.model_dump(mode="json", by_alias=True, exclude_none=True))


def refused_episode(status: EpisodeStatus) -> list[str]:
    return refused(Episode, "status", status.model_dump(mode="json", by_alias=True))


def last(todo: Planned) -> EpisodeStatus:
    return todo.recorded(0)


@pytest.mark.parametrize("reason", [*FAILED, EndReason.INTERRUPTED, EndReason.METRICS_UNAVAILABLE, EndReason.DIVERGED])
def test_what_an_attempt_said_and_printed_goes_on_record_as_far_as_there_is_room(reason: EndReason):
    attempt = ended(
        wordy(running(0, 0.5, fingerprint=WORDS, initialization=WORDS)), reason, message=WORDS, output=WORDS
    )
    todo = look(ONE, attempt)
    assert refused_episode(last(todo)) == []
    (on_file,) = last(todo).attempts
    assert on_file.message.startswith("w\0<")
    assert bool(on_file.output) == (reason in (*FAILED, EndReason.METRICS_UNAVAILABLE))
    if on_file.output:
        assert on_file.output.startswith("...")
        assert on_file.output.endswith(WORDS[-6:-1] + "?")
    assert refused_status(todo.status) == []


def test_a_lost_node_is_told_at_no_greater_length():
    attempt = ended(running(0, 0.5), EndReason.INTERRUPTED, message=WORDS)
    todo = look(ONE, attempt, records={0: on_record(attempts=[entry("uid-0", stop=StopReason.NODE_LOST, node="n")])})
    assert refused_episode(last(todo)) == []


def test_why_an_episode_is_out_stands_short_in_the_cut_and_longer_in_its_verdict():
    out = on_record(attempts=[entry("a", EndReason.FAILED, message="m" * 1_000)])
    todo = look(TWO, running(1, 0.5, 0.5, 0.5), records={0: out})
    (cut,) = todo.cuts_made
    assert refused(Cut, "data", cut.model_dump(mode="json", by_alias=True)) == []
    verdict = last(todo).verdict
    assert verdict is not None
    (excluded,) = cut.excluded
    assert excluded.reason.startswith("Failed: Failed (failure 1")
    assert excluded.reason.endswith("...")
    assert verdict.reason.endswith("m" * 1_000)
    assert refused_episode(last(todo)) == []


def test_conditions_and_the_message_keep_to_their_bounds_whatever_an_api_server_says():
    refusal = Refusal("403 not: allowed!", WORDS, moment(100) + timedelta(minutes=1))
    todo = look(ONE, refused={episode(0): refusal}, housekeeping=Housekeeping(unable=WORDS))
    assert refused_status(todo.status) == []
    assert todo.condition("Stalled").reason == "NotAllowed"
    assert todo.status.message.startswith("cannot start all episodes")


def test_digests_and_fingerprints_keep_to_their_bounds():
    todo = look(ONE, running(0, 0.5, fingerprint=WORDS, data=WORDS))
    assert refused_status(todo.status) == []
    assert todo.status.data_digest is not None


def test_a_curve_is_completed_up_to_its_bound_however_many_evaluations_a_trainer_claims():
    sampled = running(0, 0.5, losses=None, evaluations_planned=None, steps_planned=None, sampled=True, level="L0")
    claimed = SweepStatus(evaluations=10**12, steps=10**12)
    todo = look(study(1), ended(sampled, EndReason.DONE), status=claimed)
    assert refused_episode(last(todo)) == []


# --- of another release


def test_what_a_newer_release_has_in_a_status_outlives_a_turn():
    other = Condition(type="Explored", status="True", reason="x", last_transition_time="2026-01-01T00:00:00Z")
    before = SweepStatus.model_validate({"evaluations": 10, "steps": 100, "newInV2": 1}).evolve(conditions=[other])
    todo = look(ONE, running(0, 0.5), status=before)
    assert todo.status.model_dump(by_alias=True)["newInV2"] == 1
    assert todo.condition("Explored") == other
    assert todo.condition("Accepted").status == "True"


def test_what_a_newer_release_has_in_an_episode_outlives_a_new_end():
    newer = EpisodeStatus.model_validate({"attempts": [{"uid": "uid-0", "newInV2": 1}], "newInV2": 2})
    todo = look(ONE, ended(running(0, 0.5), EndReason.INTERRUPTED), records={0: newer})
    written = last(todo).model_dump(by_alias=True)
    assert written["newInV2"] == 2
    assert written["attempts"][0]["newInV2"] == 1
    assert last(todo).attempts[0].reason == EndReason.INTERRUPTED
