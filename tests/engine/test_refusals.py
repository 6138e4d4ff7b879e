"""What the world is refused: an episode whose record cannot be written is left alone, and all of it is told."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cases import random_case
from engine.fate import Hazards
from engine.invariants import StopsOnRecord, assert_leaves_alone
from engine.outcome import assert_right_outcome
from engine.simulator import simulate
from engine.situations import (
    cut_of,
    ended,
    entry,
    episode,
    finished,
    look,
    on_record,
    pending,
    running,
    stopped_at_rung,
    study,
)
from engine.trainees import moment, seconds
from seedsweep.api.episode import EndReason, EpisodeId, StopReason, Verdict
from seedsweep.engine.observation import Observation, Refusal, SeenAttempt
from seedsweep.engine.plan import plan

NO = Refusal("Forbidden", "episodes.seedsweep.io is forbidden", moment(130))
LATER = 131
QUOTA = Refusal("QuotaExceeded", "exceeded quota: pods=2", moment(130))
TAKEN = Refusal("NameTaken", "pod study-wi0-do0 exists and is not this sweep's", moment(130))
THREE = study(3, (3, 1), parallelism=3)
ALL_PAST = tuple(running(i, 0.1, 0.2, 0.3 + i / 10, 0.4) for i in range(3))


def frozen(*indices):
    return {episode(i): NO for i in indices}


def records_of(*indices):
    return {i: on_record(attempts=[entry(f"uid-{i}")]) for i in indices}


# --- records


def test_the_cut_waits_for_an_episode_whose_record_cannot_be_written_and_everybody_else_goes_on():
    todo = look(THREE, *ALL_PAST, records=records_of(0, 1, 2), unrecorded=frozen(2))
    assert not todo.is_recorded(2)
    assert [len(todo.recorded(i).rung_scores) for i in (0, 1)] == [1, 1]
    assert todo.verdict_of(0).outcome == "LostByDominance"
    assert todo.verdict_of(0).dominators == [episode(1).name]
    assert todo.stops == [(0, StopReason.DOMINATED)]
    assert todo.cuts_made == []


def test_it_is_recorded_once_the_refusal_is_over():
    before = look(THREE, *ALL_PAST, records=records_of(0, 1, 2), unrecorded=frozen(2))
    assert before.look_again_in == seconds(30)
    after = look(THREE, *ALL_PAST, records=records_of(0, 1, 2), unrecorded=frozen(2), now=LATER)
    assert len(after.recorded(2).rung_scores) == 1
    assert after.cuts_made != []


def test_its_end_is_not_recorded_its_place_is_anothers_and_it_does_not_start_again():
    layout = study(3, (3, 1), parallelism=1)
    over = ended(running(0, 0.1), EndReason.FAILED)
    todo = look(layout, over, records=records_of(0), unrecorded=frozen(0))
    assert not todo.is_recorded(0)
    assert [i for i, _ in todo.starts] == [1]
    assert look(layout, over, records=records_of(0), unrecorded=frozen(0), now=LATER).recorded(0).attempts[0].reason


def test_what_vanished_is_not_ended_on_record():
    assert not look(THREE, records=records_of(0), unrecorded=frozen(0)).is_recorded(0)


def test_an_episode_that_was_never_recorded_is_not_started_again():
    todo = look(study(2, (3, 1), parallelism=2), ended(running(0), EndReason.FAILED), unrecorded=frozen(0))
    assert [i for i, _ in todo.starts] == [1]


def test_its_pod_is_neither_stopped_nor_paused_and_others_make_room_instead():
    layout = study(4, (3, 2), parallelism=3)
    past = {i: on_record(0.1, 0.2, 0.3 + i / 10, rungs=(3,), attempts=[entry(f"uid-{i}")]) for i in range(2)}
    attempts = (running(0, 0.1, 0.2, 0.3, 0.5), running(1, 0.1, 0.2, 0.4, 0.5), running(2, 0.1))
    assert look(layout, *attempts, records=past, parallelism=2).stops == [(0, StopReason.PAUSED)]
    todo = look(layout, *attempts, records=past, parallelism=2, unrecorded=frozen(0))
    assert todo.stops == [(1, StopReason.PAUSED)]


def test_a_loser_of_the_cut_keeps_the_sweep_from_ending_until_its_verdict_is_recorded():
    layout = study(2, (3, 1), ours=False)
    cuts = [cut_of(layout, kept=[0], lost=[1])]
    records = {0: finished(0, *(10 * [0.5])), 1: stopped_at_rung(1, 0.1, 0.2, 0.3)}
    todo = look(layout, records=records, cuts=cuts, unrecorded=frozen(1))
    assert (todo.records, todo.finished) == ((), False)
    assert todo.condition("Complete").status == "False"
    after = look(layout, records=records, cuts=cuts, unrecorded=frozen(1), now=LATER)
    assert after.verdict_of(1).outcome == "LostByCut"
    assert after.finished


def test_nothing_of_it_is_freed():
    lost = stopped_at_rung(1, 0.1, 0.2, 0.3).evolve(verdict=Verdict(outcome="LostByDominance", rung=0))
    options: dict[str, Any] = {"records": {1: lost}, "stored": {episode(1): True}}
    left_alone = look(THREE, running(0), unrecorded=frozen(1), **options)
    assert look(THREE, running(0), **options).decisions != left_alone.decisions
    assert_leaves_alone(left_alone, frozen(1), StopsOnRecord())


def test_what_it_trained_counts_meanwhile():
    records = records_of(0, 1)
    seen = (running(0, 0.1, 0.2), ended(running(1, 0.1), EndReason.INTERRUPTED, at=60))
    known = look(THREE, *seen, records=records).status.cost
    assert look(THREE, *seen, records=records, unrecorded=frozen(0, 1)).status.cost == known


def test_what_an_attempt_without_a_record_trained_counts_too_and_it_is_shown_as_running():
    status = look(THREE, running(0, 0.1, 0.2), unrecorded=frozen(0)).status
    assert (status.cost.useful_steps, status.cost.gpu_seconds) == (20, 100.0)
    assert (status.counts.running, status.counts.waiting) == (1, 2)


def test_a_record_that_cannot_be_written_is_told_while_others_train_and_between_the_tries():
    for now in (100, 1000):
        stalled = look(THREE, running(0, 0.1), running(1), unrecorded=frozen(1, 2), now=now).condition("Stalled")
        assert (stalled.status, stalled.reason) == ("True", "Forbidden")
        assert "wi1-do1 and 1 more cannot be written: episodes.seedsweep.io is forbidden" in stalled.message


def suspended(*attempts, **fields):
    return look(THREE, *attempts, suspend=True, unrecorded=frozen(0, 1, 2), **fields)


def test_a_suspended_sweep_stops_its_pod_once_it_has_a_checkpoint_for_the_spec_says_why():
    todo = suspended(running(0, 0.1, 0.2), running(1, 0.1, checkpoint=0), pending(2))
    assert sorted(todo.stops) == [(0, StopReason.SUSPENDED), (2, StopReason.SUSPENDED)]
    assert todo.records == ()
    assert suspended(running(1, 0.1, checkpoint=0), resumable=False).stops == [(1, StopReason.SUSPENDED)]


def test_a_suspended_sweep_stops_a_loser_of_the_cut_whose_verdict_cannot_be_recorded():
    cuts = [cut_of(THREE, kept=[1], lost=[0, 2])]
    assert suspended(running(0, 0.1, 0.2, 0.3), cuts=cuts).stops == [(0, StopReason.SUSPENDED)]


def test_what_is_stopped_already_is_stopped_once():
    assert suspended(running(0, 0.1, 0.2, stopping=True)).stops == []


def test_a_stop_that_was_recorded_before_is_carried_out():
    records = {0: on_record(attempts=[entry("uid-0", stop=StopReason.PAUSED)])}
    assert look(THREE, running(0, 0.1), records=records, unrecorded=frozen(0)).stops == [(0, StopReason.PAUSED)]


def test_the_deadline_stops_its_pod_once_the_sweeps_failure_is_on_record():
    late = study(3, (3, 1), parallelism=3, activeDeadlineSeconds=50)
    first = look(late, running(0, 0.1), running(1, 0.1), unrecorded=frozen(0))
    assert first.stops == [(1, StopReason.DEADLINE)]
    assert first.condition("Failed").reason == "DeadlineExceeded"
    assert first.look_again_in == seconds(0)
    planned_only = look(late, running(0, 0.1), unrecorded=frozen(0), status=first.status)
    assert planned_only.stops == []
    second = look(late, running(0, 0.1), unrecorded=frozen(0), status=first.status, has_failed=True)
    assert second.stops == [(0, StopReason.DEADLINE)]


def test_why_it_was_stopped_is_recorded_with_its_end_once_that_can_be_written():
    stopped = ended(running(0, 0.1, stop=StopReason.SUSPENDED), EndReason.INTERRUPTED)
    written = look(THREE, stopped, records=records_of(0), suspend=True).recorded(0).attempts[0]
    assert (written.reason, written.stop) == (EndReason.STOPPED, StopReason.SUSPENDED)


# Drawn anew in every turn: whatever a plan is made of, it leaves alone those whose record cannot be written.
@pytest.mark.timeout(1800)
@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(seed=st.integers(0, 2**32))
def test_whoever_cannot_be_recorded_is_named_by_no_record_and_no_decision(seed: int):
    rng = random.Random(seed)

    def checked(layout, seen, now):
        if rng.random() < 0.3:
            some = {e: replace(NO, until=moment(10**6)) for e in layout.episodes if rng.random() < 0.5}
            on_record = StopsOnRecord(seen.suspend, seen.has_failed, seen.episodes)
            assert_leaves_alone(plan(layout, replace(seen, unrecorded=some), now), some, on_record)
        return plan(layout, seen, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.simulator.plan", checked)
        patch.setattr("seedsweep.engine.draft.MAX_WRITES", rng.choice([1, 3, 128]))
        hazards = Hazards(
            mishap=0.3, vanish=0.2, mute=0.2, crash=0.1, denied=0.2, turmoil=3, gpus=rng.choice([None, 2])
        )
        assert_right_outcome(simulate(random_case(rng), hazards, seed))


# --- cuts


def test_while_a_cut_cannot_be_created_all_but_its_bracket_goes_on():
    brackets = {"brackets": [{"episodes": 2, "rungs": [{"atPercent": 30, "keep": 1}]}] * 2}
    layout = study(4, parallelism=4, stopping=brackets)
    one, other = ([e.weight_init for e in members] for members in layout.members)
    records = {i: stopped_at_rung(i, 0.1, 0.2, 0.3 + i / 10) for i in (*one, *other)}
    options: dict[str, Any] = {"records": records, "resumable": False, "refused_cuts": {(0, 0): NO}}
    todo = look(layout, **options)
    assert [cut.bracket for cut in todo.cuts_made] == [1]
    todo = look(layout, **options, cuts=[cut_of(layout, other[:1], other[1:], bracket=1)])
    assert [i for i, _ in todo.starts] == other[:1]
    assert todo.look_again_in == seconds(30)
    stalled = todo.condition("Stalled")
    assert (stalled.reason, "the cut of bracket 0 at rung 0" in stalled.message) == ("Forbidden", True)
    again = look(layout, **options, cuts=[cut_of(layout, other[:1], other[1:], bracket=1)], now=LATER)
    assert [cut.bracket for cut in again.cuts_made] == [0]


# --- starts


def test_a_refused_start_is_told_until_it_was_done_whenever_it_is_tried_again():
    for now in (100, LATER, 1000):
        stalled = look(THREE, refused={episode(0): QUOTA}, now=now).condition("Stalled")
        assert (stalled.status, stalled.reason) == ("True", "QuotaExceeded")
        assert "pods=2" in stalled.message


@pytest.mark.parametrize(
    "unwanted",
    [
        {"records": {0: stopped_at_rung(0, 0.1).evolve(verdict=Verdict(outcome="LostByDominance", rung=0))}},
        {"attempts": (running(0, 0.1),)},
        {"suspend": True},
    ],
    ids=["settled", "live", "suspended"],
)
def test_a_refused_start_that_nobody_wants_any_more_is_not_told(unwanted):
    attempts = unwanted.pop("attempts", ())
    todo = look(THREE, *attempts, refused={episode(0): QUOTA}, **unwanted)
    assert todo.condition("Stalled").status == "False"


def test_a_refused_start_is_not_told_while_others_hold_all_places():
    layout = study(3, (3, 1), parallelism=2)
    todo = look(layout, running(1), running(2), refused={episode(0): QUOTA}, now=LATER)
    assert todo.condition("Stalled").status == "False"


def test_a_refused_bet_is_told_only_while_it_is_one():
    lead, other = stopped_at_rung(0, 0.1, 0.2, 0.9), stopped_at_rung(2, 0.1, 0.2, 0.3)
    layout = study(4, (3, 2), parallelism=4)
    todo = look(layout, running(1), running(3), records={0: lead, 2: other}, refused={episode(2): QUOTA})
    assert todo.condition("Stalled").status == "False"
    todo = look(layout, running(1), running(3), records={0: lead, 2: other}, refused={episode(0): QUOTA})
    assert todo.condition("Stalled").status == "True"


def test_where_only_one_episode_is_refused_others_use_the_places_at_once():
    layout = study(4, (3, 2), parallelism=2)
    records = {i: stopped_at_rung(i, 0.1, 0.2, i / 10) for i in (1, 2, 3)}
    assert [i for i, _ in look(layout, records=records, refused={episode(0): TAKEN}).starts] == [3, 2]
    assert look(layout, records=records, refused={episode(0): QUOTA}).starts == [(3, None)], "a place is kept for it"


def test_refusals_are_told_by_their_weight():
    gone_wrong = Refusal("Forbidden", "pods may not be deleted", moment(0))
    cut = Refusal("Forbidden", "cuts may not be created", moment(0))
    gone = running(1, node="n", silent_since=moment(90))
    pulled = pending(2, trouble="ErrImagePull")
    facts = {
        "hindrances": [gone_wrong],
        "refused_cuts": {(0, 0): cut},
        "unrecorded": frozen(0),
        "refused": {episode(0): QUOTA},
    }
    said = []
    while facts:
        said.append(look(THREE, gone, **facts).condition("Stalled").message)
        facts.pop(next(iter(facts)))
    said.append(look(THREE, gone, pulled).condition("Stalled").message)
    parts = ["pods may not", "cuts may not", "the record of wi0-do0", "exceeded quota", "does not respond"]
    assert [part in message for part, message in zip(parts, said, strict=True)] == 5 * [True]


@pytest.mark.parametrize("kind", ["CannotBegin", "MetricsUnreachable", "MetricsUnusable"])
def test_trouble_of_an_attempt_is_told_by_its_kind(kind):
    stalled = look(THREE, running(0, trouble="no route to host", trouble_kind=kind)).condition("Stalled")
    assert (stalled.status, stalled.reason, stalled.message) == ("True", kind, "wi0-do0: no route to host")


# --- what is not the sweep's


def test_a_pod_of_an_episode_that_there_is_not_is_left_alone_and_told():
    other = SeenAttempt(EpisodeId(9, 9), "uid-9", moment(0), bound=moment(0), reading=running(0, 0.1).reading)
    foreign: dict[str, Any] = {
        "refused": {EpisodeId(9, 9): QUOTA},
        "unrecorded": {EpisodeId(9, 9): NO},
        "stored": {EpisodeId(9, 9): True},
    }
    todo = look(THREE, running(0, 0.1), other, **foreign)
    alone = look(THREE, running(0, 0.1))
    assert (todo.records, todo.decisions, todo.status.cost) == (alone.records, alone.decisions, alone.status.cost)
    stalled = todo.condition("Stalled")
    assert (stalled.reason, "wi9-do9" in stalled.message) == ("UnknownPod", True)


def test_records_of_episodes_that_there_are_not_are_passed_over():
    seen = look(THREE, running(0, 0.1), records={0: on_record(attempts=[entry("uid-0")])})
    more = look(THREE, running(0, 0.1), records={0: on_record(attempts=[entry("uid-0")]), 9: finished(9, 1.0)})
    assert more == seen


def test_an_observation_of_known_episodes_alone_is_taken_as_it_is():
    seen = Observation(status=look(THREE).status, attempts=(running(0),))
    assert seen.known_to(THREE.index.keys()) is seen
