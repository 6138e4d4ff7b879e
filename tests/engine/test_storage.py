"""Storage that others reach for the engine: what is freed and when, what a warm-up holds up, what people are told."""

from dataclasses import replace

import pytest

from engine.situations import (
    OVER,
    Planned,
    cut_of,
    entry,
    episode,
    look,
    on_record,
    running,
    study,
)
from engine.trainees import moment
from seedsweep.api.core.objects import Condition
from seedsweep.api.episode import EndReason, EpisodeId, EpisodeStatus, Freed
from seedsweep.api.recorded import timestamp
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import Prune, RecordEpisode, StartEpisode, WarmUp
from seedsweep.engine.facts.freed import stored_of
from seedsweep.engine.observation import HandOverOutcome, Housekeeping, WarmedUp
from seedsweep.engine.status.conditions import transitions

BUCKET = {"uri": "s3://bucket"}
TWO = study(2, (3, 1), storage=BUCKET)
CUT = cut_of(TWO, kept=[0], lost=[1])
STORED = {episode(0): True, episode(1): True}
HANDED_OVER = HandOverOutcome(episode(0).name, weights="s3://bucket/best")
IDLE = Housekeeping()


def at_the_end(housekeeping: Housekeeping | None, **fields: object) -> Planned:
    values: dict[str, object] = {"stored": STORED, "hand_over": HANDED_OVER, **fields}
    return look(TWO, records=OVER, cuts=[CUT], housekeeping=housekeeping, **values)  # type: ignore[arg-type]


def freed(kept: bool, attempts: int = 1) -> Freed:
    return Freed(attempts=attempts, best_kept=kept)


def failing(reason: str = "DeadlineExceeded") -> SweepStatus:
    failed = Condition(type="Failed", status="True", reason=reason, last_transition_time=timestamp(moment(90)))
    return SweepStatus(start_time=timestamp(moment(0)), evaluations=10, steps=100, conditions=[failed])


# --- freeing


def test_a_sweep_is_over_once_all_that_no_one_needs_is_freed():
    asked = at_the_end(IDLE)
    assert asked.of_kind(Prune) == [Prune(episode(0), keep_best=True), Prune(episode(1), keep_best=False)]
    assert not asked.finished
    assert asked.status.phase == "Concluding"
    assert "freeing what is no longer needed" in asked.status.message
    assert at_the_end(IDLE, stored={episode(0): False}).finished


def test_what_is_being_freed_is_not_asked_for_again_and_still_waited_for():
    todo = at_the_end(Housekeeping(freeing=frozenset(STORED)))
    assert todo.of_kind(Prune) == []
    assert not todo.finished
    # Only news can change that: no turn after turn in the meantime.
    assert todo.look_again_in is None


def test_a_world_that_frees_at_once_is_asked_once_more_at_once():
    todo = at_the_end(None)
    assert not todo.finished
    assert todo.look_again_in is not None
    assert todo.look_again_in.total_seconds() == 0
    assert at_the_end(None, stored={episode(0): False}).finished


def test_what_was_freed_goes_on_record_with_the_attempts_it_was_true_for():
    todo = at_the_end(Housekeeping(freed={episode(0): True, episode(1): False}))
    assert todo.recorded(0).freed == freed(kept=True)
    assert todo.recorded(1).freed == freed(kept=False)
    assert todo.of_kind(Prune) == []
    assert todo.finished


def written(todo: Planned) -> list[EpisodeId]:
    return [record.episode for record in todo.records if isinstance(record, RecordEpisode)]


def test_a_sweep_is_not_over_before_all_that_was_freed_is_on_record(monkeypatch):
    monkeypatch.setattr("seedsweep.engine.draft.MAX_WRITES", 1)
    housekeeping = Housekeeping(freed={episode(0): True, episode(1): False})
    todo = at_the_end(housekeeping)
    assert written(todo) == [episode(0)]
    assert not todo.finished
    assert todo.look_again_in is not None
    assert todo.look_again_in.total_seconds() == 0
    records = {**OVER, 0: todo.recorded(0)}
    then = look(TWO, records=records, cuts=[CUT], housekeeping=housekeeping, hand_over=HANDED_OVER)
    assert written(then) == [episode(1)]
    assert then.finished


def test_what_is_on_record_as_freed_is_not_written_again():
    records = {0: OVER[0].evolve(freed=freed(True)), 1: OVER[1].evolve(freed=freed(False))}
    housekeeping = Housekeeping(freed={episode(0): True, episode(1): False})
    assert look(TWO, records=records, cuts=[CUT], housekeeping=housekeeping, hand_over=HANDED_OVER).records == ()


def test_what_an_episode_has_stored_follows_from_its_record():
    one, two = entry("a", EndReason.INTERRUPTED), entry("b", EndReason.DONE)
    records = {
        episode(0): EpisodeStatus(attempts=[one]),
        episode(1): EpisodeStatus(attempts=[one], freed=freed(True)),
        episode(2): EpisodeStatus(attempts=[one], freed=freed(False)),
        episode(3): EpisodeStatus(attempts=[one, two], freed=freed(False)),
        episode(4): EpisodeStatus(),
    }
    assert stored_of(records) == {episode(0): True, episode(1): False, episode(3): True}


def test_best_weights_of_one_that_led_for_a_while_go_once_another_leads():
    records = {0: OVER[0], 1: OVER[1].evolve(freed=freed(True))}
    stored = {episode(0): True, episode(1): False}
    todo = look(TWO, records=records, cuts=[CUT], housekeeping=IDLE, stored=stored, hand_over=HANDED_OVER)
    assert Prune(episode(1), keep_best=False) in todo.decisions


def test_an_end_does_not_wait_for_what_cannot_be_freed_but_says_so():
    stuck = Housekeeping(trouble="freeing failed 4 times: the bucket is away", exhausted=True)
    todo = at_the_end(stuck)
    assert todo.finished
    assert todo.of_kind(Prune) == [], "a pod would outlive the end"
    tidy = todo.condition("StorageTidy")
    assert (tidy.status, tidy.reason) == ("False", "HousekeepingFails")
    assert tidy.message == "2 episodes' folders: freeing failed 4 times: the bucket is away"


def test_those_who_could_resume_keep_what_they_have_until_the_failure_is_on_record():
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,), attempts=[entry("a", EndReason.INTERRUPTED, checkpoint=3)])}
    layout = study(2, (3, 1), storage=BUCKET, activeDeadlineSeconds=50)
    stored = {episode(0): True}
    before = look(layout, records=records, housekeeping=IDLE, stored=stored, hand_over=HANDED_OVER)
    assert before.condition("Failed").reason == "DeadlineExceeded"
    assert before.of_kind(Prune) == []
    assert not before.finished
    assert before.look_again_in is not None
    after = look(layout, records=records, housekeeping=IDLE, stored=stored, hand_over=HANDED_OVER, status=failing())
    assert after.of_kind(Prune) == [Prune(episode(0), keep_best=True)]


def test_a_sweep_whose_rejected_spec_was_mended_keeps_what_it_can_resume_from():
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,), attempts=[entry("a", EndReason.INTERRUPTED, checkpoint=3)])}
    mended = failing("Invalid")
    todo = look(TWO, records=records, housekeeping=IDLE, stored={episode(0): True}, status=mended)
    assert todo.of_kind(Prune) == []
    assert todo.condition("Failed").status == "False"


def test_keep_all_leaves_what_survivors_have_and_frees_losers_all_the_same():
    layout = study(2, (3, 1), storage={**BUCKET, "retentionPolicy": {"whenFinished": "KeepAll"}})
    todo = look(layout, records=OVER, cuts=[CUT], housekeeping=IDLE, stored=STORED, hand_over=HANDED_OVER)
    assert todo.of_kind(Prune) == [Prune(episode(1), keep_best=False)]
    rest = {episode(0): True}
    assert look(layout, records=OVER, cuts=[CUT], housekeeping=IDLE, stored=rest, hand_over=HANDED_OVER).finished


def test_storage_of_a_trainer_of_ones_own_is_freed_whole_or_left_alone():
    layout = study(2, (3, 1), storage=BUCKET, ours=False)
    todo = look(layout, records=OVER, cuts=[CUT], housekeeping=IDLE, stored=STORED)
    assert todo.of_kind(Prune) == [Prune(episode(1), keep_best=False)]


def test_storage_that_nobody_can_free_is_told():
    unable = Housekeeping(unable="the operator was started without --housekeeping-image")
    tidy = at_the_end(unable, stored={}).condition("StorageTidy")
    assert (tidy.status, tidy.reason, tidy.message) == ("False", "NoHousekeepingImage", unable.unable)


# --- warming up


def warming(warm_up: WarmedUp | None, *attempts: object, **fields: object) -> Planned:
    values: dict[str, object] = {"status": SweepStatus(), **fields}
    return look(TWO, *attempts, housekeeping=Housekeeping(warm_up=warm_up), **values)  # type: ignore[arg-type]


def test_no_episode_starts_before_the_storage_is_warm():
    todo = warming(WarmedUp())
    assert todo.decisions == (WarmUp(),)
    assert "warming up" in todo.status.message
    assert todo.condition("Progressing").reason == "WarmingUp"
    assert (todo.condition("WarmedUp").status, todo.condition("WarmedUp").reason) == ("False", "WarmingUp")
    assert warming(WarmedUp(under_way=True)).decisions == ()


@pytest.mark.parametrize("warm_up", [WarmedUp(over=True, parameters=5), WarmedUp(over=True, error="gave up"), None])
def test_episodes_start_once_it_is_over_whatever_came_of_it(warm_up: WarmedUp | None):
    assert len(warming(warm_up).starts) == 2


def test_what_is_already_running_waits_for_no_warm_up():
    todo = warming(WarmedUp(), running(0, 0.1))
    assert [type(decision) for decision in todo.decisions] == [StartEpisode]
    assert todo.condition("WarmedUp").reason == "EpisodesStarted"


def test_a_suspended_sweep_is_not_warmed_up():
    todo = warming(WarmedUp(), suspend=True)
    assert todo.decisions == ()
    assert todo.status.phase == "Suspended"


def test_a_configuration_that_is_refused_ends_the_sweep_before_it_begins():
    todo = warming(WarmedUp(refused="model: there is no such model"))
    assert todo.decisions == ()
    assert todo.finished
    failed = todo.condition("Failed")
    assert (failed.reason, failed.message) == ("BadConfiguration", "model: there is no such model")


def test_what_a_warm_up_found_out_outlives_it():
    before = warming(WarmedUp(over=True, parameters=10**9)).status
    todo = warming(None, status=before)
    assert todo.status.parameters == 10**9
    assert todo.condition("WarmedUp").status == "True"


# --- what people are told


def test_how_much_is_stored_at_most_is_said_before_the_start():
    layout = study(20, (3, 4), (6, 2), storage=BUCKET, parallelism=3)
    todo = look(layout, housekeeping=Housekeeping(warm_up=WarmedUp(over=True, parameters=100_000_000)))
    kept = todo.condition("CheckpointsKept")
    assert (kept.status, kept.reason) == ("True", "Stored")
    # (4 + 2 x 3) checkpoints of 1.2 GB, and (4 + 3) x 3 best weights and the winner's of 0.4 GB.
    assert kept.message == (
        "at most 7 checkpoints to resume from (4 kept, 3 at work), plus those of interrupted episodes, "
        "and 22 best weights: 20.8 GB"
    )


def test_without_storage_what_it_costs_is_said():
    todo = look(study(20, (3, 4), (6, 2)), resumable=False)
    kept = todo.condition("CheckpointsKept")
    assert (kept.status, kept.reason) == ("False", "NoStorage")
    # 4 survivors of the first cut at step 30, 2 of the second at step 60.
    assert "up to 240 steps more" in kept.message


def test_without_storage_the_end_says_that_there_are_no_weights():
    layout = study(2, (3, 1))
    assert "no weights were kept" in look(layout, records=OVER, cuts=[CUT], resumable=False).status.message


def test_what_became_of_the_storage_is_told_once():
    before = SweepStatus()
    after = warming(WarmedUp(over=True, error="warming up failed 4 times: no such bucket")).status
    told = [event for event in transitions(before, after) if event.reason == "WarmedUp"]
    assert [(event.kind, event.message) for event in told] == [
        ("Warning", "Skipped: warming up failed 4 times: no such bucket")
    ]
    assert transitions(after, after) == []


def test_the_hand_over_is_told_with_its_place():
    todo = at_the_end(IDLE, stored={}, hand_over=replace(HANDED_OVER, exported="hf://me/model"))
    (told,) = [event for event in todo.events if event.reason == "HandedOver"]
    assert told.message == "the weights of wi0-do0 are at s3://bucket/best, and a copy at hf://me/model"
    assert todo.status.best is not None
    assert todo.status.best.exported == "hf://me/model"
